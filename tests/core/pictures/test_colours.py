"""Numbers as colours, checked at values one can name."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.pictures.colours import (
    BLUE_WHITE_RED,
    INFERNO,
    PALETTE,
    categories,
    grey_heat,
    heat,
    overlay,
    scale_bar,
    scales,
    signed_colours,
    signed_picture,
)
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


# ------------------------------------------------------------------------------------------- colours one can look up


def rgb(*colours):
    """Columns of a picture (1, 3, 1, n) in these colours, six hexadecimal digits each."""
    return torch.tensor([[int(c[i : i + 2], 16) / 255 for c in colours] for i in (0, 2, 4)])[None, :, None]


def mean(*pictures):
    return sum(pictures) / len(pictures)


ONE = torch.ones(1)


def test_heat_has_the_colours_of_its_table_at_even_distances_and_ends_with_them():
    places = torch.arange(10.0)[None, None] / 9
    torch.testing.assert_close(heat(places, False, ONE), rgb(*INFERNO.split()), atol=1e-6, rtol=0)
    torch.testing.assert_close(heat(places - 9, False, ONE), rgb(*["000004"] * 10))
    torch.testing.assert_close(heat(places + 1, False, ONE), rgb(*["fcffa4"] * 10))
    places = torch.arange(-3.0, 4)[None, None] / 3
    for found in (heat(places, True, ONE), signed_colours(places)):
        torch.testing.assert_close(found, rgb(*BLUE_WHITE_RED.split()), atol=1e-6, rtol=0)
    for found in (heat(5 * places, True, ONE), signed_colours(5 * places)):
        torch.testing.assert_close(found, rgb(*["2166ac"] * 3, "f7f7f7", *["b2182b"] * 3), atol=1e-6, rtol=0)


def test_between_two_colours_of_the_table_heat_is_their_mean():
    found = heat(torch.tensor([[[0.5, 1.5, 8.5]]]) / 9, False, ONE)
    between = [mean(rgb(one), rgb(other)) for one, other in (("000004", "1b0c42"), ("1b0c42", "4b0c6b"))]
    torch.testing.assert_close(found[..., :2], torch.cat(between, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(found[..., 2:], mean(rgb("f7d03c"), rgb("fcffa4")), atol=1e-6, rtol=0)


def test_a_scale_says_for_each_map_what_the_strongest_colour_is():
    v, scale = noise(2, 4, 5), torch.tensor([2.0, 4.0])
    for signed in (False, True):
        by_hand = torch.cat([heat(v[:1] / 2, signed, ONE), heat(v[1:] / 4, signed, ONE)])
        torch.testing.assert_close(heat(v, signed, scale), by_hand)


def test_what_is_no_number_is_drawn_as_nothing():
    gap, zero = (torch.tensor([[[1.0, value, -1.0]]]) for value in (float("nan"), 0.0))
    assert torch.equal(heat(gap, True), heat(zero, True))


def test_a_scale_ends_at_the_995th_of_a_thousand_sizes_at_the_largest_or_at_one():
    many = torch.arange(1.0, 1001).reshape(10, 100)
    lonely, nothing = torch.zeros(10, 100), torch.zeros(10, 100)
    lonely[3, 4] = -7
    assert scales(torch.stack([many, -many, lonely, nothing])).tolist() == [995, 995, 7, 1]
    assert scales(torch.tensor([[0.25, -0.5]])).tolist() == [0.5]


def test_categories_are_the_colours_of_the_palette():
    numbers = torch.arange(len(PALETTE)).flip(0)
    assert torch.equal(categories(numbers[None, None]), rgb(*[colour for _, colour in reversed(PALETTE)]))
    assert categories(torch.zeros(2, 4, 5, dtype=torch.long)).shape == (2, 3, 4, 5)


def test_an_overlay_is_three_fifths_heat_on_the_photo_in_grey():
    photo, v = noise(2, 3, 6, 8), noise(2, 6, 8) - 0.5
    for signed, scale in ((False, None), (True, None), (True, torch.tensor([0.1, 3.0]))):
        by_hand = 0.4 * photo.mean(1)[:, None] + 0.6 * heat(v, signed, scale)
        torch.testing.assert_close(overlay(photo, v, signed=signed, scale=scale), by_hand)
    torch.testing.assert_close(overlay(photo, v), overlay(photo, v, 0.6, False))


def test_the_map_of_an_overlay_is_enlarged_bilinearly():
    found = overlay(torch.zeros(1, 3, 1, 4), torch.tensor([[[0.0, 1.0]]]), 1.0, scale=ONE)
    torch.testing.assert_close(found, heat(torch.tensor([[[0.0, 0.25, 0.75, 1.0]]]), False, ONE))


def test_a_scale_bar_goes_from_minus_one_to_one():
    grey, signed = scale_bar(False), scale_bar(True)
    assert grey.shape == signed.shape == (1, 3, 1, 255)
    torch.testing.assert_close(grey, (torch.arange(255) / 254).expand(1, 3, 1, 255))
    torch.testing.assert_close(signed[..., [0, 127, 254]], rgb("2166ac", "f7f7f7", "b2182b"), atol=1e-6, rtol=0)


def test_a_signed_picture_is_grey_at_zero_and_ends_at_its_scale():
    v = torch.tensor([-3.0, -2, -1, 0, 1, 2, 3]).expand(1, 3, 1, 7)
    expected = torch.tensor([0, 0, 0.25, 0.5, 0.75, 1, 1]).expand(1, 3, 1, 7)
    assert torch.equal(signed_picture(v, 2 * ONE), expected)
    assert torch.equal(signed_picture(v), 0.5 + v / 6)


def test_grey_heat_goes_from_black_at_zero_to_white_at_its_scale():
    v = torch.tensor([[[-1.0, 0, 1, 2, 4]]])
    assert torch.equal(grey_heat(v, 2 * ONE), torch.tensor([0, 0, 0.5, 1, 1]).expand(1, 3, 1, 5))
    assert torch.equal(grey_heat(v), torch.tensor([0, 0, 0.25, 0.5, 1]).expand(1, 3, 1, 5))
    several = noise(2, 4, 5)
    halved = torch.stack([several[0], several[1] / 2])
    assert torch.equal(grey_heat(several, torch.tensor([1.0, 2.0])), torch.stack([halved] * 3, 1))
