"""A sheet with words around it."""

import numpy as np
import torch

from phosphene.core.pictures.colours import scale_bar
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.plates import Legend, Marks, plate
from tests.small import levels

WORDS = ["one paragraph about it"]


def place_of(sheet: torch.Tensor, page: np.ndarray) -> tuple[int, int]:
    """Where on a page every pixel of a sheet is, row and column of its corner."""
    pixels = to_uint8(sheet)[0]
    height, width = pixels.shape[:2]
    corners = np.argwhere((page == pixels[0, 0]).all(2)).tolist()
    ((row, column),) = [(r, c) for r, c in corners if np.array_equal(page[r : r + height, c : c + width], pixels)]
    return row, column


def test_a_plate_shows_its_sheet_pixel_for_pixel():
    sheet = levels(1, 3, 20, 30)
    page = np.asarray(plate(sheet, "a title", WORDS, None, Marks()))
    place_of(sheet, page)


def test_rows_move_the_sheet_to_the_right_and_columns_move_it_down():
    sheet = levels(1, 3, 20, 30)
    row, column = place_of(sheet, np.asarray(plate(sheet, "a title", WORDS, None, Marks())))
    rows = np.asarray(plate(sheet, "a title", WORDS, None, Marks(rows=[(10, "a row")])))
    columns = np.asarray(plate(sheet, "a title", WORDS, None, Marks(columns=[(10, "5")])))
    assert place_of(sheet, rows)[1] > column and place_of(sheet, columns)[0] > row


def test_a_legend_is_a_bar_from_blue_to_red():
    sheet = levels(1, 3, 20, 30)
    bar = scale_bar(signed=True)
    page = np.asarray(plate(sheet, "a title", WORDS, Legend(bar, ("-1", "1")), Marks()))
    plain = np.asarray(plate(sheet, "a title", WORDS, None, Marks()))
    assert page.shape[0] == plain.shape[0] + 44
    assert place_of(bar.expand(1, 3, 14, -1), page)[0] > place_of(sheet, page)[0]
