"""Forged recipes: whatever a stranger writes into a picture, replaying it asks for no more than the picture shows.

The seal is a hash, so a stranger can make a new one; nothing else about a record can be trusted.
"""

import contextlib
import io
import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from phosphene import catalogue
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent
from phosphene.core.pictures.files import read_text
from phosphene.faces.cli.main import main
from phosphene.faces.replay import replay as replaying
from tests.faces.replay.pictures import made, rewrite

COMMANDS = [
    ("visualize", "conv2:1", "--steps", "1", "--size", "24"),
    ("visualize", "conv2:1", "--steps", "1", "--size", "24", "--start", "cat.png"),
    ("grid", "cat.png", "--layer", "conv2", "--cell", "8", "--steps", "1"),
    ("dream", "cat.png", "--octaves", "1", "--steps", "1"),
    ("invert", "cat.png", "--steps", "1"),
    ("caricature", "cat.png", "--layer", "conv2", "--steps", "1"),
    ("predict", "cat.png"),
    ("weights",),
    ("attribute", "cat.png", "--method", "gradient"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "8", "--stride", "8"),
    ("attribute", "cat.png", "--method", "smoothgrad", "--samples", "2"),
    ("attribute", "cat.png", "--method", "rise", "--masks", "4"),
    ("attack", "cat.png", "--steps", "1"),
]
HOSTILE = ["\x1b[2J\x1b]0;owned\x07", "a\nerror: all is well", "\u202egnp.tac", "\x9b31m", "\ud800", "x" * 100_000]
NUMBERS = [-1, 0, 1, 2.5, 7, 64, 1000, 4000, 10_000, 10**6, 10**9, 10**18, 10**400, -0.5, 1e300, 1e-300]
SPELLED = "conv2:all conv2:0-7 conv1 logits:all conv2:file=/etc/passwd conv2:like=cat.png 8/255 nan zebra /dev/zero"
WORDS = [
    *HOSTILE, *SPELLED.split(), *"0,0,9,9 sheet gradient float64 bfloat16 cpu:x meta".split(), "",
    "conv2:" + "9" * 5000,
    "conv2:0" + " + conv2:1" * 50_000, "conv2:x=[" * 50_000, "0-" + "9" * 5000, "cuda:" + "9" * 40,
]  # fmt: skip
DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]
ODD = [DEEP, {}, {"given in Python": "\x1b[2J"}, ["conv2:1"] * 20_000, [f"conv2:{i}" for i in range(8)] * 9]
VALUES = st.one_of(
    st.sampled_from(NUMBERS), st.sampled_from(WORDS), st.sampled_from(ODD), st.none(), st.booleans(),
    st.integers(-100, 5000), st.floats(0, 1e4), st.text(max_size=20),
    st.lists(st.sampled_from([*WORDS, *NUMBERS]), max_size=4),
)  # fmt: skip
FIELDS = """
    threads part device plan versions format inputs network recipe arguments names seed network.spec network.sha256
    network.size network.head inputs.name inputs.as inputs.sha256 inputs.many plan.reading versions.torch part.0 part.1
    part.figure part.input part.sheet
""".split()


def forged(record, place, value):
    """The record with another value at this place."""
    field, _, key = place.partition(".")
    if field == "argument":
        return record | {"arguments": record["arguments"] | {key: value}}
    if not key:
        return record | {field: value}
    inside = record.get(field)
    if field == "part":
        parts = {"figure": ["figure", 0], "input": ["input", 0], "sheet": ["sheet"]}
        return record | {"part": parts.get(key) or [value if str(i) == key else one for i, one in enumerate(inside)]}
    if field == "inputs":
        many = [{**one, key: value} for one in inside] if key != "many" else [*inside] * 3000
        return record | {"inputs": many}
    return record | {field: inside | {key: value}}


LONGEST = [10, 300]
"""Pictures that these may read in all: twelve readings are more, or can be."""


class Enough(KeyboardInterrupt):
    """So many readings are a proof that it runs, and how large it is."""


@pytest.fixture(scope="module")
def one():
    """(picture, record) of each command that was called."""
    return {}


def base(run, watched, one, words):
    """The picture of a command and its record."""
    if words not in one:
        watched["readings"] = -(10**9)
        made(run, *words, *(["--force"] if Path("made.png").exists() else []))
        one[words] = Path("made.png").read_bytes(), json.loads(read_text("made.png")["phosphene"])
    return one[words]


