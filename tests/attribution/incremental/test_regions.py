"""Regions against what a change really reaches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from phosphene.attribution.incremental.regions import Regions, union
from phosphene.core.networks.sliding_windows import windows

PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def regions(boxes, layer):
    """Of boxes (top, left, bottom, right)."""
    corners = torch.tensor(boxes)
    return Regions.of(corners[:, :2].T, corners[:, 2:].T, layer)


@pytest.mark.slow
@given(PAIRS, PAIRS, st.tuples(st.integers(0, 2), st.integers(0, 2)), st.data())
def test_what_is_reached_is_what_a_change_of_ones_changes(kernel, stride, padding, data):
    layer = 13, 11
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=True))
    tops = [data.draw(st.tuples(*(st.integers(0, side - 3) for side in layer))) for _ in range(2)]
    boxes = [(row, column, row + 3, column + 2) for row, column in tops]
    output = tuple((side + 2 * p - k) // s + 1 for side, p, k, s in zip(layer, padding, kernel, stride, strict=True))
    found = regions(boxes, layer).behind(windows(kernel, stride, padding), output)
    for i, (top, left, bottom, right) in enumerate(boxes):
        x = torch.zeros(1, 1, *layer)
        x[..., top:bottom, left:right] = 1
        changed = F.conv2d(x, torch.ones(1, 1, *kernel), stride=stride, padding=padding)[0, 0] > 0
        inside = torch.zeros_like(changed)
        inside[found.start[0, i] : found.stop[0, i], found.start[1, i] : found.stop[1, i]] = True
        assert torch.equal(changed, inside)
        rows, columns = found.size
        at = found.top[:, i]
        assert bool((at >= 0).all()) and at[0] + rows <= output[0] and at[1] + columns <= output[1]
        changed[at[0] : at[0] + rows, at[1] : at[1] + columns] = False
        assert not changed.any()


def test_regions_have_the_size_of_the_largest_and_are_moved_inside_the_layer():
    two = regions([(0, 0, 2, 3), (8, 8, 9, 10)], (9, 10))
    assert (two.size, two.count) == ((2, 3), 2)
    assert two.top.T.tolist() == [[0, 0], [7, 7]]


def test_the_inputs_of_a_region_are_the_crop_that_its_windows_see():
    one = regions([(2, 3, 4, 7)], (9, 9))
    top, size, step = one.inputs_of(windows(3, 2, 1))
    assert (top.T.tolist(), size, step) == ([[3, 5]], (5, 9), (1, 1))
    top, size, step = one.inputs_of(windows(1, 2))
    assert (top.T.tolist(), size, step) == ([[4, 6]], (2, 4), (2, 2))


def test_a_union_lies_around_all():
    one, other = regions([(1, 1, 2, 2)], (9, 9)), regions([(4, 0, 5, 3)], (9, 9))
    both = union([one, other], (9, 9))
    assert (both.start.T.tolist(), both.stop.T.tolist(), both.size) == ([[1, 0]], [[5, 3]], (4, 3))
    assert union([one, one], (9, 9)) is one
