"""PNG files: every pixel and every word comes back, and a failed write leaves the old file."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.files import open_photo, read_text, stored
from phosphene.core.pictures.fitting import fit
from phosphene.core.pictures.writing import png_bytes, save_png
from tests.core.photographs import noise
from tests.core.pictures.test_files import eight_bit, texts


@pytest.mark.slow
@given(eight_bit, texts)
def test_a_png_keeps_its_pixels_and_its_text_to_the_bit(pixels, text):
    picture = torch.from_numpy(pixels.astype(np.float32) / np.float32(255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.png")
        save_png(picture, path, {"phosphene": text, "Title": "é"})
        assert torch.equal(open_photo(path), picture[None])
        assert read_text(path) == {"phosphene": text, "Title": "é"}
        assert os.listdir(folder) == ["x.png"]


def test_bytes_and_file_are_the_same(tmp_path):
    x = noise(1, 3, 8, 9)
    save_png(x, tmp_path / "x.png", {"a": "b"})
    assert (tmp_path / "x.png").read_bytes() == png_bytes(x[0], {"a": "b"})


def test_what_was_fed_is_what_is_saved(plain, tmp_path):
    fed = fit(plain, (64, 64))
    save_png(fed, tmp_path / "fed.png")
    assert torch.equal(open_photo(tmp_path / "fed.png"), fed)


def test_a_picture_with_alpha_is_saved_with_it(tmp_path):
    x = noise(1, 4, 8, 9)
    save_png(x, tmp_path / "x.png")
    kept = stored(tmp_path / "x.png")
    assert kept.mode == "RGBA" and np.array_equal(np.asarray(kept), to_uint8(x)[0])
    colour, alpha = (x * 255).round()[:, :3] / 255, (x * 255).round()[:, 3:] / 255
    over_white = alpha * colour + 1 - alpha
    assert (open_photo(tmp_path / "x.png") - over_white).abs().max() < 1.01 / 255


def test_a_diverged_picture_is_not_written(tmp_path):
    with pytest.raises(Mistake, match="not finite; the optimization has diverged, try smaller steps"):
        save_png(torch.full((3, 8, 8), torch.nan), tmp_path / "x.png")
    assert os.listdir(tmp_path) == []


def test_names_that_cannot_be_saved_to_are_told(tmp_path):
    with pytest.raises(Mistake, match=r"x.jpg does not end in .png, .* try .*x.png"):
        save_png(noise(3, 8, 8), tmp_path / "x.jpg")
    with pytest.raises(Mistake, match=r"there is no folder .*/no to save x.png in; make it first"):
        save_png(noise(3, 8, 8), tmp_path / "no" / "x.png")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    save_png(torch.zeros(3, 8, 8), tmp_path / "x.png")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Mistake, match=r"x.png cannot be written: no space left on device"):
        save_png(torch.ones(3, 8, 8), tmp_path / "x.png")
    assert os.listdir(tmp_path) == ["x.png"]
    assert open_photo(tmp_path / "x.png").max() == 0
