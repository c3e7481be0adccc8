"""The table of who fools whom."""

import numpy as np
import torch

from phosphene.adversarial.transfer import Transfer
from phosphene.adversarial.transfer_table import CELL, SIDE, drawn
from phosphene.core.pictures.typesetting import MARGIN


def test_a_cell_is_darker_where_more_is_fooled_and_white_where_nothing_is_counted():
    right = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    fooled = torch.zeros(3, 3, 3, dtype=torch.bool)
    fooled[0, 0], fooled[0, 1, 0] = True, True
    sheet = drawn(Transfer(("a", "b", "a network with a very long name"), right, fooled), "pgd: who fools whom")
    pixels = np.asarray(sheet).astype(int)
    assert sheet.width == 2 * MARGIN + SIDE + 3 * CELL
    top = sheet.height - MARGIN - 3 * CELL
    corner = [[pixels[top + i * CELL + 5, MARGIN + SIDE + j * CELL + 5] for j in range(3)] for i in range(3)]
    white = np.array([255, 255, 255])
    assert (corner[0][0] == [0xC8, 0x55, 0x3D]).all()
    assert np.abs(corner[0][1] - (white + corner[0][0]) / 2).max() <= 1
    for i, j in ((0, 2), (1, 0), (1, 1), (2, 0)):
        assert (corner[i][j] == white).all()
