"""Pictures made again from the recipes that they carry, to the pixel."""

import errno
import json
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

import phosphene
from phosphene import catalogue
from phosphene.core.pictures.files import read_text
from phosphene.core.results.results import Run
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import replay
from tests.faces.replay.pictures import MADE, SEVERAL, made, pixels, refused, rewrite
from tests.small import SOURCE, convnet


def _method(words):
    """Which of a command's methods these words choose."""
    (*_, choice) = {row.choice for row in catalogue.CATALOGUE if row.command == words[0]}
    alone = {row.method for row in catalogue.CATALOGUE if row.command == words[0]} & {"", catalogue.ITSELF}
    return words[words.index(f"--{choice}") + 1] if f"--{choice}" in words else max(alone, default="")


def test_every_recipe_of_the_program_is_tried():
    tried = {(words[0], _method(words)) for words in MADE + SEVERAL}
    every = {(row.command, row.method) for row in catalogue.CATALOGUE if row.name or row.prefix}
    # rollout is for transformers, which this network is not; one of Captum's stands for all
    tried = {(command, "captum:NAME" if method.startswith("captum:") else method) for command, method in tried}
    assert tried == every - {("attribute", "rollout")}


USUAL = [words for at, words in enumerate(MADE) if words[0] not in (before[0] for before in MADE[:at])][::3]
"""The first of every third command."""


TOOK = r"note: each prior's picture made alone takes, in seconds[^\n]*\n"
"""What a comparison tells, other numbers every time."""


@pytest.mark.parametrize(
    "words",
    [words if words in USUAL else pytest.param(words, marks=pytest.mark.slow) for words in MADE],
    ids=lambda words: "-".join(w for w in words if w.isalpha()),
)
def test_every_command_makes_its_picture_again(run, words):
    made(run, *words)
    ends = [end for end in (".png", ".figure.png", ".input.png") if Path(f"made{end}").exists()]
    for end in ends:
        inputs = ["--input", "cat.png", "--input", "photos"]
        code, out, err = run("replay", f"made{end}", "--net", "own.py", *inputs, "--out", f"again{end}")
        assert (code, re.sub(TOOK, "", err)) == (0, "")
        assert "identical: all" in out
        assert (pixels(f"again{end}") == pixels(f"made{end}")).all()
        again, first = (json.loads(read_text(f"{name}{end}")["phosphene"]) for name in ("again", "made"))
        assert again == first


@pytest.mark.slow
@pytest.mark.parametrize("words", SEVERAL, ids=lambda words: words[0])
def test_pictures_of_a_folder_and_their_one_figure_are_made_again(run, words):
    code, _, err = run(*words, "--net", "own.py", "--out", "made")
    assert code == 0, err
    (drawn,) = Path("made").glob("*.figure.png")
    pictures = sorted(set(Path("made").glob("*.png")) - {drawn})
    network = phosphene.load("own.py")
    photos = [word for word in words if word == "cat.png"]
    for picture in (pictures[0], pictures[-1], drawn):
        again = replay(picture, network, photos)
        assert again.same
        assert (np.asarray(again.image) == pixels(picture)).all()
    assert run(*words, "--net", "own.py", "--out", "made")[0] == 2  # it is there already


def test_one_of_several_pictures_is_made_again_with_the_batch_that_it_was_computed_in(run):
    code, *_ = run(
        "visualize", "conv2:0-3", "logits:1", "--steps", 3, "--size", 24, "--net", "own.py", "--out", "units"
    )
    assert code == 0
    again = replay("units/conv2-2.png", phosphene.load("own.py"))
    assert again.same
    assert (np.asarray(again.image) == pixels("units/conv2-2.png")).all()
    assert (np.asarray(again.image) != pixels("units/conv2-1.png")).any()


