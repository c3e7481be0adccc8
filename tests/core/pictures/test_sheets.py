"""Pictures of pictures, and pictures for people."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures.sheets import Strip, contact, figure, grid, rows
from tests.core.photographs import noise


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.none() | st.integers(1, 5))
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


def test_rows_of_a_figure_have_headings_and_their_own_lengths():
    x = noise(3, 20, 20)
    plain = rows([Strip("", [("", x)] * 2), Strip("", [("", x)])], side=100)
    assert plain.size == (64 + 2 * 124 - 24, 64 + 2 * 124 - 24)
    assert np.array_equal(np.asarray(plain), np.asarray(figure([("", x)] * 3, columns=2, side=100)))
    headed = rows([Strip("one", [("", x)] * 2), Strip("two", [("", x)])], "title", "words", columns=4, side=100)
    assert headed.width == 64 + 4 * 124 - 24
    assert headed.height > rows([Strip("one", [("", x)] * 2), Strip("", [("", x)])], "title", "words", 4, 100).height


def test_a_figure_of_nothing_is_a_mistake():
    with pytest.raises(Mistake, match="at least one panel"):
        figure([])


@given(st.lists(st.tuples(st.integers(8, 300), st.integers(8, 300)), min_size=1, max_size=6))
@settings(max_examples=10)
def test_a_contact_sheet_is_as_wide_as_asked_and_holds_every_strip(sizes):
    panels = [("caption", torch.rand(1, 3, *size)) for size in sizes]
    sheet = contact([Strip("one", panels), Strip("none", [])], "title", width=600, highest=100)
    assert sheet.width == 600
    assert contact([Strip("one", panels)] * 2, "title", width=600, highest=100).height > sheet.height


def test_a_contact_sheet_of_nothing_is_refused():
    with pytest.raises(Mistake, match="at least one picture"):
        contact([Strip("empty", [])])
