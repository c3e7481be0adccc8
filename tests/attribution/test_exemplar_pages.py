"""Exemplars on a page: every crop and every trace at its place."""

import numpy as np
import torch

from phosphene.attribution.exemplar_pages import Block, album, nines, ten_rows, tile
from phosphene.core.pictures.colours import signed_picture
from tests.core.units.test_exemplars import some
from tests.small import levels

# ------------------------------------------------------------------------------------------------------- drawing


def test_small_pictures_keep_their_pixels_as_squares_and_others_keep_their_proportions():
    x = levels(1, 3, 11, 11)
    shown = tile(x, 121, 1.0)
    assert torch.equal(shown, x.repeat_interleave(11, 2).repeat_interleave(11, 3))
    wide = tile(torch.zeros(1, 3, 10, 20), 40, 1.0)
    assert wide[..., :10, :].eq(1).all() and wide[..., 30:, :].eq(1).all() and not wide[..., 10:30, :].any()
    flat = tile(torch.full((1, 3, 90, 90), -3.0), 40, 0.0)
    torch.testing.assert_close(flat, torch.full((1, 3, 40, 40), -3.0))


def test_ten_rows_have_a_column_for_each_photograph_and_a_row_for_each_rule():
    exemplars = some(4)
    block = ten_rows(exemplars, side=36)
    assert block.picture.shape == (1, 3, 3 * 40 - 4, 4 * 40 - 4)
    assert block.rows == ["photograph", "gradient", "guided backprop"]
    assert block.columns == ["10", "9", "8", "7"]
    for i, exemplar in enumerate(exemplars):
        crop = block.picture[..., :36, 40 * i : 40 * i + 36]
        assert torch.equal(crop, exemplar.crop.repeat_interleave(3, 2).repeat_interleave(3, 3))
        traced = block.picture[..., 80:116, 40 * i : 40 * i + 36]
        own = signed_picture(exemplar.traced["guided"].repeat_interleave(3, 2).repeat_interleave(3, 3))
        torch.testing.assert_close(traced, own)


def test_nines_are_three_by_three_reconstructions_left_and_crops_right():
    exemplars = some()
    block = nines(exemplars, "guided", side=12)
    assert block.picture.shape == (1, 3, 44, 44 + 8 + 44)
    for i, exemplar in enumerate(exemplars):
        top, left = 16 * (i // 3), 16 * (i % 3)
        assert torch.equal(block.picture[..., top : top + 12, 52 + left : 64 + left], exemplar.crop)
        own = signed_picture(exemplar.traced["guided"])
        torch.testing.assert_close(block.picture[..., top : top + 12, left : left + 12], own)


def test_an_album_shows_every_block_whole():
    red, green = (torch.zeros(1, 3, 20, 30).index_fill(1, torch.tensor([k]), 1.0) for k in (0, 1))
    blocks = [("a", Block(red)), ("b", Block(green)), ("c", Block(red)), ("d", Block(green, ["x", "y"], ["1", "2"]))]
    page = np.asarray(album([("one", blocks[:3]), ("two", blocks[3:])], "title", ["words"], 2))
    for colour, many in (((255, 0, 0), 2), ((0, 255, 0), 2)):
        assert (page == colour).all(2).sum() == many * 600
