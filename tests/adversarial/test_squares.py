"""What a random search tries: pixel by pixel from the paper, and what never changes."""

import math

import pytest
import torch

from phosphene.adversarial.problems import problems
from phosphene.adversarial.squares import bumps, squares, windows
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import noise


def given(norm, n=3, c=3, h=12, w=10, **more):
    x = 0.3 + 0.4 * noise(n, c, h, w)
    return problems(lambda x: x.flatten(1)[:, :2], x, [0] * n, norm=norm, eps=0.1, key=Key(5), **more)


def test_the_start_is_stripes_of_plus_and_minus_eps_and_a_square_is_one_sign_a_colour():
    of, part = given("linf"), 0.2
    propose, rows = squares(of), torch.tensor([0, 2])
    start = propose(of.x[rows], rows, 0, part)
    stripes = of.key.child(0).uniform(rows, 3, 1, 10)
    for i, row in enumerate(rows):
        for colour in range(3):
            for right in range(10):
                sign = -1 if stripes[i, colour, 0, right] < 0.5 else 1
                column = of.x[row, colour, :, right] + 0.1 * sign
                torch.testing.assert_close(start[i, colour, :, right], column)
    tried = propose(start, rows, 7, part)
    side = round(math.sqrt(part * 12 * 10))
    numbers = of.key.at(0).uniform(rows, 64, 5)[:, 7]
    expected = start.clone()
    for i, row in enumerate(rows):
        top, left = int(numbers[i, 0] * (12 - side + 1)), int(numbers[i, 1] * (10 - side + 1))
        for colour in range(3):
            sign = -1 if numbers[i, 2 + colour] < 0.5 else 1
            for y in range(top, top + side):
                for x in range(left, left + side):
                    expected[i, colour, y, x] = of.x[row, colour, y, x] + 0.1 * sign
    torch.testing.assert_close(tried, expected)
    assert (tried != start).any((1, 2, 3)).all()


def test_a_window_takes_the_energy_of_another_and_a_bump_by_the_formula():
    """Algorithm 3, colour by colour."""
    of, part = given("l2"), 0.1
    propose, rows = windows(of), torch.tensor([1])
    start = propose(of.x[rows], rows, 0, part)
    before = of.x[rows] + 0.7 * (start - of.x[rows])  # some of the radius is left
    tried = propose(before, rows, 3, part)
    numbers = of.key.at(0).uniform(rows, 64, 8)[0, 3]
    side = 3
    corners = [(int(numbers[2 * k] * (12 - side + 1)), int(numbers[2 * k + 1] * (10 - side + 1))) for k in range(2)]
    change, result = (before - of.x[rows])[0], (before - of.x[rows])[0].clone()
    left = (0.1**2 - change.square().sum()) / 3
    bump = bumps(side).T if numbers[4] < 0.5 else bumps(side)
    (a, b), (c, d) = corners
    for colour in range(3):
        either = torch.zeros(12, 10, dtype=torch.bool)
        either[a : a + side, b : b + side] = either[c : c + side, d : d + side] = True
        inner = change[colour, a : a + side, b : b + side]
        new = bump * (-1 if numbers[5 + colour] < 0.5 else 1) + inner / inner.norm()
        energy = change[colour][either].square().sum() + left
        result[colour, c : c + side, d : d + side] = 0
        result[colour, a : a + side, b : b + side] = new / new.norm() * energy.sqrt()
    torch.testing.assert_close(tried[0] - of.x[1], 0.1 * result / result.norm())


