"""From what somebody asks for to files: nothing is overwritten, and nothing is lost."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.results.results import Run
from phosphene.faces.running import destination as writing
from phosphene.faces.running import session
from tests.faces.commands import ENDS, files, is_one_sentence, last


@pytest.fixture
def run(small):
    return small


def test_no_step_is_taken_before_the_names_are_checked(run, monkeypatch):
    monkeypatch.setattr(Run, "__iter__", lambda _: pytest.fail("the work had begun"))
    Path("x.png").write_text("precious")
    is_one_sentence(*run("visualize", "conv1:0", "--out", "x.png"))
    is_one_sentence(*run("invert", "cat.png", "--out", "own.py/x.png"))


@pytest.mark.parametrize("out", ["own.py/x.png", "own.py/folder", "/proc/none/x.png"])
@pytest.mark.parametrize("words", [["visualize", "conv1:0"], ["predict", "cat.png"], ["tour", "cat.png"]])
def test_a_folder_that_can_not_be_written_to_is_told_before_the_work_starts(words, out, run, monkeypatch):
    monkeypatch.setattr(session, "load", lambda *_, **__: pytest.fail("the work had begun"))
    assert "can't be written to" in is_one_sentence(*run(*words, "--out", out))


def test_a_disk_that_fills_up_sends_the_result_elsewhere(run, monkeypatch, tmp_path):
    save = writing.save

    def full(files):
        if next(iter(files)).resolve().is_relative_to(tmp_path / "here"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(files)

    monkeypatch.setattr(writing, "save", full)
    code, out, err = run("invert", "cat.png", "--steps", 1, "--out", "here/x.png")
    assert code == 2
    assert last(out).exists()
    assert not Path("here").exists()
    assert f"could not be written to (no space left on device); it is in {last(out).parent}" in err


def test_photographs_that_are_called_alike_get_names_of_their_own(run):
    Path("q").mkdir()
    for name in ("q/cat.png", "Cat.png"):
        Image.new("RGB", (20, 26), "blue").save(name)
    code, _, err = run("attribute", "cat.png", "q/cat.png", "Cat.png", "--fit", "whole", "--out", "x")
    assert (code, err) == (0, "")
    assert {name.partition("-saliency")[0] for name in files("x")} == {
        "attribute-cat", "attribute-cat-2", "attribute-Cat-3",
    }  # fmt: skip
    assert np.load("x/attribute-cat-saliency.npy").shape == (30, 40)
    before = {path: path.read_bytes() for path in Path("x").iterdir()}
    Path("x/attribute-cat-saliency.png").unlink()
    said = is_one_sentence(*run("attribute", "q/cat.png", "cat.png", "--fit", "whole", "--out", "x"))
    assert "is there already" in said and "saliency" in said
    assert all(path.read_bytes() == before[path] for path in Path("x").iterdir())
    words = ["attribute", "cat.png", "Cat.png", "--method", "integrated", "--fit", "whole"]
    assert "is one picture, but 2 are made" in is_one_sentence(*run(*words, "--out", "one.png"))
    assert "--film is of one picture, but 2 are made" in is_one_sentence(*run(*words, "--film", "way.gif"))


def test_several_photographs_are_a_folder_and_whole_ones_keep_their_sizes(run):
    Image.new("RGB", (30, 20), "red").save("red.png")
    Image.new("RGB", (20, 26), "blue").save("blue.png")
    code, _, err = run("attribute", "red.png", "blue.png", "--target", "zebra", "--out", "both")
    assert (code, err) == (0, "")
    ends = [*ENDS, ".npy"]
    assert files("both") == sorted(f"{name}-saliency-logits-1{end}" for name in ("red", "blue") for end in ends)
    assert np.load("both/red-saliency-logits-1.npy").shape == (16, 16)
    code, _, err = run("attribute", "red.png", "blue.png", "--fit", "whole", "--out", "whole")
    assert (code, err) == (0, "")
    assert np.load("whole/attribute-red-saliency.npy").shape == (20, 30)
    assert np.load("whole/attribute-blue-saliency.npy").shape == (26, 20)


def test_a_photograph_that_can_not_be_read_is_left_out_of_many(run):
    Path("broken.png").write_text("nothing")
    code, _, err = run("attribute", "cat.png", "broken.png", "--out", "x")
    assert code == 0
    assert "left out: broken.png is not a picture that can be read" in err
    assert "attribute-cat-saliency.png" in files("x")


@pytest.mark.parametrize("name", ["way.gif", "way.mp4"])
def test_a_film_is_written_beside_the_picture_and_listed_in_its_record(name, run):
    words = ["dream", "cat.png", "--octaves", 1, "--steps", 2, "--out", "x.png", "--film", name]
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == [name, "x.png"]
    assert json.loads(Path("x.json").read_text())["outputs"] == ["x.png", "x.figure.png", "x.json", "x.input.png", name]
    before = Path(name).read_bytes()
    assert f"{name} is there already" in is_one_sentence(*run(*words[:-3], "y.png", "--film", name))
    assert Path(name).read_bytes() == before
    assert not Path("y.png").exists()
    assert run(*words, "--force")[0] == 0


def test_only_what_takes_steps_is_filmed(run):
    code, _, err = run("predict", "cat.png", "--film", "way.gif")
    assert code == 2
    assert "--film" in err
    said = is_one_sentence(*run("attribute", "cat.png", "--method", "gradient", "--film", "way.gif"))
    assert said.startswith("gradient makes its picture at once; --film belongs to integrated, gradient-shap, ")
    assert run("attribute", "cat.png", "--method", "occlusion", "--film", "way.gif")[0] == 0
    assert "give one that ends in .gif or .mp4" in is_one_sentence(*run("dream", "cat.png", "--film", "way.png"))
    assert set(files()) > {f"attribute-cat-occlusion{end}" for end in [*ENDS, ".npy"]} | {"way.gif"}


def test_a_film_that_cannot_be_written_does_not_lose_the_picture(run, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("phosphene.core.pictures.encoding._gif", full)
    code, out, err = run("dream", "cat.png", "--octaves", 1, "--steps", 1, "--out", "x.png", "--film", "way.gif")
    assert code == 2
    assert "way.gif cannot be written: no space left on device" in err
    assert last(out) == Path("x.png")
    assert "way.gif" not in json.loads(Path("x.json").read_text())["outputs"]


def variants(photo, folder):
    """(file, its plain RGB copy) for every kind of photograph."""
    rng = np.random.default_rng(0)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.fromarray((rng.random((photo.height, photo.width)) > 0.05).astype(np.uint8) * 255))
    flat = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), alpha)
    grey = photo.convert("L")
    pairs = {
        "alpha.png": (alpha, flat.convert("RGB"), {}),
        "grey.png": (grey, grey.convert("RGB"), {}),
        "palette.png": (photo.quantize(256), photo.quantize(256).convert("RGB"), {}),
        "deep.png": (Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), grey.convert("RGB"), {}),
        "cmyk.jpg": (photo.convert("CMYK"), photo, {"quality": 95}),
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    pairs["turned.jpg"] = (photo.transpose(Image.Transpose.ROTATE_90), photo, {"exif": exif, "quality": 95})
    for name, (image, plain, options) in pairs.items():
        image.save(folder / name, **options)
        plain.save(folder / f"{name}.plain.png")
        yield folder / name, folder / f"{name}.plain.png"


def top(network, path):
    return phosphene.predict(network, path).numbers[0]["top"][0]


@pytest.mark.slow
def test_every_kind_of_photograph_gets_the_answer_of_its_plain_copy(tmp_path):
    from skimage import data as samples

    network = phosphene.load()
    for path, plain in variants(Image.fromarray(samples.chelsea()), tmp_path):
        assert top(network, path)["p"] == pytest.approx(top(network, plain)["p"], abs=0.05), path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["elephant.jpg", "dog.jpg"])
def test_every_kind_of_photograph_gets_the_top_1_of_its_plain_copy_from_inception(data, tmp_path, name):
    network = phosphene.load(f"{data}/models/inception5h.py:build")
    for path, plain in variants(Image.open(data / "images" / name).convert("RGB"), tmp_path):
        assert top(network, path)["class"] == top(network, plain)["class"], path.name


def test_of_many_photographs_those_that_cannot_be_read_are_left_out_and_said(run):
    Path("many").mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(f"many/{i}.png")
    Path("many/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    words = ["facets", "conv2:1", "many", "gone.png", "--count", 1, "--steps", 1, "--size", 16]
    code, out, err = run(*words)
    assert code == 0
    assert [line.partition(":")[0] for line in err.splitlines() if "left out" in line] == ["left out"] * 2
    assert "broken.jpg is not a picture that can be read" in err and "no file gone.png" in err
    assert last(out) == Path("facets-conv2-1-1.png")
    is_one_sentence(*run("facets", "conv2:1", "gone.png"))


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (Mistake("it says nothing"), 2, "own.py did not judge: it says nothing"),
        (KeyboardInterrupt(), 130, "own.py did not judge: interrupted"),
        (MemoryError(), 2, "own.py fails: there is not enough memory"),
        (KeyError("x"), 2, "own.py fails: KeyError: 'x'"),
        (SystemExit(0), 2, "own.py fails: its code ended the program"),
    ],
)
def test_a_judge_that_fails_does_not_lose_the_picture_which_is_there_before_it_is_asked(
    failure, code, said, run, monkeypatch
):
    def fails(*_):
        assert open_photo("x.png").shape[2] == 16
        assert json.loads(Path("x.json").read_text())["numbers"]["steps"] == 1
        raise failure

    monkeypatch.setattr("phosphene.features.judge.verdicts", fails)
    words = ["visualize", "conv2:0", "--steps", 1, "--size", 16, "--judge", "own.py", "--out", "x.png"]
    done, out, err = run(*words)
    assert done == code
    assert last(out) == Path("x.png") and Path("x.png").exists()
    assert err.startswith(said) and err.count("\n") == 1


def test_what_a_judge_says_is_added_to_the_record(run):
    words = ["visualize", "conv2:0", "--steps", 1, "--size", 16, "--judge", "own.py", "--out", "x.png", "--json"]
    code, out, _ = run(*words)
    assert code == 0
    record = json.loads(Path("x.json").read_text())
    assert record == json.loads(out) and record["numbers"]["judged"][0]["judge"] == "own.py"


@pytest.mark.slow
def test_pictures_that_belong_to_others_by_their_places_are_all_there_in_their_order(run):
    words = ["stylize", "skimage:cat", "skimage:brick", "skimage:brick", "--size", "32", "--steps", "1"]
    code, _, err = run(*words, "--mask", "none.png", "--mask", "skimage:moon", "--out", "a.png")
    assert code == 2 and err.startswith("error: there is no file none.png")
    assert run(*words, "--shares", "1,3", "--out", "a.png")[0] == 0
    assert [one["name"] for one in json.loads(Path("a.json").read_text())["inputs"]][1:] == ["skimage:brick"] * 2
    assert "identical" in run("replay", "a.png")[1]
