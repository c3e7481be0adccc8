"""Deep Zoom tiles: every level is the whole picture, and memory never holds it."""

from io import BytesIO
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phosphene.core.pictures.eight_bit import to_pil
from phosphene.dataset import map_tiles
from phosphene.dataset.grids import Shape
from phosphene.dataset.map_tiles import GROUND, Tiling, halved, strips, thumbnail, write_tiles
from tests.small import levels


def flat(number, side):
    """A picture of one colour."""
    return np.full((side, side, 3), [17 * number % 256, 90, 255 - 13 * number % 256], np.uint8)


def lossless(pixels):
    """In place of JPEG."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "BMP")
    return buffer.getvalue()


def written(tiling, cells, picture):
    files = {}
    whole = write_tiles(tiling, strips(tiling, cells, picture), "files", files.__setitem__)
    return whole, files


def level(files, tiling, number):
    """A level put together from its tiles."""
    height, width = tiling.level_size(number)
    sheet = np.zeros((height, width, 3), np.uint8)
    for name, data in files.items():
        _, of, place = name.removesuffix(".jpg").split("/")
        if int(of) == number:
            column, row = map(int, place.split("_"))
            tile = np.asarray(Image.open(BytesIO(data)))
            top, left = row * tiling.tile, column * tiling.tile
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


@settings(max_examples=6)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([8, 9, 16]), st.sampled_from([8, 16, 33, 64]))
def test_all_tiles_of_all_levels_are_there_and_each_level_is_half_the_next(rows, columns, side, wanted):
    tiling = Tiling.of(Shape(rows, columns), side, wanted)
    assert tiling.tile % side == 0 and tiling.tile % 2 == 0
    count = rows * columns
    with patch.object(map_tiles, "_jpeg", lossless):
        whole, files = written(tiling, np.arange(count), lambda i: flat(i, side))
    assert len(files) == tiling.total
    assert whole.shape[:2] == tiling.size
    for i in range(count):
        top, left = i // columns * side, i % columns * side
        assert (whole[top : top + side, left : left + side] == flat(i, side)).all()
    wanted_level = whole
    for number in range(tiling.levels, -1, -1):
        found = level(files, tiling, number)
        assert found.shape == wanted_level.shape
        assert (found == wanted_level).all()
        wanted_level = halved(wanted_level)
    assert tiling.level_size(0) == (1, 1)


def test_a_cell_without_a_picture_is_ground_and_pictures_are_in_the_cells_they_were_given():
    tiling = Tiling.of(Shape(2, 2), 8, 16)
    whole, _ = written(tiling, np.array([3, 0, 1]), lambda i: flat(i, 8))
    assert (whole[8:, 8:] == flat(0, 8)).all() and (whole[:8, :8] == flat(1, 8)).all()
    assert (whole[8:, :8] == GROUND).all()


def test_the_one_picture_is_the_largest_level_that_is_small_enough(monkeypatch):
    monkeypatch.setattr(map_tiles, "LARGEST", 20)
    tiling = Tiling.of(Shape(4, 4), 16, 16)
    whole, _ = written(tiling, np.arange(16), lambda i: flat(i, 16))
    assert tiling.size == (64, 64) and whole.shape == (16, 16, 3)


def test_halves_are_means_and_an_odd_edge_counts_twice():
    pixels = np.array([[[0], [4], [10]], [[4], [8], [20]], [[2], [2], [6]]], np.uint8).repeat(3, 2)
    assert halved(pixels)[..., 0].tolist() == [[4, 15], [2, 6]]


def test_a_thumbnail_is_whole_in_the_middle_of_its_square():
    buffer = BytesIO()
    to_pil(levels(1, 3, 10, 20, low=100, high=100)).save(buffer, "JPEG")
    square = thumbnail(buffer.getvalue(), 16)
    assert square.shape == (16, 16, 3)
    assert (square[:4] == GROUND).all() and (square[12:] == GROUND).all()
    assert square[4:12] == pytest.approx(100, abs=3)


def test_other_viewers_are_told_the_size():
    assert 'TileSize="16"><Size Width="24" Height="16"/>' in Tiling.of(Shape(2, 3), 8, 16).descriptor
