"""Crops of layers with parts pasted in, position by position."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution.incremental.crops import crops, rows_of, with_borders
from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import SMALLEST

LAYER = (6, 7)


def slow_crops(clean, parts, regions, top, size, step, fill):
    """The crop of each picture, number by number."""
    made = torch.full((len(parts), clean.shape[1], *size), float(fill), dtype=clean.dtype)
    for n in range(len(parts)):
        whole = clean[0].clone()
        row, column = regions.top[:, n].tolist()
        whole[:, row : row + regions.size[0], column : column + regions.size[1]] = parts[n]
        for i in range(size[0]):
            for j in range(size[1]):
                at = int(top[0, n]) + i * step[0], int(top[1, n]) + j * step[1]
                if 0 <= at[0] < LAYER[0] and 0 <= at[1] < LAYER[1]:
                    made[n, :, i, j] = whole[:, at[0], at[1]]
    return made


@pytest.mark.slow
@given(
    st.tuples(st.integers(-3, 6), st.integers(-3, 6)), st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)), st.sampled_from([0.0, SMALLEST]), st.integers(0, 4),
)  # fmt: skip
def test_crops_equal_their_slow_twin(top, size, step, fill, row):
    draw = torch.Generator().manual_seed(0)
    clean = torch.randn(1, 3, *LAYER, generator=draw, dtype=torch.float64)
    parts = torch.randn(2, 3, 2, 3, generator=draw, dtype=torch.float64)
    regions = Regions.of(torch.tensor([[row, 1], [0, 4]]), torch.tensor([[row + 2, 3], [3, 7]]), LAYER)
    tops = torch.tensor([[top[0], 0], [top[1], -1]])
    made = crops(with_borders(rows_of(clean)), LAYER, parts, regions, tops, size, step, fill)
    assert torch.equal(made, slow_crops(clean, parts, regions, tops, size, step, fill))


def test_a_layer_with_more_axes_of_channels_keeps_them():
    clean, part = torch.randn(1, 2, 3, *LAYER), torch.randn(1, 2, 3, 2, 2)
    regions = Regions.of(torch.tensor([[1], [2]]), torch.tensor([[3], [4]]), LAYER)
    made = crops(with_borders(rows_of(clean)), LAYER, part, regions, torch.zeros(2, 1, dtype=torch.long), LAYER)
    expected = clean.clone()
    expected[..., 1:3, 2:4] = part
    assert torch.equal(made, expected)


def test_rows_are_positions_and_behind_them_are_the_borders():
    x = torch.arange(12.0).view(1, 2, 2, 3)
    rows = rows_of(x)
    assert rows[1].tolist() == [1.0, 7.0] and rows.shape == (6, 2)
    assert with_borders(rows)[-2:].tolist() == [[0.0, 0.0], [SMALLEST, SMALLEST]]
    assert with_borders(rows.long())[-2:].tolist() == [[0, 0], [0, 0]]