def test_in_l1_a_window_takes_the_sum_of_another_and_what_is_too_long_is_projected():
    """Algorithm 3 with sums of absolute changes, made 3 eps long; the same is taken off every value, by bisection."""
    of, part = given("l1"), 0.1
    propose, rows = windows(of), torch.tensor([1])
    before = of.x[rows] + 0.7 * (propose(of.x[rows], rows, 0, part) - of.x[rows])
    tried = propose(before, rows, 3, part)
    numbers = of.key.at(0).uniform(rows, 64, 8)[0, 3]
    (a, b), (c, d) = ((int(numbers[2 * k] * 10), int(numbers[2 * k + 1] * 8)) for k in range(2))
    change, result = (before - of.x[rows])[0], (before - of.x[rows])[0].clone()
    bump = bumps(3).T if numbers[4] < 0.5 else bumps(3)
    for colour in range(3):
        either = torch.zeros(12, 10, dtype=torch.bool)
        either[a : a + 3, b : b + 3] = either[c : c + 3, d : d + 3] = True
        inner, sign = change[colour, a : a + 3, b : b + 3], -1 if numbers[5 + colour] < 0.5 else 1
        new = sign * bump / bump.abs().sum() + (inner / inner.abs().sum() if inner.any() else 0)
        total = change[colour][either].abs().sum() + (0.1 - change.abs().sum()) / 3
        result[colour, c : c + 3, d : d + 3] = 0
        result[colour, a : a + 3, b : b + 3] = new / new.abs().sum() * total
    long = 0.3 * result / result.abs().sum()
    low, high = 0.0, long.abs().max().item()
    for _ in range(100):
        shorter = (low + high) / 2
        low, high = (shorter, high) if (long.abs() - shorter).clamp(min=0).sum() > 0.1 else (low, shorter)
    expected = long.sign() * (long.abs() - low).clamp(min=0)
    torch.testing.assert_close(tried[0] - of.x[1], expected)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("part", [0.8, 0.05, 0.001])
def test_every_try_is_at_the_radius_and_none_is_like_the_other(norm, part):
    of = given(norm)
    propose = (squares if norm == "linf" else windows)(of)
    best = of.x
    for query in range(0, 140, 7):
        best = propose(best, of.rows, query, part)
        torch.testing.assert_close(of.distance(best, of.rows), torch.full((3,), 0.1).double())
        away = best - of.x
        assert (away[0] != away[1]).any() and (away[1] != away[2]).any()


@pytest.mark.parametrize("side", [3, 4, 5, 8])
def test_a_pair_of_bumps_is_of_length_one_up_above_and_down_below(side):
    pair = bumps(side)
    assert pair.shape == (side, side) and pair.norm().item() == pytest.approx(1)
    assert (pair[: side // 2] > 0).all() and (pair[side // 2 :] < 0).all()
    torch.testing.assert_close(pair[side // 2 :].norm().item(), math.sqrt(0.5))


def test_the_middle_of_a_bump_is_the_sum_of_inverse_squares():
    lower = -bumps(5)[2:]
    assert (lower.max() / lower[0, 0]).item() == pytest.approx((1 + 1 / 4 + 1 / 9) / (1 / 9))


def test_of_inputs_that_are_no_pictures_so_many_values_change_each_by_its_own_sign():
    x = 0.3 + 0.4 * noise(2, 50)
    of = problems(lambda x: x[:, :2], x, [0, 0], eps=0.1)
    propose = squares(of)
    start = propose(of.x, of.rows, 0, 0.3)
    still = propose(of.x, of.rows, 1, 0.3)
    moved = (still != of.x).flatten(1)
    assert moved.sum(1).tolist() == [15, 15] and (moved[0] != moved[1]).any()
    for row in range(2):
        assert {round(v, 9) for v in (still - of.x)[row][moved[row]].flatten().tolist()} == {-0.1, 0.1}
        assert 10 < ((start - of.x)[row] > 0).sum() < 40


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_windows_have_no_place_in_inputs_that_are_no_pictures(norm):
    with pytest.raises(Mistake, match=f"in {norm}, square takes inputs of at least 3 x 3 values, not 1 x 1; in linf"):
        windows(problems(lambda x: x[:, :2], noise(2, 50), [0, 0], norm=norm, eps=0.1))
