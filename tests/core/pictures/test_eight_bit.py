"""Rounding to 8 bits."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import fraction, precise, to_pil, to_uint8
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.pictures.writing import png_bytes
from tests.core.photographs import noise


def test_pixels_are_rounded_and_clipped_not_truncated():
    x = torch.tensor([-0.1, 0.0, 0.9, 127.4, 127.6, 254.6, 300]).div(255).expand(1, 3, 1, 7)
    assert to_uint8(x)[0, 0, :, 0].tolist() == [0, 0, 1, 127, 128, 255, 255]


def test_a_picture_for_pil_is_the_picture():
    x = noise(3, 8, 9)
    assert torch.equal(open_photo(to_pil(x)), fit(x[None], (8, 9)))


def test_several_pictures_are_not_one():
    with pytest.raises(Mistake, match=r"one picture is .*, not \(2, 3, 8, 8\); grid\(\) joins several"):
        png_bytes(noise(2, 3, 8, 8))


def test_in_float64_an_eight_bit_pixel_is_its_quotient_and_not_that_of_float32():
    every = torch.arange(256)
    found = precise(fraction(every, 255).expand(1, 3, 1, 256), torch.float64)
    assert torch.equal(found[0, 0, 0], every.double() / 255)
    assert torch.equal(precise(found, torch.float64), found)


def test_other_pixels_keep_their_values():
    x = noise(1, 3, 8, 9).float()
    assert torch.equal(precise(x, torch.float64), x.double())
    assert torch.equal(precise(x, torch.float32), x)
