"""What is there of long work: its own, a stranger's, damaged, or nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.provenance import FORMAT
from phosphene.core.results.results import Result
from phosphene.faces.running.kept import OTHER, arguments_but, foreign, record_beside, record_within, same
from tests.small import levels

RECORD = {
    "format": FORMAT, "recipe": "visualize", "arguments": {"steps": 2, "units": ["a:1"]},
    "network": {"spec": "net.py", "sha256": "a"}, "plan": {"picture": "x"}, "inputs": [], "seed": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def picture():
    return Result(levels(1, 3, 9, 9), ["x"], [{}], recipe=RECORD).png("picture", 0)


def test_a_picture_is_whole_where_pixels_and_recipe_are_those_of_its_seal():
    Path("a.png").write_bytes(picture())
    record, whole = record_within(Path("a.png"))
    assert whole and same(record, RECORD)
    with Image.open("a.png") as image:
        pixels, text = np.array(image), image.text
    pixels[0, 0] ^= 1
    Path("a.png").write_bytes(png_bytes(Image.fromarray(pixels), text))
    record, whole = record_within(Path("a.png"))
    assert same(record, RECORD) and not whole


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (None, None), (b"", {}), (picture()[:90], {}), (b"words", {}), (png_bytes(levels(1, 3, 9, 9)), OTHER),
        (png_bytes(levels(1, 3, 9, 9), {"phosphene": '{"arg'}), {}),
    ],
)  # fmt: skip
def test_nothing_damage_and_a_strangers_picture_are_told_apart(data, found):
    if data is not None:
        Path("a.png").write_bytes(data)
    assert record_within(Path("a.png")) == (found, False)


def test_a_folder_of_this_name_is_a_strangers():
    Path("a.png").mkdir()
    assert record_within(Path("a.png")) == (OTHER, False) and record_beside(Path("a.png")) == OTHER


@pytest.mark.parametrize(
    ("text", "found"), [(None, None), ("", {}), ('{"recipe": "vis', {}), ("mine", OTHER), ("[]", OTHER), ("{}", OTHER)]
)
def test_so_are_records_beside_pictures(text, found):
    if text is not None:
        Path("a.json").write_text(text)
    assert record_beside(Path("a.json")) == found
    Path("b.json").write_text(json.dumps(RECORD))
    assert same(record_beside(Path("b.json")), RECORD)


def test_the_same_recipe_has_the_same_network_plan_inputs_and_arguments_but_those_that_are_left_out():
    other = RECORD | {"arguments": {"steps": 2, "units": ["a:2"]}}
    assert not same(other, RECORD) and same(other, RECORD, ["units"]) and not same({}, RECORD)
    assert arguments_but(other, ["units"]) == {"steps": 2}
    for key in ("recipe", "network", "plan", "inputs"):
        assert not same(RECORD | {key: "x"}, RECORD)
    assert same(RECORD | {"seed": 5, "unfinished": True}, RECORD)


def test_the_option_that_names_it_is_told():
    assert (
        str(foreign(Path("a.png")))
        == "a.png is there already and was made in another way; give --force, or another --out"
    )
    assert str(foreign(Path("a"), "film")).endswith("another --film")
