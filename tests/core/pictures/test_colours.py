"""Numbers as colours, checked at values one can name."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.pictures.colours import heat, overlay
from tests.core.photographs import noise


def test_zero_is_near_white_and_the_signs_are_blue_and_red():
    middle, red, blue = heat(torch.tensor([[[0.0, 1.0, -1.0]]]), signed=True)[0, :, 0].T
    torch.testing.assert_close(middle, torch.full((3,), 0xF7 / 255))
    assert red[0] > 2 * red[2] and blue[2] > 2 * blue[0]


def test_heat_goes_from_black_to_yellow_and_gets_lighter_all_the_way():
    ramp = heat(torch.linspace(0, 1, 200).reshape(1, 10, 20), signed=False)[0].flatten(1)
    assert ramp[:, 0].max() < 0.02
    assert ramp[0, -1] > 0.9 and ramp[1, -1] > 0.9 and ramp[2, -1] < 0.7
    light = torch.tensor([0.2126, 0.7152, 0.0722]) @ ramp
    assert (light.diff() >= 0).all()


@given(st.floats(1e-6, 1e6), st.booleans())
def test_heat_does_not_depend_on_the_unit(scale, signed):
    v = noise(2, 6, 6) - 0.5
    torch.testing.assert_close(heat(scale * v, signed), heat(v, signed), atol=1e-4, rtol=0)


def test_every_map_has_its_own_scale():
    v = noise(2, 6, 6)
    v[1] *= 1000
    torch.testing.assert_close(heat(v, False)[:1], heat(v[:1], False))


def test_one_wild_pixel_does_not_darken_the_rest():
    v = noise(1, 40, 40)
    wild = v.clone()
    wild[0, 0, 0] = 1e6
    assert (heat(wild, False) - heat(v, False)).abs().mean() < 0.01


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-30, float("nan")])
def test_a_flat_map_is_a_flat_picture(value, signed):
    flat = heat(torch.full((1, 4, 4), value), signed)
    assert flat.isfinite().all() and (flat == flat[..., :1, :1]).all()


def test_a_single_bright_pixel_in_a_large_dark_map_is_seen():
    v = torch.zeros(1, 50, 50)
    v[0, 3, 4] = 1e-3
    assert heat(v, False)[0, 0, 3, 4] > 0.9


def test_an_overlay_goes_from_the_grey_photo_to_the_heat(plain):
    v = noise(1, 300, 451)
    torch.testing.assert_close(overlay(plain, v, alpha=0.0), plain.mean(1, keepdim=True).expand_as(plain))
    torch.testing.assert_close(overlay(plain, v, alpha=1.0), heat(v, False))
    assert overlay(plain, noise(1, 7, 7), signed=True).shape == plain.shape
