"""`phosphene trial`, as it is typed."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from phosphene.faces.trial.asking import Answers
from tests.small_index import small_index


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    small_index(folder)
    return folder / "photos.index"


@pytest.fixture
def trial(small, made):
    shutil.copytree(made, "photos.index")
    Path("a.txt").write_text("1\n" * 9)
    return lambda *words, net="own.py": small("trial", *words, net=net)


WORDS = ["photos.index", "--count", 3, "--quiet"]


@pytest.mark.slow
def test_answers_results_and_figure(trial):
    code, out, err = trial(*WORDS[:3], "--answers", "a.txt", "--choices", 3)
    assert code == 0 and out.splitlines()[0].startswith("me: right about ") and out.splitlines()[-1] == "trial.png"
    assert "picture 3 of 3" in err and "What is it?" in err
    record = json.loads(Path("trial.json").read_text())
    assert record["people"]["me"]["of"] == 3 and record["trial"]["choices"] == 3
    assert Image.open("trial.png").width > 400
    code, again, _ = trial("--report", "--json", net=None)  # neither index nor network
    assert code == 0 and json.loads(again) == record | {"figure": "trial.png"}


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped_and_more_can_be_asked(trial):
    Path("one.txt").write_text("1\nq\n")
    code, _, err = trial(*WORDS[:3], "--answers", "one.txt")
    assert code == 0 and "1 of 3 are answered, and in trial.sqlite; the same command goes on from there" in err
    with sqlite3.connect("trial.sqlite") as file:
        before = file.execute("SELECT question FROM questions ORDER BY number").fetchall()
    assert trial("photos.index", "--count", 5, "--quiet", "--answers", "a.txt")[0] == 0
    with sqlite3.connect("trial.sqlite") as file:
        after = file.execute("SELECT question FROM questions ORDER BY number").fetchall()
        assert after[:3] == before and len(after) == 5
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (5,)


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_answered(trial, monkeypatch):
    lines = ["2", "1"]

    def line(self):
        if not lines:
            raise KeyboardInterrupt
        return lines.pop()

    monkeypatch.setattr(Answers, "next", line)
    code, out, err = trial(*WORDS[:3], "--answers", "a.txt")
    assert code == 130 and "interrupted: 2 of 3 are answered" in err and out.startswith("me: right about")


@pytest.mark.slow
def test_a_machine_answers_about_units_in_a_person_s_place(trial):
    words = ["--units", "--references", 3, "--record", "u.sqlite"]
    Path("other.py").write_text(Path("own.py").read_text().replace("manual_seed(0)", "manual_seed(1)"))
    code, out, _ = trial(*WORDS[:3], *words, "--judge", "other.py")
    assert code == 0 and out.startswith("other.py: right about ") and "chance is one half" in out
    code, out, _ = trial(*WORDS[:3], *words, "--answers", "a.txt", "--name", "ada")
    assert [line.split(":")[0] for line in out.splitlines() if not line.startswith(" ")][:2] == ["ada", "other.py"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the index is missing: phosphene trial INDEX"),
        (["none.index"], "there is no index none.index"),
        (["photos.index", "--count", 99], "99 pictures were asked for, and the index has 60 with a class"),
        (["photos.index", "--unit", "relu1:2"], "--unit belongs to questions about units; give --units as well"),
        (["photos.index", "--units", "--choices", 3], "--choices belongs to questions about classes"),
        (["photos.index", "--record", "trial.txt"], "trial.txt does not end in .sqlite"),
        (["photos.index", "--answers", "none.txt"], "there is no such file"),
        (["--report"], "there is no record trial.sqlite of a trial"),
        (["photos.index", "--units", "--references", 40], "40 references on either side and two to ask about take 82"),
        (["photos.index", "--units", "--hint", "words"], "'words' is not a valid value for hint"),
        (
            ["photos.index", "--units", "--count", 2, "--references", 3, "--judge", "own.py"],
            "is the network that is asked about",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(trial, words, said):
    code, _, err = trial(*words, "--quiet")
    assert code == 2 and said in err and "Traceback" not in err


@pytest.mark.slow
def test_a_network_whose_code_would_run_has_to_be_named(trial):
    code, _, err = trial(*WORDS, net=None)
    assert code == 2 and "which is not inside this program: name it with --net" in err
    code, _, err = trial(*WORDS, net="embedded:digits")
    assert code == 2 and "is of Sequential, not of embedded:digits" in err


@pytest.mark.slow
def test_another_trial_s_record_and_another_command_s_files_are_not_overwritten(trial):
    assert trial(*WORDS, "--answers", "a.txt")[0] == 0
    code, _, err = trial(*WORDS, "--answers", "a.txt", "--seed", 1)
    assert code == 2 and "trial.sqlite has a trial with another seed" in err
    Path("other.png").write_text("mine")
    code, _, err = trial(*WORDS, "--answers", "a.txt", "--record", "other.sqlite")
    assert code == 2 and "other.png is there already" in err and not Path("other.sqlite").exists()
