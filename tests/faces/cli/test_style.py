"""`train-style` and what takes its files: how it goes on, photographs, folders, and what makes no sense."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phosphene.models.headers import header
from phosphene.style.training import StyleTraining
from tests.faces.commands import is_one_sentence, last

OWN = ["--data", "photos", "--net", "own.py", "--epochs", 2, "--batch", 4, "--size", 16, "--measured", 1]
WORDS = ["train-style", "paint.png", *OWN]


@pytest.fixture(autouse=True)
def _photos(here):
    for index in range(12):
        folder = Path("photos", "cats" if index % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 40)).save(folder / f"secret {index}.png")
    Image.fromarray(np.random.default_rng(99).integers(0, 256, (24, 32, 3), dtype=np.uint8)).save("paint.png")


def left():
    return sorted(p.name for p in Path().iterdir() if p.name not in ("own.py", "cat.png", "photos", "paint.png"))


def stopping(monkeypatch, at, error):
    learn = StyleTraining._learn

    def stopped(self, rows):
        learn(self, rows)
        if self.taken == at:
            raise error

    monkeypatch.setattr(StyleTraining, "_learn", stopped)


@pytest.mark.slow
def test_the_network_its_card_and_a_preview_are_written(run):
    code, out, err = run(*WORDS)
    assert code == 0, err
    assert left() == ["style.md", "style.png", "style.safetensors"] and last(out) == Path("style.safetensors")
    words, usage, _ = out.splitlines()
    assert words.startswith("on 1 photographs that were held out: photograph: content 0, style ")
    assert usage == "use: phosphene stylize PHOTO --with style.safetensors"
    assert err.splitlines()[0].split() == ["epoch", "px", "loss", "content", "style", "held", "time"]
    assert Path("style.md").read_text().startswith("# The style of paint\n")
    kept = Path("style.safetensors").read_bytes()
    assert not any(name in kept for name in (b"secret", b"photos", str(Path.cwd()).encode()))


@pytest.mark.slow
def test_stylize_takes_it_and_replay_wants_it_beside_the_photograph(run):
    assert run(*WORDS)[0] == 0
    code, out, err = run("stylize", "cat.png", "--net", "own.py", "--with", "style.safetensors", "--out", "a.png")
    assert code == 0, err
    assert Image.open("a.png").size == Image.open("cat.png").size and "The style of paint, in one pass" in out
    said = is_one_sentence(*run("replay", "a.png", "--net", "own.py", "--input", "cat.png", "--out", "again.png"))
    assert "style.safetensors" in said
    inputs = ["--input", "cat.png", "--input", "style.safetensors"]
    code, _, err = run("replay", "a.png", "--net", "own.py", *inputs, "--out", "again.png")
    assert code == 0, err
    pictures = [np.asarray(Image.open(name)) for name in ("a.png", "again.png")]
    assert np.array_equal(*pictures)


@pytest.mark.slow
def test_a_folder_is_painted_picture_by_picture(run):
    assert run(*WORDS)[0] == 0
    code, _, err = run("stylize", "photos", "--net", "own.py", "--with", "style.safetensors", "--out", "all")
    assert code == 0, err
    assert len([one for one in Path("all").glob("*.png") if one.name.count(".") == 1]) == 12


@pytest.mark.slow
def test_without_a_style_it_makes_pictures_larger(run):
    code, out, err = run("train-style", "--upscale", 2, *OWN, "--json", "--out", "x2.safetensors")
    assert code == 0, err
    found = json.loads(out)
    assert set(found["measured"]) == {"bicubic", "network"} and found["about"] == "Pictures 2 times as large"
    assert found["use"] == "phosphene stylize PHOTO --with x2.safetensors" and len(found["epochs"]) == 2
    assert "| bicubic |" in Path("x2.md").read_text()


@pytest.mark.slow
def test_stopped_it_keeps_the_best_and_the_same_command_ends_in_the_same_bytes(run, monkeypatch):
    assert run(*WORDS, "--out", "whole.safetensors")[0] == 0
    with monkeypatch.context() as patch:
        stopping(patch, 3, KeyboardInterrupt())
        code, out, err = run(*WORDS)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        "interrupted in epoch 2 of 2: style.safetensors holds the best so far, of epoch 1; the same command goes on "
        "from there"
    )
    assert header(Path("style.safetensors"), "style")["training"]["kept epoch"] == 1
    code, out, err = run(*WORDS)
    assert code == 0 and err.splitlines()[0] == "going on in epoch 2"
    for ending in ("safetensors", "png"):
        assert Path(f"style.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WORDS[:1] + OWN, "a picture in the style is missing; give one"),
        ([*WORDS, "--upscale", "4"], "--upscale makes pictures larger and knows no style; leave paint.png out"),
        ([*WORDS, "--upscale", "3"], "pictures become 1, 2, 4, 8 times as large, not 3 times"),
        ([*WORDS, "--start", "paint.png"], "paint.png is no style network"),
        ([*WORDS, "--layer", "conv9"], "no layer 'conv9'; did you mean"),
        ([*WORDS, "--layer", "fc"], "fc has no rows and columns, so it knows no style"),
        ([*WORDS, "--content-layer", "conv9"], "no layer 'conv9'; did you mean"),
        ([*WORDS, "--share", "0"], "all shares are 0, so no style counts"),
        ([*WORDS, "--share", "1", "--share", "2"], "2 shares are given for 1 styles; give --share once for each"),
        ([*WORDS, "--data", "nothing"], "nothing is not a folder; give one with pictures in it"),
        (["train-style", "none.png", *OWN], "there is no file none.png"),
        ([*WORDS, "--out", "style.pt"], "style.pt is no name for weights"),
        (["stylize", "cat.png", "--net", "own.py", "--with", "paint.png"], "paint.png is no style network"),
        (
            ["stylize", "cat.png", "--net", "own.py", "--method", "descent", "--with", "paint.png"],
            "--with is not an option of descent; it belongs to feed-forward",
        ),
        (["stylize", "cat.png", "--net", "own.py", "--with", "none.safetensors"], "there is no such file"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words, said, run):
    assert said in is_one_sentence(*run(*words))
    assert left() == []