@pytest.fixture
def watched(monkeypatch):
    """The largest (pixels that are read at a time, pixels of a picture that is made, threads, work of an ascent), and
    all that is read, in pictures and in pixels."""
    seen = dict.fromkeys(("read", "made", "threads", "ascent", "readings", "pictures", "pixels"), 0)
    preprocess, begin = Network.preprocess, Ascent.begin
    monkeypatch.setattr(replaying, "LONGEST", max(LONGEST))

    def reading(self, pictures, plan):
        x = preprocess(self, pictures, plan)
        pixels = len(pictures) * pictures.shape[2] * pictures.shape[3]
        seen["readings"] += 1
        seen["pictures"] += len(pictures)
        seen["pixels"] += pixels
        seen["read"] = max(seen["read"], pixels)
        seen["threads"] = max(seen["threads"], torch.get_num_threads())
        if seen["readings"] > 12:
            raise Enough
        return x

    def making(self, network, key, size, start, many):
        found = begin(self, network, key, size, start, many)
        seen["made"] = max(seen["made"], size[0] * size[1])
        seen["ascent"] = max(seen["ascent"], self.steps * many * self.views)
        return found

    monkeypatch.setattr(Network, "preprocess", reading)
    monkeypatch.setattr(Ascent, "begin", making)
    return seen


AGAIN = ["replay", "forged.png", "--input", "cat.png", "--out", "again.png"]


def replayed(watched, size, line=AGAIN):
    """Replay forged.png as the command line does, or follow it, and check what it did and said."""
    watched.update(dict.fromkeys(watched, 0))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.raises(SystemExit) as left:
        main([*line, "--net", "own.py", "--force"])
    assert left.value.code in (None, 0, 1, 2, 130), said.getvalue()
    shown, network, photo = size[0] * size[1], 16 * 16, 30 * 40
    assert watched["read"] <= max(100 * max(shown, network, photo), 8 * 224 * 224)
    assert watched["made"] <= max(16 * shown, network, photo)
    assert watched["threads"] <= (os.cpu_count() or 1)
    assert watched["ascent"] <= replaying.LONGEST
    assert watched["pictures"] <= replaying.LONGEST
    assert watched["pixels"] <= replaying.LONGEST * max(shown, network, photo)
    text = said.getvalue()
    assert text.replace("\n", "").isprintable() and "Traceback" not in text and "--debug" not in text, text
    assert len(text) < 20_000 and text.count("\n") < 30
    return text


def followed(watched, size, words):
    """Follow forged.png with its own photographs, and check besides that files are written in one folder alone."""
    before = set(Path().iterdir()) | {Path("again")}
    given = [word for word in words if word in ("cat.png", "--start")]
    replayed(watched, size, [words[0], *given, "--like", "forged.png", "--out", "again/"])
    assert set(Path().iterdir()) <= before and len(list(Path("again").glob("*"))) < 1000


def check(data, run, one, watched, commands=COMMANDS, like=False):
    replaying.LONGEST = data.draw(st.sampled_from(LONGEST))  # `watched` puts it back
    words = data.draw(st.sampled_from(commands))
    content, record = base(run, watched, one, words)
    options = [f"argument.{one.name}" for one in catalogue.recipe(record["recipe"]).options]
    long = [place for place in options if place.partition(".")[2] in ("steps", "samples", "masks")]
    if long and data.draw(st.booleans()):  # otherwise hardly one of a hundred takes long
        record = forged(record, long[0], data.draw(st.integers(5, 400)))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.sampled_from([*FIELDS, *options, *options, "argument.\x1b[2J"]))
        with contextlib.suppress(AttributeError, TypeError):  # an earlier change took away what it would change
            record = forged(record, place, data.draw(VALUES))
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    if data.draw(st.booleans()):
        picture = picture.resize(data.draw(st.sampled_from([(8, 8), (40, 30), (400, 8)])))
    rewrite("forged.png", record, picture)
    if like:
        followed(watched, picture.size, words)
    else:
        replayed(watched, picture.size)


SETTINGS = {"suppress_health_check": list(HealthCheck)}


