"""A picture's recipe on other photographs: the same pixels on its own, the same recipe on others, and no harm."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import read_text
from phosphene.core.results.results import seal
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.like import like, words
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import replay
from phosphene.faces.running import sweep as sweeping
from tests.faces.replay.pictures import MADE, SEVERAL, made, pixels, rewrite
from tests.small import convnet

QUICK = {"weights", "predict", "invert", "caricature", "accentuate", "segment"}
ALSO = [
    ("--start", "cat.png"),
    ("--method", "fgsm"),
    ("--method", "lrp"),
    ("--method", "captum:DeepLift"),
    ("conv2:1", "photos"),
]


def usual(line):
    """Whether it is one of a few that stand for all."""
    return line[0] in QUICK or any(pair in list(pairwise(line)) for pair in ALSO)


def photographs(line):
    """What a command was given to look at, as it is typed."""
    given = []
    for before, word in pairwise(line):
        if word in ("cat.png", "photos") or (word.startswith("skimage:") and line[0] in ("stylize", "texture")):
            given += [before, word] if before.startswith("--") else [word]
    return given


def told(paths):
    """What files hold but the time and the memory that it took, which are other ones every time."""
    took = rb'"(seconds|peak memory)": [0-9.e-]+'
    return {path.name: re.sub(took, b"", path.read_bytes()) for path in paths}


@pytest.fixture
def mine():
    """Another photograph, of another shape."""
    pixels = np.random.default_rng(1).integers(0, 256, (44, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("mine.png")
    return "mine.png"


def record(path="made.png"):
    return json.loads(read_text(path)["phosphene"])


def refusal(code, out, err):
    """The one sentence."""
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err.removeprefix("error: ").strip()


# ------------------------------------------------------------------------------------------------- the same photograph


@pytest.mark.parametrize(
    "line",
    [line if usual(line) else pytest.param(line, marks=pytest.mark.slow) for line in MADE],
    ids=lambda line: "-".join(word for word in line if word.isalpha()),
)
def test_every_recipe_on_its_own_photograph_makes_the_same_files(run, line):
    made(run, *line)
    before = told(Path().glob("made*"))
    for name in before:
        Path(name).rename(f"first-{name}")
    given = [line[0], *photographs(line), "--like", "first-made.png", "--net", "own.py", "--out", "made.png"]
    code, _, err = run(*given)
    assert code == 0 and err.startswith(f"as first-made.png: {line[0]}"), err
    assert told(Path().glob("made*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("line", SEVERAL, ids=lambda line: line[0])
def test_one_of_several_pictures_makes_all_of_them_again(run, line):
    assert run(*line, "--net", "own.py", "--out", "first")[0] == 0
    one = sorted(path for path in Path("first").glob("*.png") if ".figure" not in path.name)[1]
    photos = [word for word in line if word == "cat.png"]
    assert run(line[0], *photos, "--like", one, "--net", "own.py", "--out", "again")[0] == 0
    first, again = (told(Path(folder).iterdir()) for folder in ("first", "again"))
    assert again == first


@pytest.mark.parametrize("options", [["--precision", "float64"], ["--no-plan"]])
def test_the_network_is_run_as_it_was_unless_something_is_said_about_that(run, options):
    made(run, "visualize", "conv2:1", "--steps", "2", "--size", "24", *options)
    again = ["visualize", "--like", "made.png", "--net", "own.py", "--out"]
    assert run(*again, "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("made.png").read_bytes()
    assert run(*again, "other.png", "--precision", "float32")[0] == 0
    assert record("other.png")["plan"]["picture"]["precision"] == "float32"
    assert record("other.png")["plan"] != record()["plan"]


def test_the_head_that_was_said_of_the_network_is_said_again(run):
    made(run, "attribute", "cat.png", "--method", "gradient", "--head", "sigmoid", "--score", "p")
    given = ["attribute", "cat.png", "--like", "made.png", "--net", "own.py", "--out"]
    assert run(*given, "again.png")[0] == 0
    assert Path("again.png").read_bytes() == Path("made.png").read_bytes()
    assert run(*given, "other.png", "--head", "softmax")[0] == 0
    assert record("other.png")["network"]["head"] == "softmax"


# ------------------------------------------------------------------------------------------------- another photograph


@pytest.mark.slow
def test_on_another_size_everything_that_was_chosen_is_the_same_and_the_new_picture_can_be_replayed(run, mine):
    line = ["--layer", "conv2", "--octaves", "2", "--steps", "2", "--seed", "7", "--rate", "0.02", "--zoom", "1.2"]
    made(run, "dream", "cat.png", *line)
    code, _, err = run("dream", "--like", "made.png", mine, "--net", "own.py", "--out", "new.png")
    assert code == 0
    assert err == f"as made.png: dream {' '.join(line[:4])} --zoom 1.2 --steps 2 --rate 0.02 --seed 7\n"
    old, new = record(), record("new.png")
    assert new["arguments"] == old["arguments"] and new["seed"] == 7 and new["network"] == old["network"]
    assert [(one["name"], one["as"]) for one in new["inputs"]] == [("mine.png", "photo")]
    assert pixels("new.png").shape == (44, 70, 3)
    assert replay("new.png", phosphene.load("own.py"), [mine]).same
    plain = ["dream", mine, *line, "--net", "own.py", "--out", "plain.png"]
    assert run(*plain)[0] == 0 and Path("plain.png").read_bytes() == Path("new.png").read_bytes()


def test_what_is_typed_wins_over_the_picture(run, mine):
    made(run, "dream", "cat.png", "--layer", "conv2", "--octaves", "1", "--steps", "2", "--rate", "0.02")
    given = [
        "dream",
        mine,
        "--like",
        "made.png",
        "--net",
        "own.py",
        "--steps",
        "1",
        "--layer=conv1",
        "--out",
        "new.png",
    ]
    code, _, err = run(*given)
    assert (code, err) == (0, "as made.png: dream --octaves 1 --rate 0.02\n")
    expected = record()["arguments"] | {"steps": 1, "layer": "conv1"}
    assert record("new.png")["arguments"] == expected


@pytest.mark.slow
def test_a_switch_is_turned_off_and_a_unit_given_by_its_place_or_its_name(run):
    made(run, "weights", "conv2", "--common", "--filters", "2-5")
    assert run("weights", "conv1", "--like", "made.png", "--no-common", "--net", "own.py", "--out", "new.png")[0] == 0
    assert record("new.png")["arguments"] == record()["arguments"] | {"layer": "conv1", "common": False}
    made(run, "facets", "conv2:1", "photos", "--count", "1", "--steps", "1", "--size", "16", "--force")
    given = ["photos", "--unit", "conv2:3", "--like", "made.png", "--net", "own.py", "--out", "new.png", "--force"]
    assert run("facets", *given)[0] == 0
    assert record("new.png")["arguments"] == record()["arguments"] | {"unit": "conv2:3"}


def test_a_picture_may_be_larger_where_its_size_is_typed(run):
    made(run, "visualize", "conv2:1", "--steps", "1", "--size", "16")
    given = ["visualize", "--like", "made.png", "--net", "own.py", "--out", "new.png", "--size", "100"]
    assert run(*given)[0] == 0 and pixels("new.png").shape == (100, 100, 3)


def test_several_photographs_are_a_folder_and_the_method_is_that_of_the_picture(run, mine):
    made(run, "attribute", "cat.png", "--method", "input-x-gradient", "--target", "1")
    code, _, _ = run("attribute", mine, "cat.png", "--like", "made.png", "--net", "own.py", "--out", "both")
    assert code == 0
    made_of = {path.name: record(path)["arguments"]["target"] for path in Path("both").glob("*-logits-1.png")}
    assert set(made_of.values()) == {record()["arguments"]["target"]} and len(made_of) == 2


@pytest.mark.slow
def test_a_units_option_that_is_typed_is_a_sweep_and_one_of_the_picture_is_not(run, monkeypatch):
    monkeypatch.setattr(sweeping, "PART", 3)
    made(run, "visualize", "conv2:1", "--steps", "1", "--size", "16")
    rewrite("made.png", record() | {"arguments": record()["arguments"] | {"units": ["conv2:0-4"]}})
    given = ["visualize", "--like", "made.png", "--net", "own.py", "--out"]
    assert run(*given, "one")[0] == 0 and run(*given, "many", "conv2:0-4")[0] == 0
    sheets = [Path(folder, "contact.png").exists() for folder in ("one", "many")]
    assert sheets == [False, True]


def test_a_network_inside_the_program_is_found_by_itself(run):
    assert run("invert", "cat.png", "--net", "embedded:digits", "--steps", "1", "--out", "made.png")[0] == 0
    code, _, err = run("invert", "cat.png", "--like", "made.png", "--out", "again.png")
    assert (code, err) == (0, "as made.png: invert --steps 1 --net embedded:digits\n")
    assert Path("again.png").read_bytes() == Path("made.png").read_bytes()


def test_other_weights_than_those_of_the_picture_are_told(run):
    assert run("predict", "cat.png", "--net", "embedded:digits", "--out", "made.png")[0] == 0
    rewrite("made.png", record() | {"network": record()["network"] | {"sha256": "0" * 64}})
    code, _, err = run("predict", "cat.png", "--like", "made.png", "--out", "again.png")
    assert code == 0
    assert "note: embedded:digits has other weights today than when made.png was made\n" in err


# ------------------------------------------------------------------------------------------------- what is refused


def test_another_command_or_method_is_named(run, picture):
    given = ["cat.png", "--like", "made.png", "--net", "own.py"]
    said = refusal(*run("dream", *given))
    assert said == "made.png was made by attribute, not by dream; write phosphene attribute --like made.png"
    said = refusal(*run("attribute", *given, "--method", "rise"))
    assert said == "made.png was made by attribute --method gradient, not by rise; leave --method out"
    assert run("attribute", *given, "--method", "gradient", "--out", "new.png")[0] == 0


def test_a_photograph_or_network_that_is_missing_is_asked_for(run, picture, mine):
    said = refusal(*run("attribute", "--like", "made.png", "--net", "own.py"))
    assert said.startswith("attribute needs PHOTO... (pictures, folders of them, or skimage:NAME)")
    said = refusal(*run("attribute", mine, "--like", "made.png"))
    assert said.startswith("made.png was made with own.py, which is not inside this program: name it with --net")
    made(run, "dream", mine, "--guide", "cat.png", "--octaves", "1", "--steps", "1", "--layer", "conv2", "--force")
    said = refusal(*run("dream", mine, "--like", "made.png", "--net", "own.py"))
    assert said == "made.png was made with cat.png as --guide; give one of yours as --guide"
    given = ["dream", "cat.png", "--like", "made.png", "--guide", mine, "--net", "own.py", "--out", "new.png"]
    assert run(*given)[0] == 0
    assert [(one["name"], one["as"]) for one in record("new.png")["inputs"]] == [("cat.png", "photo"), (mine, "guide")]


def test_a_layer_that_another_network_lacks_is_the_sentence_that_units_have(run, mine):
    words = ["dream", mine, "--net", "own.py"]
    assert run("dream", "cat.png", "--net", "embedded:digits", "--steps", "0", "--out", "made.png")[0] == 0
    rewrite("made.png", record() | {"arguments": record()["arguments"] | {"layer": "mixed4c"}})
    code, out, err = run(*words, "--like", "made.png")
    assert (code, out) == (2, "") and "error: no layer 'mixed4c'" in err


def test_what_replay_refuses_to_read_is_refused_in_its_words(run, picture, mine):
    given = ["attribute", mine, "--net", "own.py", "--like"]
    assert "does not say how it was made" in refusal(*run(*given, "cat.png"))
    rewrite("made.png", picture | {"format": 9})
    assert "made.png has format 9; this program knows formats up to 2: update it" in refusal(*run(*given, "made.png"))
    rewrite("made.png", picture | {"seal": "0" * 64}, sealed=False)
    assert "was changed after it was made" in refusal(*run(*given, "made.png"))
    rewrite("made.png", picture | {"arguments": picture["arguments"] | {"unit": "conv2:file=/etc/passwd"}})
    assert "asks for a direction out of a file as unit" in refusal(*run(*given, "made.png"))
    rewrite("made.png", picture | {"network": picture["network"] | {"spec": "evil.py"}})
    assert "evil.py, which is not inside this program" in refusal(*run("attribute", mine, "--like", "made.png"))


def test_what_reads_too_much_is_refused_and_nothing_is_written_unless_one_is_patient(run, monkeypatch):
    line = ["attribute", "cat.png", "--methods", "gradient,rise", "--masks", "40", "--method", "all"]
    made(run, *line)
    monkeypatch.setattr(replaying, "LONGEST", 20)
    before = set(Path().iterdir())
    given = ["attribute", "cat.png", "--like", "made.png", "--net", "own.py", "--out", "new.png"]
    code, out, err = run(*given)
    said = "made.png asks to read more than 20 pictures, which takes longer than a replay may; --patient lets it"
    assert (code, out, err.splitlines()[1:]) == (2, "", [f"error: {said}"]) and set(Path().iterdir()) == before
    assert run(*given, "--patient")[0] == 0


def test_a_line_tells_what_was_taken_and_never_more_than_a_line(run):
    made(run, "visualize", "conv2:1", "--steps", "0", "--size", "16")
    arguments = record()["arguments"]
    hostile = arguments | {"units": ["\x1b[2J\n" * 9, "x" * 999] * 500, "preset": "best", "stretch": False}
    rewrite("made.png", record() | {"arguments": hostile})
    line = words(read_record("made.png"), typed=["size"])
    assert line.isprintable() and len(line) < 700 and line.startswith("as made.png: visualize \\x1b[2J\\n")
    rewrite("made.png", record() | {"arguments": arguments | {"preset": "best", "stretch": False, "views": 2}})
    said = words(read_record("made.png"), typed=["size", "units"], net="own.py")
    assert said == "as made.png: visualize --preset best --views 2 --steps 0 --no-stretch"


# -------------------------------------------------------------------------------------------------------- in Python


def test_in_python_it_is_a_function(mine):
    network = convnet(torch.float32)
    phosphene.dream(network, "cat.png", layer="conv2", octaves=1, steps=2).save("made.png")
    again = like("made.png", network, photo="cat.png").result
    assert seal({}, again.shown("picture", 0)) == seal({}, replay("made.png", network, ["cat.png"]).image)
    other = like("made.png", network, photo=Image.open(mine), steps=1)
    assert other.total == 1 and other.recipe["arguments"] == record()["arguments"] | {"steps": 1}
    with pytest.raises(Mistake, match=r"made\.png was made with cat\.png as photo; give one of yours as photo"):
        like("made.png", network)
    with pytest.raises(Mistake, match="which is not inside this program"):
        like("made.png", photo=mine)
