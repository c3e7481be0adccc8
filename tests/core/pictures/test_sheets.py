"""Pictures of pictures, and pictures for people."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures import sheets as figures
from phosphene.core.pictures.sheets import bars, figure, grid, heat, overlay
from tests.core.photographs import noise


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.none() | st.integers(1, 5))
@settings(deadline=None)
def test_a_grid_keeps_every_picture_in_reading_order_on_white(n, h, w, gap, columns):
    x = noise(n, 3, h, w)
    sheet = grid(x, columns, gap)
    across = (sheet.shape[3] + gap) // (w + gap)
    for i, picture in enumerate(x):
        top, left = i // across * (h + gap), i % across * (w + gap)
        assert torch.equal(sheet[0, :, top : top + h, left : left + w], picture)
    white = sheet[0].numel() - x.numel()
    torch.testing.assert_close(sheet.double().sum(), x.double().sum() + white)


def test_between_pictures_with_alpha_there_is_nothing():
    x = noise(2, 4, 3, 3)
    sheet = grid(x, 2)
    assert torch.equal(sheet[..., :3], x[:1]) and torch.equal(sheet[..., 5:], x[1:])
    assert not sheet[:, 3, :, 3:5].any()


def test_a_figure_shows_what_is_transparent_over_a_light_checkerboard():
    x = torch.zeros(4, 320, 320)
    x[3, :, :160] = 1  # black on the left, nothing on the right
    shown = np.asarray(figure([("", x)]))[33:350, 33:350]
    assert (shown[:, :150] == 0).all()
    right = shown[:, 165:]
    assert {tuple(colour) for colour in right.reshape(-1, 3).tolist()} == {(225, 225, 225), (250, 250, 250)}
    assert abs(right.mean() - 237.5) < 2


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
@settings(deadline=None)
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


# Pictures for people


def coloured(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) of the box around all pixels of a colour."""
    ys, xs = np.nonzero((np.asarray(image) == colour).all(-1))
    return int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1


@pytest.mark.parametrize("size", [(8, 8), (100, 100), (224, 224), (900, 900)])
def test_a_panel_is_as_wide_as_asked(size):
    picture = torch.tensor([1.0, 0, 1]).reshape(3, 1, 1).expand(3, *size)
    assert coloured(figure([("", picture)], side=200), (255, 0, 255)) == (200, 200)


def test_a_tall_picture_ends_at_one_and_a_half_widths():
    picture = torch.tensor([1.0, 0, 1]).reshape(3, 1, 1).expand(3, 400, 40)
    assert coloured(figure([("", picture)], side=200), (255, 0, 255)) == (300, 30)


def test_small_pictures_keep_their_pixels_as_squares():
    picture = noise(3, 10, 10).round()
    colours = {tuple(c) for c in np.asarray(figure([("", picture)], side=200))[40:220, 40:220].reshape(-1, 3).tolist()}
    assert colours <= {(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)}


def test_words_make_room_for_themselves():
    x = noise(3, 20, 20)
    bare, captioned, titled = (
        figure([(caption, x)], title).height for caption, title in (("", ""), ("a cat", ""), ("a cat", "Cats"))
    )
    assert bare < captioned < titled
    three, many = figure([("word " * 24, x)]).height, figure([("word " * 500, x)]).height
    assert captioned < three == many


@pytest.mark.parametrize(("n", "asked", "across"), [(1, None, 1), (4, None, 4), (5, None, 3), (9, None, 3), (5, 2, 2)])
def test_rows_have_four_panels_at_most_and_fill_evenly(n, asked, across):
    sheet = figure([("", noise(3, 20, 20))] * n, columns=asked, side=100)
    assert sheet.width == 64 + across * 124 - 24
    assert sheet.height == 64 + math.ceil(n / across) * 124 - 24


def test_letters_that_the_font_lacks_are_spelled():
    assert figures._drawable("naïve λ → 0.5 × 10² – 猫") == "naive lambda -> 0.5 x 102 - ?"


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=50)
def test_any_caption_can_be_drawn(caption):
    assert figure([(caption, torch.ones(3, 8, 8))], caption, side=80).width == 144


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=80), st.integers(40, 300))
@settings(deadline=None, max_examples=50)
def test_lines_are_not_wider_than_their_place(text, width):
    lines = figures._wrapped(text, 15, width)
    assert len(lines) <= 2 and all(figures._width(line, 15) <= width for line in lines)


def test_a_figure_of_nothing_is_a_mistake():
    with pytest.raises(Mistake, match="at least one panel"):
        figure([])


def test_a_bar_is_as_long_as_its_probability():
    def length(p: float) -> int:
        return coloured(bars([("cat", p)], highlight=0), (0xC8, 0x55, 0x3D))[1]

    assert length(0.5) == pytest.approx(length(1.0) / 2, abs=1)
    assert bars([("cat", 0.2), ("dog", 0.8)], width=500).width == 500


@pytest.mark.parametrize(
    ("p", "said"), [(0.0, "0.0 %"), (0.0001, "< 0.1 %"), (0.0005, "0.1 %"), (0.7314, "73.1 %"), (1.0, "100.0 %")]
)
def test_percentages_are_never_rounded_to_nothing(p, said):
    assert figures._percent(p) == said


@pytest.mark.parametrize("rows", [[], [("cat", 1.2)], [("cat", -0.1)], [("cat", float("nan"))]])
def test_bars_are_for_probabilities(rows):
    with pytest.raises(Mistake, match="bars need probabilities from 0 to 1"):
        bars(rows)


def test_a_block_is_as_wide_as_its_picture_and_as_high_as_its_channels_on_a_logarithmic_scale():
    blocks = [figures.Block("a", "kind", "words", "", 64, 4), figures.Block("b", "kind", "words", "", 8, 16)]
    drawn = np.asarray(figures.funnel(blocks))
    wide = [(drawn[24 + 84 * i + 42, :160] != drawn[0, 0]).any(1).sum() for i in (0, 1)]
    assert wide == [133, 8 + 124 // 2 + 1]  # log 8 is half of log 64; a rectangle's last pixel counts
    high = [(drawn[24 + 84 * i : 108 + 84 * i, 90] == drawn[66 + 84 * i, 90]).all(1).sum() for i in (0, 1)]
    assert high == [29, 49]  # 8 + 40 times a half, and one


def test_a_name_that_does_not_fit_keeps_its_end():
    assert figures._ending("encoder.layers.encoder_layer_11", 20, 150).startswith("…")
    assert figures._ending("encoder.layers.encoder_layer_11", 20, 150).endswith("layer_11")
    assert figures._ending("conv1", 20, 150) == "conv1"


@given(st.lists(st.tuples(st.integers(8, 300), st.integers(8, 300)), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_a_contact_sheet_is_as_wide_as_asked_and_holds_every_strip(sizes):
    panels = [("caption", torch.rand(1, 3, *size)) for size in sizes]
    sheet = figures.contact([figures.Strip("one", panels), figures.Strip("none", [])], "title", width=600, highest=100)
    assert sheet.width == 600
    assert figures.contact([figures.Strip("one", panels)] * 2, "title", width=600, highest=100).height > sheet.height


def test_a_contact_sheet_or_a_network_of_nothing_is_refused():
    with pytest.raises(Mistake, match="at least one picture"):
        figures.contact([figures.Strip("empty", [])])
    with pytest.raises(Mistake, match="at least one stage"):
        figures.funnel([])
