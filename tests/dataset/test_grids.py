"""Points on a grid: everyone in a cell of its own, at the least cost or nearly so."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from phosphene.dataset.grids import Shape, assigned, assignments, centres, halved, shape_for, total


def cloud(count, seed=0):
    """Groups of points, as a map has them, in the unit square."""
    generator = np.random.default_rng(seed)
    points = generator.random((7, 2))[generator.integers(0, 7, count)] + generator.normal(0, 0.06, (count, 2))
    low, high = points.min(0), points.max(0)
    return (points - low) / np.maximum(high - low, 1e-9)


def least(points, shape):
    """The optimum, by scipy on all costs."""
    costs = np.square(points[:, None] - centres(shape)[None]).sum(2)
    rows, columns = linear_sum_assignment(costs)
    return costs[rows, columns].sum()


@given(st.integers(1, 3000))
def test_a_grid_has_room_for_everyone_and_less_than_a_row_to_spare(count):
    shape = shape_for(count)
    assert count <= shape.cells < count + shape.columns
    assert 0 <= shape.columns - shape.rows <= 1


def test_the_middles_of_two_rows_of_three():
    assert centres(Shape(2, 3)).ravel() == pytest.approx(
        [1 / 6, 1 / 4, 1 / 2, 1 / 4, 5 / 6, 1 / 4, 1 / 6, 3 / 4, 1 / 2, 3 / 4, 5 / 6, 3 / 4]
    )


@pytest.mark.slow
@given(st.integers(0, 1000), st.integers(1, 6))
def test_few_points_are_where_trying_every_order_puts_them(seed, count):
    points, shape = np.random.default_rng(seed).random((count, 2)), Shape(2, 3)
    costs = np.square(points[:, None] - centres(shape)[None]).sum(2)
    best = min(sum(costs[i, cell] for i, cell in enumerate(order)) for order in permutations(range(6), count))
    assert total(points, assigned(points, shape), shape) == pytest.approx(best)


@settings(max_examples=12)
@given(st.integers(1, 330), st.integers(0, 100), st.booleans())
def test_every_point_has_a_cell_of_its_own_exactly_or_not(count, seed, exactly):
    points, shape = cloud(count, seed), shape_for(count)
    cells = assigned(points, shape, exact=10_000 if exactly else 0)
    assert len(set(cells.tolist())) == count
    assert cells.min() >= 0 and cells.max() < shape.cells


@given(st.integers(1, 300), st.integers(0, 100), st.integers(1, 5), st.integers(0, 40))
def test_halving_gives_every_point_a_cell_on_grids_of_any_shape(count, seed, rows, more):
    shape = Shape(rows, -(-(count + more) // rows))
    cells = halved(np.random.default_rng(seed).random((count, 2)), shape)
    assert len(set(cells.tolist())) == count and cells.max() < shape.cells


def test_points_that_are_all_the_same_fill_the_grid_too():
    assert sorted(assigned(np.full((30, 2), 0.5), Shape(5, 6), exact=0).tolist()) == list(range(30))


@pytest.mark.slow
def test_points_in_the_middles_of_their_cells_stay_there():
    shape = Shape(20, 20)
    assert assigned(centres(shape), shape, exact=0).tolist() == list(range(400))


def test_four_hundred_points_cost_what_scipy_says():
    points = cloud(400)
    assert total(points, assigned(points, shape_for(400)), shape_for(400)) == pytest.approx(
        least(points, Shape(20, 20))
    )


@pytest.mark.slow
def test_a_sweep_never_makes_it_worse_and_the_last_is_at_most_two_hundredths_above_the_optimum():
    points, shape = cloud(500, 1), shape_for(500)
    sums = [total(points, cells, shape) for cells in assignments(points, shape, exact=0)]
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(sums))
    assert sums[-1] <= 1.02 * least(points, shape)
    assert sums[-1] < sums[0]


def test_more_points_than_cells_are_refused():
    with pytest.raises(ValueError, match="7 points do not fit into 2 x 3 cells"):
        assigned(np.zeros((7, 2)), Shape(2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_of_2500_points_it_is_at_most_two_hundredths_above_what_lap_says(seed):
    points, shape = cloud(2500, seed), shape_for(2500)
    costs = np.square(points[:, None] - centres(shape)[None]).sum(2)
    _, columns, _ = pytest.importorskip("lap").lapjv(costs)
    best = costs[np.arange(2500), columns].sum()
    assert best <= total(points, assigned(points, shape), shape) <= 1.02 * best
