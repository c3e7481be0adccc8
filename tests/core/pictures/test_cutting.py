"""Cutting out along colours: seeds and parts have slow twins."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.core.pictures.cutting import largest_part, seeded


def slow_quantile(values, share):
    """Linear between the two nearest of the sorted values."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
def test_seeds_are_the_pixels_above_95_and_below_30_of_100_one_by_one(height, width, seed):
    x = np.random.default_rng(seed).random((height, width))
    object_, behind = seeded(x)
    high, low = slow_quantile(x.flatten().tolist(), 0.95), slow_quantile(x.flatten().tolist(), 0.3)
    for r in range(height):
        for c in range(width):
            if abs(x[r, c] - high) > 1e-12:
                assert object_[r, c] == (x[r, c] > high)
            if abs(x[r, c] - low) > 1e-12:
                assert behind[r, c] == (x[r, c] < low)


@given(hnp.arrays(np.float64, (6, 7), elements=st.sampled_from([0.0, 1.0, 2.0])))
def test_whatever_is_alike_there_are_both_kinds_of_seeds_and_none_is_both(x):
    assume(x.max() > x.min())
    object_, behind = seeded(x)
    assert object_.any() and behind.any() and not (object_ & behind).any()
    assert x[object_].min() > x[behind].max()


def slow_parts(mask):
    """Flood fill, through corners too: the sizes and pixels of all parts, in reading order."""
    left, parts = set(zip(*map(list, np.nonzero(mask)), strict=True)), []
    for start in sorted(left):
        if start not in left:
            continue
        part, edge = set(), [start]
        left.discard(start)
        while edge:
            r, c = edge.pop()
            part.add((r, c))
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        parts.append(part)
    return parts


@given(hnp.arrays(bool, (7, 8)))
def test_the_largest_part_is_that_of_a_flood_fill(mask):
    found = largest_part(mask)
    parts = slow_parts(mask)
    if not parts:
        assert not found.any()
        return
    assert set(zip(*map(list, np.nonzero(found)), strict=True)) == max(parts, key=len)
