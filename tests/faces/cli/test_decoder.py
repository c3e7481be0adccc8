"""`train-decoder`: its files and how it goes on; that another command takes what it made is tested there."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phosphene.inversion.decoder_training import DecoderTraining
from phosphene.models.decoder_files import record_of
from tests.faces.commands import is_one_sentence, last

WORDS = ["train-decoder", "--layer", "conv2", "--data", "photos", "--net", "own.py", "--epochs", 2, "--batch", 4]


@pytest.fixture(autouse=True)
def _photos(here):
    for index in range(16):
        folder = Path("photos", "cats" if index % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"secret {index}.png")


def left():
    return sorted(p.name for p in Path().iterdir() if p.name not in ("own.py", "cat.png", "photos"))


def stopping(monkeypatch, at, error):
    learn = DecoderTraining._learn

    def stopped(self, rows):
        learn(self, rows)
        if self.taken == at:
            raise error

    monkeypatch.setattr(DecoderTraining, "_learn", stopped)


@pytest.mark.slow
def test_the_decoder_and_its_card_are_written_and_how_to_use_it_is_said(run):
    code, out, err = run(*WORDS, "--measured", 2)
    assert code == 0, err
    assert left() == ["decoder.md", "decoder.safetensors"] and last(out) == Path("decoder.safetensors")
    words, usage, _ = out.splitlines()
    assert words.startswith("of 2 pictures that were held out: SSIM ")
    assert usage == "use: phosphene invert PHOTO --net own.py --layer conv2 --decoder decoder.safetensors"
    assert err.splitlines()[0].split() == ["epoch", "px", "loss", "pixels", "code", "error", "time"]
    assert [line.split()[0] for line in err.splitlines()[1:]] == ["1", "2"]
    assert Path("decoder.md").read_text().startswith("# A decoder of `conv2` of `own.py`")
    kept = Path("decoder.safetensors").read_bytes()
    assert not any(name in kept for name in (b"secret", b"photos", str(Path.cwd()).encode()))


@pytest.mark.slow
def test_json_is_all_that_is_printed(run):
    code, out, err = run(*WORDS, "--measured", 1, "--without", "cats", "--json", "--epochs", 1)
    assert code == 0, err
    found = json.loads(out)
    assert found["training"]["pictures"] + found["training"]["held out"] == 8
    assert found["layer"] == "conv2" and len(found["epochs"]) == 1 and found["measured"]["decoder alone"]["error"] > 0


@pytest.mark.slow
def test_stopped_it_keeps_the_best_and_the_same_command_ends_in_the_same_bytes(run, monkeypatch):
    words = [*WORDS, "--measured", 1]
    assert run(*words, "--out", "whole.safetensors")[0] == 0
    with monkeypatch.context() as patch:
        stopping(patch, 4, KeyboardInterrupt())
        code, out, err = run(*words)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        "interrupted in epoch 2 of 2: decoder.safetensors holds the best so far, of epoch 1; the same command goes on "
        "from there"
    )
    assert left() == ["decoder.checkpoint", "decoder.safetensors", "whole.md", "whole.safetensors"]
    assert record_of(Path("decoder.safetensors"))["training"]["kept epoch"] == 1
    code, out, err = run(*words)
    assert code == 0 and err.splitlines()[0] == "going on in epoch 2"
    assert Path("decoder.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert Path("decoder.md").read_bytes() == Path("whole.md").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "conv9"], "no layer 'conv9'; did you mean"),
        (["--data", "nothing"], "nothing is not a folder; give one with pictures in it"),
        (["--without", "dogs", "--without", "cats"], "has 0 pictures that can be used"),
        (["--without", "cows"], "there is no folder 'cows' with pictures in photos"),
        (["--out", "decoder.pt"], "decoder.pt is no name for weights"),
        (["--epochs", "0"], "0 is not a valid value for epochs"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words, said, run):
    assert said in is_one_sentence(*run(*WORDS, *words))
    assert left() == []


@pytest.mark.slow
def test_nothing_is_overwritten_and_force_does(run):
    Path("decoder.md").write_text("precious")
    assert is_one_sentence(*run(*WORDS)).startswith("decoder.md is there already; give --force")
    assert Path("decoder.md").read_text() == "precious"
    assert run(*WORDS, "--measured", 1, "--epochs", 1, "--force")[0] == 0


@pytest.mark.slow
def test_invert_takes_it_and_replay_wants_it_beside_the_photograph(run):
    assert run(*WORDS, "--measured", 1, "--epochs", 1)[0] == 0
    own = ["--net", "own.py", "--layer", "conv2", "--steps", 2]
    code, _, err = run("invert", "cat.png", *own, "--decoder", "decoder.safetensors", "--out", "found.png")
    assert code == 0, err
    said = is_one_sentence(*run("replay", "found.png", "--net", "own.py", "--input", "cat.png", "--out", "again.png"))
    assert "decoder.safetensors" in said
    inputs = ["--input", "cat.png", "--input", "decoder.safetensors"]
    code, _, err = run("replay", "found.png", "--net", "own.py", *inputs, "--out", "again.png")
    assert code == 0, err
    assert Path("again.png").is_file()


@pytest.mark.slow
def test_a_decoder_of_another_layer_is_one_sentence(run):
    assert run(*WORDS, "--measured", 1, "--epochs", 1)[0] == 0
    words = ["invert", "cat.png", "--net", "own.py", "--layer", "conv3", "--decoder", "decoder.safetensors"]
    said = is_one_sentence(*run(*words))
    assert said.startswith(
        "decoder.safetensors decodes conv2 of own.py, not conv3 of own.py; give --net own.py --layer"
    )


@pytest.mark.slow
def test_several_are_given_one_by_one_and_the_picture_is_made_again_from_them(run):
    made = []
    for layer in ("conv1", "relu2"):
        words = ["train-decoder", "--layer", layer, *WORDS[3:], "--measured", 1, "--out", f"{layer}.safetensors"]
        assert run(*words)[0] == 0
        made += ["--decoder", f"{layer}.safetensors"]
    code, _, err = run("stylize", "cat.png", "cat.png", "--method", "wct", "--net", "own.py", *made, "--out", "a.png")
    assert code == 0, err
    assert json.loads(Path("a.json").read_text())["numbers"]["layers"] == ["relu2", "conv1"]
    inputs = ["--input", "cat.png", "--input", "conv1.safetensors", "--input", "relu2.safetensors"]
    code, out, err = run("replay", "a.png", "--net", "own.py", *inputs)
    assert code == 0 and "identical: all" in out, err
    code, out, err = run("stylize", "cat.png", "cat.png", "--method", "wct", "--decoder", "nowhere.safetensors")
    assert is_one_sentence(code, out, err) and "nowhere.safetensors is no decoder" in err
