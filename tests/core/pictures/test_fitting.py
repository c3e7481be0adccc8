"""Pictures at another size, with a closed form or against Pillow."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import enlarge, fit, resize
from tests.core.photographs import close, noise

# Sizes


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_fitting_gives_exactly_the_size_in_eight_bits(how, height, width, h, w):
    fitted = fit(noise(1, 3, height, width), (h, w), how)
    assert fitted.shape == (1, 3, h, w)
    assert torch.equal(fitted, (fitted * 255).round() / 255)
    assert fitted.min() >= 0 and fitted.max() <= 1


@pytest.mark.parametrize("how", ["crop", "squash", "whole"])
def test_a_fitting_picture_is_only_rounded(how):
    x = noise(2, 3, 12, 10)
    assert torch.equal(fit(x, (12, 10), how), (x * 255).round() / 255)
    assert torch.equal(fit(fit(x, (12, 10), how), (12, 10), how), fit(x, (12, 10), how))


def test_cropping_cuts_the_middle_out_and_leaves_its_pixels():
    x = noise(1, 3, 10, 30)
    assert torch.equal(fit(x, (10, 10)), fit(x[..., 10:20], (10, 10)))
    assert torch.equal(fit(x.mT, (10, 10)), fit(x[..., 10:20].mT, (10, 10)))


def test_cropping_is_shorter_side_to_size_and_centre_crop(cat, plain):
    small = cat.resize((337, 224), Image.Resampling.BILINEAR)  # 224 / 300 of 451 x 300
    left = (337 - 224) // 2
    assert close(fit(plain, (224, 224)), open_photo(small.crop((left, 0, left + 224, 224))), 3)


def test_halving_means_over_neighbours_and_does_not_alias():
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    assert (fit(stripes, (16, 16))[..., 2:-2] - 0.5).abs().max() < 0.02


def test_the_whole_picture_is_there_with_grey_beside_it():
    fitted = fit(torch.ones(1, 3, 20, 10), (20, 20), "whole")
    assert torch.equal(fitted[..., 5:15], torch.ones(1, 3, 20, 10))
    assert torch.equal(fitted[..., :5], torch.full((1, 3, 20, 5), 128 / 255))
    assert torch.equal(fitted[..., :5], fitted[..., 15:])


def test_a_long_strip_needs_no_memory():
    assert fit(torch.ones(1, 3, 8, 2_000_000), (224, 224)).min() == 1


def test_a_wrong_way_to_fit_is_answered():
    with pytest.raises(Mistake, match="by crop, squash or whole, not by 'crops'; did you mean 'crop'"):
        fit(noise(1, 3, 8, 8), (8, 8), "crops")
    with pytest.raises(Mistake, match="cannot be fitted to 0 x 8 pixels"):
        fit(noise(1, 3, 8, 8), (0, 8))


def test_resizing_a_flat_picture_keeps_it_flat_and_any_picture_in_range():
    torch.testing.assert_close(resize(torch.full((1, 3, 9, 9), 0.3), (21, 5)), torch.full((1, 3, 21, 5), 0.3))
    big = resize(noise(2, 3, 9, 9).round(), (40, 30))
    assert big.shape == (2, 3, 40, 30) and big.min() == 0 and big.max() == 1


def test_an_enlarged_pixel_is_a_square():
    x = noise(2, 3, 4, 5)
    big = enlarge(x, 3)
    assert big.shape == (2, 3, 12, 15)
    assert all(torch.equal(big[..., i::3, j::3], x) for i in range(3) for j in range(3))


def test_what_is_transparent_does_not_bleed_into_what_is_not_when_it_is_scaled():
    x = torch.zeros(1, 4, 16, 16)
    x[:, 0], x[:, 1] = 1, 0.25
    x[:, 3, :, :8] = 1
    x[:, :3, :, 8:] = torch.tensor([0.0, 1, 1])[None, :, None, None]  # hidden
    small = resize(x, (5, 5))
    seen = small[:, 3] > 0.05
    assert torch.allclose(small[:, :3].movedim(1, 3)[seen], torch.tensor([1, 0.25, 0]), atol=1e-4)
    assert small[0, 3, 0, 0] == 1 and small[0, 3, 0, 4] == 0 and small.isfinite().all()
