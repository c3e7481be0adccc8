"""The table of who fools whom."""

import numpy as np
import torch

from phosphene.adversarial import transfer_table as module
from phosphene.adversarial.transfer import Transfer
from phosphene.adversarial.transfer_table import CELL, FRAME, SIDE, drawn
from phosphene.core.pictures.typesetting import MARGIN


def test_a_cell_is_darker_where_more_is_fooled_and_white_where_nothing_is_counted():
    right = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    fooled = torch.zeros(3, 3, 3, dtype=torch.bool)
    fooled[0, 0], fooled[0, 1, 0] = True, True
    sheet = drawn(Transfer(("a", "b", "a network with a very long name"), right, fooled, fooled), "pgd: who fools whom")
    pixels = np.asarray(sheet).astype(int)
    assert sheet.width == 2 * MARGIN + SIDE + 3 * CELL
    top = sheet.height - MARGIN - 3 * CELL
    corner = [[pixels[top + i * CELL + 5, MARGIN + SIDE + j * CELL + 5] for j in range(3)] for i in range(3)]
    white = np.array([255, 255, 255])
    assert (corner[0][0] == [0xC8, 0x55, 0x3D]).all()
    assert np.abs(corner[0][1] - (white + corner[0][0]) / 2).max() <= 1
    for i, j in ((0, 2), (1, 0), (1, 1), (2, 0)):
        assert (corner[i][j] == white).all()


def test_what_was_tried_on_its_own_network_is_framed():
    right = torch.ones(2, 4, dtype=torch.bool)
    nothing = torch.zeros(2, 2, 4, dtype=torch.bool)
    pixels = np.asarray(drawn(Transfer(("a", "b"), right, nothing, nothing), "title"))
    top = pixels.shape[0] - MARGIN - 2 * CELL
    dark = [
        [int((pixels[top + i * CELL + 20, MARGIN + SIDE + j * CELL :][:CELL] < 60).all(1).sum()) for j in range(2)]
        for i in range(2)
    ]
    assert dark == [[2 * FRAME, 0], [0, 2 * FRAME]]


def test_counts_and_intervals_are_written_in_the_cell_and_nothing_where_nothing_is_counted(monkeypatch):
    written = []
    monkeypatch.setattr(module, "write", lambda pen, at, lines, size, ink: written.extend(lines))
    right = torch.tensor([[True] * 4 + [False] * 4, [False] * 3 + [True] * 5])
    fooled = torch.zeros(2, 2, 8, dtype=torch.bool)
    fooled[0, 0, :3] = True
    shuffled = torch.zeros_like(fooled)
    shuffled[0, 0, 0] = True
    drawn(Transfer(("a", "b"), right, fooled, shuffled), "title")
    for words in (
        "75.0 %",
        "3 of 4",
        "[30.1, 95.4]",
        "0 of 1",
        "0 of 5",
        "noise 25.0 %",
        "noise 0.0 %",
        "right about 50.0 % of 8",
    ):
        assert words in written
    written.clear()
    drawn(Transfer(("a", "b"), torch.stack([right[0], ~right[0]]), fooled, shuffled), "title")
    assert written.count("of none") == written.count("-") == 2
