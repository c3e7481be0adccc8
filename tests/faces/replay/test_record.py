"""What a picture says about how it was made; strangers' pictures can't make anything else run."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.transforms import roll
from phosphene.core.pictures.files import read_text
from phosphene.core.results.results import Result, seal
from phosphene.core.units.directions import Direction
from phosphene.core.units.units import Sum, Unit
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import replay
from tests.faces.replay.pictures import made, refused, rewrite
from tests.small import convnet


def test_a_direction_out_of_a_file_is_made_again_without_the_file(run):
    np.save("mine.npy", np.array([1, -2, 0.3, 0, 0, 1, 1, 5], dtype=np.float32))
    words = ["visualize", "conv2:0 - 0.5*conv2:file=mine.npy^2", "--steps", "3", "--size", "24"]
    made(run, *words)
    Path("mine.npy").unlink()
    for picture in ("made.png", "made.figure.png"):
        assert replay(picture, phosphene.load("own.py")).same
    (unit,) = read_record("made.png").arguments["units"]
    assert unit == f"conv2:0 - 0.5*conv2:mine=[1,-2,{float(np.float32(0.3))!r},0,0,1,1,5]^2"


@pytest.mark.parametrize("given", ["conv2:file=mine.npy", "conv2:0 + 2*conv2:file=mine.npy"])
def test_a_strangers_recipe_opens_no_file_of_a_direction(run, monkeypatch, given):
    def harm(*args, **kwargs):
        raise AssertionError("opened")

    made(run, "visualize", "conv2:0", "--steps", "0", "--size", "24")
    np.save("mine.npy", np.ones(8))
    recipe = json.loads(read_text("made.png")["phosphene"])
    monkeypatch.setattr("phosphene.core.units.spelling.read_direction", harm)
    for units in (given, ["conv2:1", given]):
        rewrite("made.png", recipe | {"arguments": recipe["arguments"] | {"units": units}})
        said = refused(phosphene.load("own.py"))
        assert said == "made.png asks for a direction out of a file as units; a recipe carries the numbers instead"


def test_units_given_in_python_are_recorded_in_words():
    network = convnet(torch.float32)
    units = [Unit("conv2", 1), Sum(((1.0, Unit("conv2", 0)), (-0.5, Direction.of("conv3", range(5)))))]
    phosphene.visualize(network, units, steps=2, size=24).save("sheet.png")
    assert read_record("sheet.png").arguments["units"] == ["conv2:1", "conv2:0 - 0.5*conv3:direction=[0,1,2,3,4]"]
    assert replay("sheet.png", network).same


def test_without_provenance_nothing_says_how_it_was_made(run):
    made(run, "attribute", "cat.png", "--no-provenance")
    for name in ("made.png", "made.figure.png", "made.input.png"):
        assert read_text(name) == {}
    assert set(json.loads(Path("made.json").read_text())) == {"outputs", "numbers"}
    with pytest.raises(Mistake, match=r"made.png does not say how it was made"):
        replay("made.png")


def test_a_changed_option_or_pixel_is_refused(picture):
    rewrite("made.png", picture | {"arguments": picture["arguments"] | {"score": "p"}}, sealed=False)
    assert "made.png or its recipe was changed after it was made" in refused(phosphene.load("own.py"), ["cat.png"])
    changed = Image.open("made.png").convert("RGB")
    changed.putpixel((1, 1), (0, 0, 0))
    rewrite("made.png", picture, changed, sealed=False)
    assert "was changed after it was made" in refused(phosphene.load("own.py"), ["cat.png"])


def test_alpha_is_sealed_and_compared(picture):
    shown = Image.open("made.png").convert("RGBA")
    shown.putpixel((1, 1), (0, 0, 0, 9))
    rewrite("made.png", picture, shown)
    recipe = read_record("made.png")
    assert recipe.shown.mode == "RGBA" and recipe.shown.tobytes() == shown.tobytes()
    for alpha, differing in ((9, 0), (12, 1)):
        made = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 255
        made[0, 3, 1, 1] = alpha / 255
        again = replaying.finished(recipe, Result(made, ["x"], [{}]))
        assert (again.differing, again.largest) == (differing, alpha - 9)
    shown.putpixel((1, 1), (0, 0, 0, 10))
    rewrite("made.png", json.loads(read_text("made.png")["phosphene"]), shown, sealed=False)
    with pytest.raises(Mistake, match=r"made\.png or its recipe was changed"):
        read_record("made.png")


def test_the_seal_of_a_picture_without_alpha_is_that_of_red_green_and_blue():
    image = Image.open("cat.png")
    expected = hashlib.sha256(b'{"a": 1}' + np.asarray(image.convert("RGB")).tobytes()).hexdigest()
    assert seal({"a": 1, "seal": "old"}, image) == expected
    assert seal({"a": 1}, image.convert("RGBA")) != expected


def test_another_option_makes_another_picture_even_where_it_is_sealed(picture):
    rewrite("made.png", picture | {"arguments": picture["arguments"] | {"score": "p"}})
    assert not replay("made.png", phosphene.load("own.py"), ["cat.png"]).same


@pytest.fixture
def no_harm(monkeypatch):
    """Whatever opens, imports or loads what a recipe names, fails the test."""

    def harm(*args, **kwargs):
        raise AssertionError(f"a stranger's recipe reached {args}")

    for name in (
        "phosphene.models.files._imported",
        "phosphene.models.specs.torchvision_network",
        "phosphene.models.specs.timm_network",
    ):
        monkeypatch.setattr(name, harm)


GRADIENT: list[bytes] = []
"""A picture of this program, once it is made."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": "os.system", "arguments": {}}, "asks for 'os.system', which is not a recipe"),
        ({"recipe": "__import__", "arguments": {}}, "not a recipe"),
        ({"recipe": "load", "arguments": {}}, "not a recipe"),
        ({"recipe": "networks", "arguments": {}}, "not a recipe"),
        ({"recipe": ["gradient"]}, "not a recipe"),
        ({"format": 1, "command": "os.system", "arguments": {}}, "asks for 'os.system', which is not a recipe"),
        ({"format": 1, "command": "attribute", "arguments": {"method": "METHODS"}}, "not a recipe"),
        ({"format": 1, "command": "attribute", "arguments": {"method": ["gradient"]}}, "not a recipe"),
        ({"format": 3}, "has format 3; this program knows formats up to 2"),
        ({"format": "2"}, "has format '2'"),
        ({"format": True}, "has format True"),
        ({"arguments": {"photos": "/etc/passwd"}}, "asks for an option 'photos'"),
        ({"arguments": {"network": "evil.py"}}, "asks for an option 'network'"),
        ({"arguments": {"file": "/etc/passwd"}}, "asks for an option 'file'"),
        ({"arguments": {"score": "eval"}}, "says 'eval' for score of gradient, which is not a valid value"),
        ({"arguments": {"target": {"a": 1}}}, "for target of gradient, which is not a valid value"),
        ({"recipe": "visualize", "arguments": {}, "inputs": []}, "incomplete"),
        ({"arguments": ["gradient"]}, "has no arguments"),
        ({"network": {"spec": "evil.py:build", "sha256": "0" * 64}}, "made with evil.py:build, which is not inside"),
        ({"network": {"spec": "torchvision:resnet18", "sha256": ""}}, "which is not inside this program"),
        ({"network": {"spec": "embedded:../../evil", "sha256": ""}}, "which is not inside this program"),
        ({"network": {"spec": ["evil.py"], "sha256": ""}}, "incomplete"),
        (
            {"inputs": [{"name": "/etc/passwd", "sha256": "", "as": "photos"}]},
            "was made from the photograph '/etc/passwd': name",
        ),
        ({"inputs": [{"name": "../cat.png", "sha256": "", "as": "photos"}]}, "name the file with --input"),
        ({"inputs": [{"name": "skimage:../cat", "pixels_sha256": "", "as": "photos"}]}, "name the file with --input"),
        ({"inputs": "cat.png"}, "incomplete"),
        ({"inputs": [{"name": "skimage:cat", "as": "network"}]}, "incomplete"),
        ({"inputs": [{"name": "skimage:cat", "as": ["photo"]}]}, "incomplete"),
        ({"inputs": [{"name": "skimage:cat", "pixels_sha256": ""}]}, "incomplete"),
        ({"inputs": []}, "incomplete"),
        ({"plan": {"reading": {"precision": "float8"}}}, "a plan has"),
        ({"threads": 10**9}, "incomplete"),
        ({"threads": "1"}, "incomplete"),
        ({"part": ["picture", 99]}, "makes no picture 99"),
        ({"part": ["panel", 0, "__class__"]}, "makes no panel 0 __class__"),
        ({"part": 3}, "incomplete"),
    ],
)
def test_a_strangers_picture_cannot_make_anything_else_run(no_harm, run, change, said):
    if not GRADIENT:  # made once for all strangers
        assert run("attribute", "cat.png", "--method", "gradient", "--out", "made.png")[0] == 0
        GRADIENT.append(Path("made.png").read_bytes())
    Path("made.png").write_bytes(GRADIENT[0])
    recipe = json.loads(read_text("made.png")["phosphene"])
    Path("evil.py").write_text("raise SystemExit('run!')")
    rewrite("made.png", recipe | change)
    words = ["--input", "cat.png"] if "inputs" not in change else []
    code, out, err = run("replay", "made.png", *words)
    assert code == 2, out
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"seal": NaN}', "[" * 100_000, '"gradient"', "{}"])
def test_a_recipe_that_is_none_is_refused(text):
    info = PngInfo()
    info.add_text("phosphene", text)
    Image.open("cat.png").save("made.png", pnginfo=info)
    refused()


