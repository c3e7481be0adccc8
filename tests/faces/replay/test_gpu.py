"""Every command that makes a picture makes the same one on a GPU: `make gpu`, where there is one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from phosphene.core.networks.whole_float32 import whole_float32
from phosphene.core.pictures.files import read_text
from tests.faces.replay.pictures import MADE, SEVERAL, made, pixels


@pytest.mark.parametrize(
    "words",
    [words for words in MADE + SEVERAL if words[0] != "atlas"],  # the last digit decides what is put where on its map
    ids=" ".join,
)
def test_a_gpu_makes_the_same_pictures(run, words):
    out = "{}.png" if words in MADE else "{}"
    for device in ("cpu", "cuda"):
        code, _, err = run(*words, "--net", "own.py", "--device", device, "--out", out.format(device))
        assert code == 0, err
    here = [Path("cpu.png")] if words in MADE else sorted(Path("cpu").glob("*.png"))
    assert here
    for file in here:
        there = Path(str(file).replace("cpu", "cuda", 1))
        a, b = (pixels(one).astype(int) for one in (file, there))
        assert a.shape == b.shape
        assert np.abs(a - b).mean() < 6, file


def test_a_picture_of_a_gpu_is_made_again_there(run):
    made(run, "attribute", "cat.png", "--method", "smoothgrad", "--samples", "3", "--device", "cuda")
    assert json.loads(read_text("made.png")["phosphene"])["device"].startswith("cuda")
    code, _, err = run("replay", "made.png", "--input", "cat.png", "--net", "own.py", "--out", "again.png")
    assert code == 0, err


def test_a_convolution_has_seven_digits_on_a_gpu():
    x, w = torch.rand(1, 64, 32, 32, dtype=torch.float64), torch.randn(64, 64, 3, 3, dtype=torch.float64)
    exact = torch.nn.functional.conv2d(x, w)
    with whole_float32(torch.device("cuda")):
        said = torch.nn.functional.conv2d(x.float().cuda(), w.float().cuda()).double().cpu()
    assert (said - exact).norm() < 1e-6 * exact.norm()
