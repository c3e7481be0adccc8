"""Every picture in a cell of its own: points of a map, moved to a grid as little as possible.

A map's points lie over each other and leave gaps, so that pictures drawn there hide one another. A grid has a cell for
each (Karpathy 2014, "t-SNE visualization of CNN codes"): the assignment of points to cells whose sum of squared
distances is least, a linear sum assignment problem.

To some hundreds of points it is solved as it is (`scipy.optimize.linear_sum_assignment`). Beyond, the costs of all
pairs take too much time and memory (10,000 points: 800 MB and minutes), so it is approached: the map is halved again
and again, points and cells alike, which puts every point into some cell; then the points of a window of cells are
assigned anew among these, exactly, window by window, first of cells far apart, so that points travel, then of
neighbours, until nothing is gained. No step makes the sum larger. Measured on clouds of 500 to 5,000 points, it ends
less than three thousandths above the optimum (`python -m benchmarks maps`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

EXACT = 1600
"""Points up to which the assignment is exact: a second, and 20 MB of costs."""

WINDOW = 16
"""Cells along a side of a window: 256 points are assigned in some milliseconds."""

ENOUGH = 1e-4
"""A sweep that gains less than this part of the sum is the last one."""

MOST_SWEEPS = 40


@dataclass(frozen=True)
class Shape:
    """A grid's rows and columns."""

    rows: int
    columns: int

    @property
    def cells(self) -> int:
        """How many there are."""
        return self.rows * self.columns


def shape_for(count: int) -> Shape:
    """The smallest grid for so many pictures that is about square: fewer cells than a row's stay empty."""
    columns = math.ceil(math.sqrt(count))
    return Shape(math.ceil(count / columns), columns)


def centres(shape: Shape) -> Float[np.ndarray, "cells 2"]:
    """The middle (x, y) of each cell, row by row, in the square [0, 1]^2."""
    rows, columns = np.divmod(np.arange(shape.cells), shape.columns)
    return np.stack([(columns + 0.5) / shape.columns, (rows + 0.5) / shape.rows], 1)


def total(points: Float[np.ndarray, "n 2"], cells: Int[np.ndarray, " n"], shape: Shape) -> float:
    """The sum of the squared distances from each point to the middle of its cell."""
    return float(np.square(points - centres(shape)[cells]).sum())


def assigned(points: Float[np.ndarray, "n 2"], shape: Shape, exact: int = EXACT) -> Int[np.ndarray, " n"]:
    """The cell of each point, no two alike; the last of `assignments`.

    Args:
        points: in the square [0, 1]^2.
        exact: so many are assigned exactly.
    """
    *_, last = assignments(points, shape, exact)
    return last


def assignments(points: Float[np.ndarray, "n 2"], shape: Shape, exact: int = EXACT) -> Iterator[Int[np.ndarray, " n"]]:
    """The cell of each point, no two alike, better and better.

    Raises:
        ValueError: there are more points than cells.
    """
    if len(points) > shape.cells:
        raise ValueError(f"{len(points)} points do not fit into {shape.rows} x {shape.columns} cells")
    middles = centres(shape)
    if len(points) <= exact:
        yield _best(points, middles)
        return
    cells = halved(points, shape)
    yield cells
    spacing = 1 << max(0, math.ceil(math.log2(max(shape.rows, shape.columns) / WINDOW)))  # first over all of it
    before = total(points, cells, shape)
    for _ in range(MOST_SWEEPS):
        cells = _swept(points, cells, shape, middles, spacing)
        yield cells
        now = total(points, cells, shape)
        if spacing == 1 and now > before * (1 - ENOUGH):
            return
        spacing, before = max(1, spacing // 2), now


def _best(points: Float[np.ndarray, "n 2"], middles: Float[np.ndarray, "m 2"]) -> Int[np.ndarray, " n"]:
    """The assignment of least sum, by its number among the middles."""
    costs = np.square(points[:, None] - middles[None]).sum(2)
    return linear_sum_assignment(costs)[1].astype(np.int64)


def halved(points: Float[np.ndarray, "n 2"], shape: Shape) -> Int[np.ndarray, " n"]:
    """A cell for each point: the grid is cut across its longer side, and the points in the same proportion."""
    cells = np.empty(len(points), np.int64)
    waiting = [(np.arange(len(points)), (0, shape.rows), (0, shape.columns))]
    while waiting:
        some, (top, bottom), (left, right) = waiting.pop()
        high, wide = bottom - top, right - left
        if high * wide == 1:
            cells[some] = top * shape.columns + left
        if high * wide == 1 or not len(some):
            continue
        across = wide >= high  # a cut from top to bottom
        cut = (left + right) // 2 if across else (top + bottom) // 2
        first = (cut - left) * high if across else (cut - top) * wide
        many = round(len(some) * first / (high * wide))
        many = min(first, max(len(some) - (high * wide - first), many))
        order = some[np.argsort(points[some, 0 if across else 1], kind="stable")]
        ends = [((top, bottom), (left, cut)), ((top, bottom), (cut, right))]
        if not across:
            ends = [((top, cut), (left, right)), ((cut, bottom), (left, right))]
        waiting += [(order[:many], *ends[0]), (order[many:], *ends[1])]
    return cells


def _swept(
    points: Float[np.ndarray, "n 2"],
    cells: Int[np.ndarray, " n"],
    shape: Shape,
    middles: Float[np.ndarray, "cells 2"],
    spacing: int,
) -> Int[np.ndarray, " n"]:
    """The same points, assigned anew in every window."""
    inside = np.full(shape.cells, -1)
    inside[cells] = np.arange(len(cells))
    for window in _windows(shape, spacing):
        members = inside[window]
        members = members[members >= 0]
        if len(members):
            inside[window] = -1
            inside[window[_best(points[members], middles[window])]] = members
    new = np.empty_like(cells)
    taken = inside >= 0
    new[inside[taken]] = np.flatnonzero(taken)
    return new


def _windows(shape: Shape, spacing: int) -> Iterator[Int[np.ndarray, " cells"]]:
    """Windows of WINDOW x WINDOW cells, `spacing` cells apart, over the whole grid, four times: each time moved by half
    a window down, right, or both.
    """
    reach = WINDOW * spacing
    for down, right in ((0, 0), (reach // 2, reach // 2), (0, reach // 2), (reach // 2, 0)):
        for top in range(-down, shape.rows, reach):
            for left in range(-right, shape.columns, reach):
                for row in range(top, top + spacing):
                    for column in range(left, left + spacing):
                        rows = np.arange(row, row + reach, spacing)
                        columns = np.arange(column, column + reach, spacing)
                        rows = rows[(rows >= 0) & (rows < shape.rows)]
                        columns = columns[(columns >= 0) & (columns < shape.columns)]
                        yield (rows[:, None] * shape.columns + columns[None]).ravel()