def test_a_sheet_names_its_pictures_and_is_made_again():
    network = convnet(torch.float32)
    phosphene.visualize(network, ["conv2:0-2"], steps=2, size=24).save("sheet.png")
    assert json.loads(read_text("sheet.png")["phosphene"])["names"] == ["conv2-0", "conv2-1", "conv2-2"]
    assert replay("sheet.png", network).same


@pytest.mark.parametrize("options", [["--precision", "float64"], ["--precision", "bfloat16"], ["--no-plan"]])
def test_the_plan_of_a_picture_is_followed(run, options):
    made(run, "visualize", "conv2:1", "--steps", "4", "--size", "24", *options)
    plan = read_record("made.png").plans["picture"]
    assert plan.precision == (options[1] if len(options) > 1 else "float32")
    code, out, _ = run("replay", "made.png", "--net", "own.py")
    assert code == 0
    assert "identical" in out


def test_what_differs_on_another_machine_is_said(run, monkeypatch):
    made(run, "attribute", "cat.png", "--method", "gradient")
    before = replaying.versions()
    monkeypatch.setattr(replaying, "versions", lambda *_: before | {"torch": "9.9"})
    original = replaying.begin

    def slightly_else(*args):
        found = original(*args)
        found.image = found.image + 2 / 255
        return found

    monkeypatch.setattr(replaying, "begin", slightly_else)
    code, out, _ = run("replay", "made.png", "--net", "own.py", "--input", "cat.png")
    assert code == 1
    assert f"pixels differ, by at most 2/255 (torch was {before['torch']}, is 9.9)" in out


def test_the_number_of_threads_is_that_of_the_recipe_and_given_back(run, monkeypatch):
    made(run, "invert", "cat.png", "--steps", "1")
    found = json.loads(read_text("made.png")["phosphene"])
    rewrite("made.png", found | {"threads": 3})
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    seen, own = [], torch.get_num_threads()
    original = replaying.begin
    monkeypatch.setattr(replaying, "begin", lambda *args: (seen.append(torch.get_num_threads()), original(*args))[1])
    replay("made.png", phosphene.load("own.py"), ["cat.png"])
    assert seen == [3]
    assert torch.get_num_threads() == own


def test_a_changed_weight_is_refused_with_what_differs(picture):
    network = phosphene.load("own.py")
    with torch.no_grad():
        next(network.model.parameters())[0] += 1e-6
    unhashed = network.of(network.model)  # as for a model that was wrapped by hand
    said = refused(unhashed, ["cat.png"])
    assert "own.py is not the network that made made.png: the SHA-256 of its weights begins with" in said
    assert picture["network"]["sha256"][:12] in said


def test_a_changed_network_file_is_refused_with_what_differs(picture):
    Path("own.py").write_text(SOURCE + "\n# changed\n")
    assert "the SHA-256 of its file begins with" in refused(phosphene.load("own.py"), ["cat.png"])


def test_a_replay_overwrites_nothing_unless_it_is_told_to(run, picture):
    shutil.copy("cat.png", "again.png")
    words = ["replay", "made.png", "--net", "own.py", "--input", "cat.png", "--out", "again.png"]
    code, _, err = run(*words)
    assert code == 2
    assert "again.png is there already" in err
    code, *_ = run(*words, "--force")
    assert code == 0


def test_a_run_that_is_replayed_is_the_same_in_python(run):
    made(run, "dream", "cat.png", "--octaves", "1", "--steps", "2")
    recipe = read_record("made.png")
    again = replaying.begin(recipe, phosphene.load("own.py"), ["cat.png"])
    assert isinstance(again, Run)
    assert again.total == 2


def test_a_picture_of_a_head_that_was_said_is_made_again(run):
    words = ["--head", "sigmoid", "--score", "p", "--net", "embedded:digits", "--out", "said.png"]
    assert run("attribute", "skimage:coffee", *words)[0] == 0
    record = json.loads(read_text("said.png")["phosphene"])
    assert record["network"]["head"] == "sigmoid"
    code, out, err = run("replay", "said.png", "--out", "again.png")
    assert (code, err) == (0, "") and "identical: all" in out


