"""Pictures made again from the recipes that they carry; and strangers' pictures, which can't make anything else run."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import phosphene
from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import read_text
from phosphene.core.results.results import Result, Run, seal
from phosphene.core.units.directions import Direction
from phosphene.core.units.units import Sum, Unit
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.record import read_record
from phosphene.faces.replay.replay import replay
from tests.small import SOURCE, convnet

MADE = [
    ("predict", "cat.png"),
    ("weights",),
    ("weights", "conv2", "--common", "--filters", "2-5", "--inputs", "1-3"),
    ("weights", "fc"),
    ("atlas", "photos", "--layer", "conv2", "--cells", "2", "--per-photo", "3", "--steps", "2", "--size", "16"),
    ("facets", "conv2:1", "photos", "--count", "1", "--steps", "2", "--size", "16"),
    ("architecture",),
    ("visualize", "conv2:1", "--steps", "3", "--size", "24"),
    ("visualize", "conv2:1", "--steps", "3", "--size", "24", "--start", "cat.png"),
    ("grid", "cat.png", "--layer", "conv2", "--cell", "8", "--steps", "2"),
    ("caricature", "cat.png", "--layer", "conv2", "--steps", "2"),
    ("accentuate", "cat.png", "--layer", "conv2", "--steps", "2", "--views", "2"),
    ("attribute", "cat.png", "--method", "gradient"),
    ("attribute", "cat.png", "--method", "saliency"),
    ("attribute", "cat.png", "--method", "guided", "--unit", "conv3:2"),
    ("attribute", "cat.png", "--method", "deconvnet"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "5"),
    ("attribute", "cat.png", "--method", "input-x-gradient", "--target", "1", "--against", "2"),
    ("attribute", "cat.png", "--method", "integrated", "--steps", "3", "--baseline", "noise"),
    ("attribute", "cat.png", "--method", "smoothgrad", "--samples", "3"),
    ("attribute", "cat.png", "--method", "grad-cam", "--show", "heat"),
    ("attribute", "cat.png", "--method", "grad-cam++"),
    ("attribute", "cat.png", "--method", "guided-grad-cam"),
    ("attribute", "cat.png", "--method", "lrp", "--composite", "epsilon-gamma-box"),
    ("attribute", "cat.png", "--method", "rise", "--masks", "20"),
    ("attribute", "cat.png", "--method", "captum:DeepLift"),
    ("attribute", "cat.png", "--method", "all", "--masks", "20"),
    ("exemplars", "photos", "--unit", "conv2:1", "--count", "3"),
    ("exemplars", "photos", "--layer", "conv2", "--each", "1", "--count", "3", "--sees", "most"),
    ("segment", "cat.png", "--target", "zebra", "--box", "1,2,9,8"),
    ("dream", "cat.png", "--octaves", "2", "--steps", "2"),
    ("invert", "cat.png", "--steps", "3"),
    ("attack", "cat.png", "--method", "fgsm"),
    ("attack", "cat.png", "--method", "pgd", "--steps", "3", "--eps", "3/255"),
]
SEVERAL = [
    ("interpolate", "conv2:1", "conv2:3", "--count", "3", "--steps", "2", "--size", "24"),
    ("context", "zebra", "--starts", "2", "--others", "1", "--steps", "2", "--size", "24"),
    ("gallery", "olah", "--steps", "1", "--size", "16", "--only", "paper"),
]
"""Those that make several pictures and one figure."""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("cat.png")
    Path("photos").mkdir()
    for i in range(4):
        Image.fromarray(np.roll(pixels, 8 * i, 1)[i : i + 20]).save(f"photos/{i}.png")


def made(run, *words):
    """The picture that this command wrote."""
    code, _, err = run(*words, "--net", "own.py", "--out", "made.png")
    assert code == 0, err
    return Path("made.png")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


# --------------------------------------------------------------------------------------------------- made again


def test_every_recipe_of_the_program_is_tried():
    tried = {(words[0], words[words.index("--method") + 1] if "--method" in words else "") for words in MADE + SEVERAL}
    every = {(row.command, row.method) for row in catalogue.CATALOGUE if row.name or row.prefix}
    # rollout is for transformers, which this network is not; one of Captum's stands for all
    tried = {(command, "captum:NAME" if method.startswith("captum:") else method) for command, method in tried}
    assert tried == every - {("attribute", "rollout")}


@pytest.mark.parametrize("words", MADE, ids=lambda words: "-".join(w for w in words if w.isalpha()))
def test_every_command_makes_its_picture_again(run, words):
    made(run, *words)
    ends = [end for end in (".png", ".figure.png", ".input.png") if Path(f"made{end}").exists()]
    for end in ends:
        inputs = ["--input", "cat.png", "--input", "photos"]
        code, out, err = run("replay", f"made{end}", "--net", "own.py", *inputs, "--out", f"again{end}")
        assert (code, err) == (0, "")
        assert "identical: all" in out
        assert (pixels(f"again{end}") == pixels(f"made{end}")).all()
        again, first = (json.loads(read_text(f"{name}{end}")["phosphene"]) for name in ("again", "made"))
        assert again == first


@pytest.mark.parametrize("words", SEVERAL, ids=lambda words: words[0])
def test_pictures_of_a_folder_and_their_one_figure_are_made_again(run, words):
    code, _, err = run(*words, "--net", "own.py", "--out", "made")
    assert code == 0, err
    (drawn,) = Path("made").glob("*.figure.png")
    pictures = sorted(set(Path("made").glob("*.png")) - {drawn})
    network = phosphene.load("own.py")
    for picture in (pictures[0], pictures[-1], drawn):
        again = replay(picture, network)
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


def test_a_direction_out_of_a_file_is_made_again_without_the_file(run):
    np.save("mine.npy", np.array([1, -2, 0.3, 0, 0, 1, 1, 5], dtype=np.float32))
    words = ["visualize", "conv2:0 - 0.5*conv2:file=mine.npy^2", "--steps", "3", "--size", "24"]
    made(run, *words)
    Path("mine.npy").unlink()
    for end in (".png", ".figure.png"):
        if Path(f"made{end}").exists():
            assert replay(f"made{end}", phosphene.load("own.py")).same
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


def test_an_embedded_network_and_a_photograph_of_scikit_image_are_found_by_themselves(run):
    code, *_ = run("attribute", "skimage:coffee", "--method", "gradient", "--out", "made.png")
    assert code == 0
    code, out, _ = run("replay", "made.png")
    assert code == 0
    assert out.splitlines()[-1].startswith("replay-made")


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
    seen, own = [], torch.get_num_threads()
    original = replaying.begin
    monkeypatch.setattr(replaying, "begin", lambda *args: (seen.append(torch.get_num_threads()), original(*args))[1])
    replay("made.png", phosphene.load("own.py"), ["cat.png"])
    assert seen == [3]
    assert torch.get_num_threads() == own


def test_without_provenance_nothing_says_how_it_was_made(run):
    made(run, "attribute", "cat.png", "--no-provenance")
    for name in ("made.png", "made.figure.png", "made.input.png"):
        assert read_text(name) == {}
    assert set(json.loads(Path("made.json").read_text())) == {"outputs", "numbers"}
    with pytest.raises(Mistake, match=r"made.png does not say how it was made"):
        replay("made.png")


# --------------------------------------------------------------------------------------------- what was changed


def rewrite(path, recipe, picture=None, *, sealed=True):
    """The picture with another recipe, sealed as a skilful stranger would."""
    picture = picture or Image.open(path).convert("RGB")
    info = PngInfo()
    if sealed:
        recipe = recipe | {"seal": seal(recipe, picture)}
    info.add_text("phosphene", json.dumps(recipe))
    picture.save(path, pnginfo=info)


@pytest.fixture
def picture(run):
    """made.png and its recipe: a gradient of cat.png."""
    made(run, "attribute", "cat.png", "--method", "gradient")
    return json.loads(read_text("made.png")["phosphene"])


def refused(*args):
    with pytest.raises(Mistake) as mistake:
        replay("made.png", *args)
    assert "\n" not in str(mistake.value)
    return str(mistake.value)


def test_a_changed_photograph_is_refused_with_what_differs(picture):
    changed = pixels("cat.png").copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save("cat.png")
    said = refused(phosphene.load("own.py"), ["cat.png"])
    assert "cat.png is not the photograph 'cat.png' that made.png was made from: the SHA-256 begins with" in said
    assert picture["inputs"][0]["sha256"][:12] in said


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


def test_a_photograph_or_network_that_is_not_named_is_asked_for(run, picture):
    assert "name the file with --input" in refused(phosphene.load("own.py"))
    code, out, err = run("replay", "made.png", "--input", "cat.png")
    assert (code, out) == (2, "")
    assert "made.png was made with own.py, which is not inside this program: name it with --net" in err


# ---------------------------------------------------------------------------------------------------- strangers


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
    code, *_ = run("attribute", "cat.png", "--method", "gradient", "--out", "made.png")
    assert code == 0
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


def test_a_picture_put_together_from_others_names_them():
    rewrite("cat.png", {"command": "tour", "parts": ["pictures/a.png", "pictures/b.png"]})
    with pytest.raises(Mistake, match=r"cat.png is put together from other pictures; make those again: pictures/a.png"):
        replay("cat.png")


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
