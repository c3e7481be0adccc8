"""The photographs of a picture are found by what is in them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import read_text
from phosphene.faces.replay.replay import replay
from tests.faces.replay.pictures import MADE, made, pixels, refused
from tests.small import convnet


@pytest.mark.slow
def test_an_embedded_network_and_a_photograph_of_scikit_image_are_found_by_themselves(run):
    code, *_ = run("attribute", "skimage:coffee", "--method", "gradient", "--out", "made.png")
    assert code == 0
    code, out, _ = run("replay", "made.png")
    assert code == 0
    assert out.splitlines()[-1].startswith("replay-made")


@pytest.mark.slow
def test_a_recipe_of_many_photographs_keeps_names_and_hashes_and_finds_them_in_a_folder_under_other_names(run):
    made(run, *next(words for words in MADE if words[0] == "facets"))
    recipe = json.loads(read_text("made.png")["phosphene"])
    assert [(one["name"], one["as"]) for one in recipe["inputs"]] == [(f"{i}.png", "photos") for i in range(4)]
    assert "photos" not in recipe["arguments"]
    Path("moved/deeper").mkdir(parents=True)
    for i in range(4):
        Path(f"photos/{i}.png").rename(f"moved/deeper/{9 - i}.png")
    Path("moved/other.png").write_text("no picture at all")
    assert replay("made.png", phosphene.load("own.py"), ["moved"]).same
    Path("moved/deeper/9.png").unlink()
    with pytest.raises(Mistake, match=r"none of these 4 files is the photograph '0.png' that made.png was made from"):
        replay("made.png", phosphene.load("own.py"), ["moved"])


def test_photographs_given_as_pixels_are_recognized_in_a_folder():
    network = convnet(torch.float32)
    photos = [Image.open(f"photos/{i}.png").convert("RGB") for i in range(4)]
    phosphene.facets(network, "conv2:1", photos, count=1, steps=1, size=16).save("made.png")
    Path("photos/notes.gif").write_text("no picture at all")
    assert replay("made.png", network, ["photos"]).same


def test_a_start_is_a_photograph_of_its_own(run):
    made(run, "visualize", "conv2:1", "--steps", "1", "--size", "24", "--start", "cat.png")
    recipe = json.loads(read_text("made.png")["phosphene"])
    assert [(one["name"], one["as"]) for one in recipe["inputs"]] == [("cat.png", "start")]
    assert "start" not in recipe["arguments"]
    assert "name the file with --input" in refused(phosphene.load("own.py"))


def test_pixels_given_in_python_are_recognized_in_a_file():
    network = convnet(torch.float32)
    photo = Image.open("cat.png").convert("RGB")
    phosphene.gradient(network, photo).save("made.png")
    Path("other name.png").write_bytes(Path("cat.png").read_bytes())
    assert replay("made.png", network, ["other name.png"]).same


def test_a_changed_photograph_is_refused_with_what_differs(picture):
    changed = pixels("cat.png").copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save("cat.png")
    said = refused(phosphene.load("own.py"), ["cat.png"])
    assert "cat.png is not the photograph 'cat.png' that made.png was made from: the SHA-256 begins with" in said
    assert picture["inputs"][0]["sha256"][:12] in said


def test_a_photograph_or_network_that_is_not_named_is_asked_for(run, picture):
    assert "name the file with --input" in refused(phosphene.load("own.py"))
    code, out, err = run("replay", "made.png", "--input", "cat.png")
    assert (code, out) == (2, "")
    assert "made.png was made with own.py, which is not inside this program: name it with --net" in err