def test_a_full_disk_leaves_what_was_there_and_the_picture_is_elsewhere(run, picture, monkeypatch, tmp_path):
    Path("again.png").write_text("old")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write = Path.write_bytes

    def full(path, data):
        if path.parent == Path():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    words = ["replay", "made.png", "--net", "own.py", "--input", "cat.png", "--out", "again.png"]
    assert run(*words)[0] == 2
    code, out, err = run(*words, "--force")
    assert code == 2 and "could not be written to (no space left on device); it is in" in err
    assert Path("again.png").read_text() == "old" and not list(Path().glob(".*"))
    assert (pixels(out.splitlines()[-1]) == pixels("made.png")).all()


@pytest.mark.slow
def test_a_record_of_more_threads_than_there_are_runs_with_all_of_them_and_says_so(run, monkeypatch):
    made(run, "invert", "cat.png", "--steps", "1")
    rewrite("made.png", json.loads(read_text("made.png")["phosphene"]) | {"threads": 1024})
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    seen, original = [], replaying.begin
    monkeypatch.setattr(replaying, "begin", lambda *args: (seen.append(torch.get_num_threads()), original(*args))[1])
    again = replay("made.png", phosphene.load("own.py"), ["cat.png"])
    assert seen == [2] and again.changes == ("the number of threads was 1024, is 2",)


# -------------------------------------------------------------------------------------------------------- identity


def test_one_level_of_one_colour_of_one_pixel_is_not_identical(run, picture, monkeypatch):
    original = replaying.begin

    def slightly_else(*args):
        found = original(*args)
        levels = (found.image * 255).round()
        levels[0, 1, 2, 3] += 1 if levels[0, 1, 2, 3] < 255 else -1
        found.image = levels / 255
        return found

    monkeypatch.setattr(replaying, "begin", slightly_else)
    code, out, _ = run("replay", "made.png", "--net", "own.py", "--input", "cat.png", "--out", "again.png")
    assert code == 1 and "1 of 256 pixels differ, by at most 1/255" in out
    assert np.abs(pixels("again.png").astype(int) - pixels("made.png")).sum() == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "0" * 64}, "the SHA-256 of its weights begins with"),
        ({"code_sha256": "0" * 64}, "the SHA-256 of its file begins with"),
        ({"size": [32, 32]}, "own.py is fed [16, 16] pixels; it was [32, 32] for made.png"),
        ({"size": [16, 17]}, "own.py is fed [16, 16] pixels; it was [16, 17] for made.png"),
        ({"head": "sigmoid"}, "own.py ends in softmax; it was sigmoid for made.png"),
    ],
)
def test_each_fact_of_the_network_alone_is_refused(picture, change, said):
    rewrite("made.png", picture | {"network": picture["network"] | change})
    assert said in refused(phosphene.load("own.py"), ["cat.png"])


def test_the_same_file_and_weights_at_another_size_are_another_network(picture):
    Path("own.py").write_text(SOURCE)
    assert "own.py:described is fed [24, 20] pixels" in refused(phosphene.load("own.py:described"), ["cat.png"])


def test_each_version_alone_is_told(picture):
    for name in picture["versions"]:
        rewrite("made.png", picture | {"versions": picture["versions"] | {name: "0.1"}})
        again = replay("made.png", phosphene.load("own.py"), ["cat.png"])
        assert again.same and [change.partition(" was 0.1, is ")[0] for change in again.changes] == [name]


def test_the_plan_of_the_record_is_followed_whatever_the_networks_own_is(picture):
    plan = picture["plan"]["reading"]
    for precision in ("float32", "bfloat16"):
        rewrite("made.png", picture | {"plan": {"reading": plan | {"precision": precision}}})
        record = read_record("made.png")
        again = replaying.begin(record, phosphene.load("own.py", plan="none"), ["cat.png"]).result
        assert again.recipe["plan"]["reading"]["precision"] == precision