@pytest.mark.slow
@settings(max_examples=8, **SETTINGS)
@given(st.data())
def test_a_forged_recipe_asks_for_no_more_than_its_picture_shows_and_says_nothing_to_the_terminal(
    run, one, watched, data
):
    check(data, run, one, watched, COMMANDS[:1])


@pytest.mark.slow
@settings(max_examples=8, **SETTINGS)
@given(st.data())
def test_a_forged_recipe_that_is_followed_asks_for_no_more_than_when_it_is_replayed(run, one, watched, data):
    check(data, run, one, watched, COMMANDS[:1], like=True)


@pytest.mark.slow
@settings(max_examples=40, **SETTINGS)
@given(st.data())
def test_forty_that_are_followed(run, one, watched, data):
    check(data, run, one, watched, like=True)


@pytest.mark.slow
@settings(max_examples=300, **SETTINGS)
@given(st.data())
def test_three_hundred_of_them(run, one, watched, data):
    check(data, run, one, watched)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 10_000}, "forged.png asks for a picture of 10000 x 10000 px, which is more than it shows"),
        ({"size": 25}, "forged.png asks for a picture of 25 x 25 px, which is more than it shows"),
        ({"units": ["conv2:all"], "starts": 13}, "forged.png asks for 104 pictures of 24 x 24 px, which is more than"),
        ({"views": 10_000}, "forged.png asks to read 10000 x 24 x 24 px at a time, which is far more than it shows"),
        ({"parameterization": "cppn", "render": 4000}, "asks for a picture of 4000 x 4000 px"),
        (
            {"steps": 301},
            "forged.png asks for 301 steps of a picture of 24 x 24 px, which takes longer than a replay may",
        ),
        ({"steps": 60, "units": ["conv2:0", "conv2:1"], "views": 3}, "60 steps of 2 pictures of 24 x 24 px in 3 views"),
        ({"steps": 10**9}, "1000000000 is not a valid value for steps: it must be 0 to 100000"),
        ({"batch": 10**6}, "1000000 is not a valid value for batch"),
        ({"units": ["conv2:1"] * 20_000}, "forged.png says 20000 values for units of visualize; 10000 is the limit"),
        ({"units": ["conv2:0" + " + conv2:1" * 50_000]}, "is longer than any unit"),
    ],
)
def test_what_is_more_than_the_picture_shows_is_refused_before_it_is_made(run, one, watched, change, said):
    content, record = base(run, watched, one, COMMANDS[0])
    Path("forged.png").write_bytes(content)
    rewrite("forged.png", record | {"arguments": record["arguments"] | change})
    assert said in replayed(watched, (24, 24))
    assert watched["readings"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 10_000}, "forged.png asks for a picture of 10000 x 10000 px, which is more than it shows"),
        ({"size": 97}, "forged.png asks for a picture of 97 x 97 px, which is more than it shows"),
        ({"units": ["conv2:all"], "starts": 13}, "forged.png asks for 104 pictures of 24 x 24 px, which is more than"),
        ({"views": 10_000}, "forged.png asks to read 10000 x 24 x 24 px at a time, which is far more than it shows"),
        ({"steps": 301}, "forged.png asks for 301 steps of a picture of 24 x 24 px, which takes longer than a replay"),
        ({"units": ["conv2:0-7"] * 2, "steps": 40}, "40 steps of 8 pictures of 24 x 24 px"),
    ],
)
def test_what_is_followed_is_no_larger_than_a_figure_of_it_would_be_and_takes_no_longer(
    run, one, watched, change, said
):
    content, record = base(run, watched, one, COMMANDS[0])
    Path("forged.png").write_bytes(content)
    rewrite("forged.png", record | {"arguments": record["arguments"] | change})
    assert said in replayed(watched, (24, 24), ["visualize", "--like", "forged.png", "--out", "again/"])
    assert watched["readings"] == 0 and not Path("again").exists()


def test_a_picture_of_three_thousand_photographs_is_made_of_those_that_are_named(run, one, watched):
    content, record = base(run, watched, one, COMMANDS[8])
    Path("forged.png").write_bytes(content)
    rewrite("forged.png", record | {"inputs": record["inputs"] * 3000})
    assert "forged.png was made from 3000 photographs, and 1 were named with --input" in replayed(watched, (16, 16))