def test_a_picture_of_somebody_else_is_refused(run):
    code, _, err = run("replay", "cat.png")
    assert code == 2
    assert "cat.png does not say how it was made; only PNGs of this program do" in err
    code, _, err = run("replay", "nothing.png")
    assert code == 2
    assert "nothing.png" in err


def test_a_picture_that_was_stopped_on_its_way_is_not_made_again_as_if_it_were_finished(picture):
    rewrite("made.png", json.loads(read_text("made.png")["phosphene"]) | {"unfinished": True})
    with pytest.raises(Mistake, match=r"made.png was stopped on its way, and its recipe makes the finished one"):
        replay("made.png")


def test_a_picture_put_together_from_others_names_them():
    rewrite("cat.png", {"command": "tour", "parts": ["pictures/a.png", "pictures/b.png"]})
    with pytest.raises(Mistake, match=r"cat.png is put together from other pictures; make those again: pictures/a.png"):
        replay("cat.png")


@pytest.mark.parametrize(
    ("name", "given", "called"),
    [
        ("prior", total_variation(), "a prior"),
        ("transform", roll(3), "a transform"),
        ("optimizer", adam(0.1), "an optimizer"),
    ],
)
def test_what_was_given_in_python_is_not_in_the_file_and_that_is_said(name, given, called):
    network = convnet(torch.float32)
    phosphene.visualize(network, ["conv2:1"], size=24, steps=1, **{name: given}).save("made.png")
    assert refused(network) == f"made.png was made with {called} given in Python, which is not in the file"


def test_a_dream_of_several_octaves_of_an_earlier_version_says_what_is_otherwise_today():
    old = Path(__file__).parents[2] / "corpus" / "changed" / "dream-octaves.png"
    with pytest.raises(Mistake, match=r"dream-octaves\.png can't be made again: its octaves .* mended since"):
        replay(old)
