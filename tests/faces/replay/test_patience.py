"""How long a replay may take: it ends by itself unless one is patient, far above what this program makes."""

from pathlib import Path

import pytest
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.ascent import Ascent
from phosphene.core.units.presets import PRESETS
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import LONGEST, begin, patience, replay
from tests.faces.replay.pictures import made

pytestmark = pytest.mark.slow

MANY = [
    ("attribute", "cat.png", "--method", "rise", "--masks", "40"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "5", "--stride", "2"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "5", "--stride", "2", "--no-incremental"),
    ("attribute", "cat.png", "--method", "smoothgrad", "--samples", "40"),
    ("attribute", "cat.png", "--method", "captum:FeatureAblation", "--square", "2"),
    ("attribute", "cat.png", "--methods", "gradient,rise", "--masks", "40", "--method", "all"),
    ("attribute", "cat.png", "--method", "gradient", "--check"),
    ("attack", "cat.png", "--method", "pgd", "--steps", "40", "--eps", "1/255", "--target", "tabby cat"),
    ("visualize", "conv2:1", "--steps", "19", "--size", "24"),
]
"""Each reads more than 20 pictures; the last is an ascent, which announces one less than it reads."""

LONG = [
    (("visualize", "conv2:1", "--steps", "21", "--size", "24"), "21 steps of a picture of 24 x 24 px"),
    (("caricature", "cat.png", "--layer", "conv2", "--steps", "21"), "21 steps of a picture of 16 x 16 px"),
    (("grid", "cat.png", "--layer", "conv2", "--cell", "8", "--steps", "1"), "1 steps of 64 pictures of 8 x 8 px"),
    (("dream", "large.png", "--octaves", "2", "--steps", "11", "--zoom", "1.2"), "22 steps of a picture of 53 x 40 px"),
    (
        ("atlas", "photos", "--layer", "conv2", "--cells", "4", "--per-photo", "8", "--steps", "9", "--size", "16"),
        "9 steps of",
    ),
]
"""Ascents of more than 20 pictures in all, each part of some of them fewer."""

BY_DEFAULT = [
    ("visualize", "conv2:1"), ("grid", "cat.png", "--layer", "conv2"), ("dream", "cat.png"), ("invert", "cat.png"),
    ("caricature", "cat.png", "--layer", "conv2"), ("predict", "cat.png"), ("weights",), ("attack", "cat.png"),
    *(("attribute", "cat.png", "--method", m) for m in ("gradient", "occlusion", "smoothgrad", "rise", "all")),
    ("attribute", "cat.png", "--method", "occlusion", "--stride", "1", "--check"),
    ("atlas", "photos", "--layer", "conv2", "--cells", "3"), ("facets", "conv2:1", "photos", "--count", "1"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _a_photograph_of_two_octaves(_here):
    Image.open("cat.png").resize((64, 48)).save("large.png")


def again(run, *words):
    """(exit code, what was said) of replaying made.png, and what was written."""
    before = set(Path().rglob("*"))
    inputs = ["--input", "cat.png", "--input", "photos", "--input", "large.png"]
    code, _, err = run("replay", "made.png", "--net", "own.py", *inputs, "--out", "again.png", *words)
    return code, err, set(Path().rglob("*")) - before


@pytest.mark.parametrize("words", MANY, ids=" ".join)
def test_what_reads_too_much_is_ended_with_a_sentence_and_nothing_is_written_unless_one_is_patient(
    run, monkeypatch, words
):
    made(run, *words)
    monkeypatch.setattr(replaying, "LONGEST", 20)
    code, err, written = again(run)
    assert (code, written) == (2, set())
    said = "made.png asks to read more than 20 pictures, which takes longer than a replay may; --patient lets it"
    assert err == f"error: {said}\n"
    assert again(run, "--patient") == (0, "", {Path("again.png")})


@pytest.mark.parametrize(("words", "said"), LONG, ids=lambda words: words[0])
def test_an_ascent_that_would_take_too_long_is_refused_before_its_first_step(run, monkeypatch, words, said):
    made(run, *words)
    begun = []
    with monkeypatch.context() as watched:
        watched.setattr(replaying, "LONGEST", 20)
        watched.setattr(Ascent, "begin", lambda *args: begun.append(args))
        code, err, written = again(run)
    assert (code, written) == (2, set())
    assert err.startswith(f"error: made.png asks for {said}")
    assert err.endswith(", which takes longer than a replay may; --patient lets it\n")
    assert begun == []
    assert again(run, "--patient") == (0, "", {Path("again.png")})


def test_patience_is_an_option_in_python_too(run, monkeypatch):
    made(run, *MANY[0])
    monkeypatch.setattr(replaying, "LONGEST", 20)
    network = phosphene.load("own.py")
    with pytest.raises(Mistake, match="asks to read more than 20 pictures"):
        replay("made.png", network, ["cat.png"])
    assert replay("made.png", network, ["cat.png"], patient=True).same


def test_the_help_says_how_much_that_is(run):
    _, out, _ = run("replay", "--help")
    assert LONGEST == 10**6 and "no more than a million readings" in " ".join(out.split())


@pytest.mark.parametrize("name", PRESETS)
def test_a_sweep_of_64_units_with_any_preset_is_far_below(name):
    assert 5 * 64 * PRESETS[name].steps * PRESETS[name].views <= LONGEST


@pytest.mark.slow
@pytest.mark.parametrize("words", BY_DEFAULT, ids=" ".join)
def test_what_commands_make_by_default_is_far_below(run, words):
    made(run, *words)
    meter = patience()
    begin(read_record("made.png"), phosphene.load("own.py"), ["cat.png", "photos"], meter).result  # noqa: B018
    assert (words != ("weights",)) <= meter.read <= LONGEST / 5  # weights are shown without reading anything
