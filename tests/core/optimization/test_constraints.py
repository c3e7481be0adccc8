"""Projections: nearest, idempotent, within their radius."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phosphene.core.optimization.constraints import box, composed, l1, l2, level, linf, mask
from phosphene.core.optimization.engine import Evaluation, argmin
from phosphene.core.optimization.optimizers import steepest
from phosphene.core.optimization.parameterizations import Pixels


def pictures(seed, n=3, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + spread * torch.randn(n, 3, 4, 5, dtype=torch.float64, generator=generator)


def inside(seed, n=5):
    return pictures(seed, n).clamp(0, 1)


ROWS = torch.tensor([4, 0, 2])


@given(st.integers(0, 99), st.floats(0, 2))
def test_linf_leaves_nothing_further_than_the_radius_from_its_own_center(seed, radius):
    center, project = inside(seed), linf(inside(seed), radius)
    there = project(pictures(seed + 1), ROWS)
    assert ((there - center[ROWS]).abs() <= radius + 1e-15).all()
    assert (there >= 0).all() and (there <= 1).all()
    assert torch.equal(project(there, ROWS), there)


@given(st.integers(0, 99), st.floats(0.01, 1))
def test_linf_finds_the_nearest_allowed_picture_pixel_by_pixel(seed, radius):
    center, x = inside(seed), pictures(seed + 1)
    there = linf(center, radius)(x, ROWS)
    for index in range(0, x.numel(), 7):
        c, value = center[ROWS].flatten()[index].item(), x.flatten()[index].item()
        low, high = max(0.0, c - radius), min(1.0, c + radius)
        assert abs(there.flatten()[index].item() - min(max(value, low), high)) < 1e-15


def test_linf_leaves_an_allowed_picture_alone():
    center = inside(0)
    x = (center[ROWS] + 0.01).clamp(0, 1)
    assert torch.equal(linf(center, 0.05)(x, ROWS), x)


@given(st.integers(0, 99))
def test_box_is_idempotent_and_moves_only_what_is_outside(seed):
    x = pictures(seed)
    there = box(0.1, 0.8)(x, ROWS)
    within = (x >= 0.1) & (x <= 0.8)
    assert torch.equal(there[within], x[within])
    assert torch.equal(there[x < 0.1], torch.full_like(there[x < 0.1], 0.1))
    assert torch.equal(there[x > 0.8], torch.full_like(there[x > 0.8], 0.8))
    assert torch.equal(box(0.1, 0.8)(there, ROWS), there)


# ----------------------------------------------------------------------------------------------------------- balls

RADII = torch.tensor([0.3, 9.0, 1.0, 2.0, 0.05], dtype=torch.float64)
SPHERES = {"l1": (l1, 1), "l2": (l2, 2)}


def slow_nearest(x, c, radius, order):
    """The nearest point of the ball and the box for one picture: the multiplier by bisection, coordinate by coordinate.

    Of |e - d|^2 / 2 + t |e|_1 or (1 + t) / 2 |e|^2 - d e the minimum over the box of one coordinate, for larger and
    larger t.
    """

    def at(t):
        found = []
        for d, low, high in zip((x - c).tolist(), (-c).tolist(), (1 - c).tolist(), strict=True):
            e = math.copysign(max(abs(d) - t, 0), d) if order == 1 else d / (1 + t)
            found.append(min(max(e, low), high))
        return np.array(found)

    def norm(e):
        return np.abs(e).sum() if order == 1 else math.sqrt((e**2).sum())

    low, high = 0.0, 1e9
    if norm(at(0.0)) <= radius:
        return c.numpy() + at(0.0)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if norm(at(middle)) > radius else (low, middle)
    return c.numpy() + at(high)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPHERES)
@given(seed=st.integers(0, 99), spread=st.sampled_from([0.01, 0.2, 1.0, 5.0]))
@settings(max_examples=20)
def test_a_ball_and_the_box_have_the_nearest_picture_of_both(name, seed, spread):
    (ball, order), center, x = SPHERES[name], inside(seed), pictures(seed + 1, spread=spread)
    there = ball(center, RADII)(x, ROWS)
    for row, problem in enumerate(ROWS.tolist()):
        expected = slow_nearest(x[row].flatten(), center[problem].flatten(), RADII[problem].item(), order)
        np.testing.assert_allclose(there[row].flatten().numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SPHERES)
@given(seed=st.integers(0, 99), radius=st.floats(0, 5))
@example(seed=73, radius=3.3707650712343207)  # on the ball but for rounding
@example(seed=86, radius=0.0)
@settings(max_examples=30)
def test_a_ball_is_idempotent_and_its_pictures_are_inside(name, seed, radius):
    (ball, order), center = SPHERES[name], inside(seed)
    there = ball(center, radius)(pictures(seed + 1), ROWS)
    norms = torch.linalg.vector_norm((there - center[ROWS]).flatten(1), order, dim=1)
    assert (norms <= radius * (1 + 1e-12) + 1e-15).all() and there.min() >= 0 and there.max() <= 1
    torch.testing.assert_close(ball(center, radius)(there, ROWS), there, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SPHERES)
def test_a_ball_leaves_an_allowed_picture_alone_bit_for_bit(name):
    ball, _ = SPHERES[name]
    center = 0.5 + 0.1 * (inside(0) - 0.5)
    x = center[ROWS] + 1e-4
    assert torch.equal(ball(center, 1.0)(x, ROWS), x)


def test_far_from_the_box_the_l1_ball_is_duchis_and_the_l2_ball_a_scaling():
    center, x = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.5)
    x[0, 0, 0, 0], x[0, 1, 0, 0], x[0, 2, 1, 1] = 0.8, 0.3, 0.55
    row = torch.tensor([0])
    sparse = l1(center, 0.3)(x, row) - center  # thresholds .3, .2, .05 by t = .1
    assert sparse[0, 0, 0, 0].item() == pytest.approx(0.2) and sparse[0, 1, 0, 0].item() == pytest.approx(-0.1)
    assert sparse[0, 2, 1, 1].item() == pytest.approx(0, abs=1e-7)
    torch.testing.assert_close(l2(center, 0.1)(x, row) - center, (x - center) * 0.1 / (x - center).norm())


def test_every_problem_has_its_own_radius():
    center, x = inside(0), pictures(1)
    for ball in (linf, l1, l2):
        together = ball(center, RADII)(x, ROWS)
        for row, problem in enumerate(ROWS.tolist()):
            alone = ball(center, RADII[problem].item())(x[[row]], ROWS[[row]])
            torch.testing.assert_close(together[[row]], alone, rtol=0, atol=1e-14)


def test_a_mask_and_a_ball_have_the_nearest_picture_that_differs_only_where_it_may():
    center, x = inside(0), pictures(1)
    free = torch.zeros(5, 1, 4, 5, dtype=torch.bool)
    free[..., 1:3, 2:] = True
    there = composed(mask(center, free), l2(center, 0.7))(x, ROWS)
    where = free[ROWS].expand_as(x)
    assert torch.equal(there[~where], center[ROWS][~where])
    for row, problem in enumerate(ROWS.tolist()):
        some = where[row]
        expected = slow_nearest(x[row][some], center[problem][some], 0.7, 2)
        np.testing.assert_allclose(there[row][some].numpy(), expected, rtol=0, atol=1e-12)


def test_an_attack_in_the_l2_ball_goes_to_its_edge_along_the_gradient():
    center = torch.full((1, 3, 4, 4), 0.5, dtype=torch.float64)
    w = pictures(3, 1)[0, :, :4, :4]

    def linear(x, rows, key):
        return Evaluation(-(x * w).sum((1, 2, 3)), -w.expand_as(x))

    *_, last = argmin(Pixels(center), linear, optimizer=steepest(1.0), constraint=l2(center, 0.2), steps=2)
    torch.testing.assert_close(last.pictures, center + 0.2 * w / w.norm())


def test_the_box_is_that_of_pictures_unless_another_is_given():
    assert torch.equal(box()(pictures(0), ROWS), pictures(0).clamp(0, 1))


@pytest.mark.parametrize("name", SPHERES)
def test_beside_pictures_that_are_outside_one_that_is_inside_stays_bit_for_bit(name):
    (ball, _), center, x = SPHERES[name], 0.5 + 0.1 * (inside(0) - 0.5), pictures(1)
    x[1] = center[ROWS[1]] + 1e-4
    there = ball(center, 0.5)(x, ROWS)
    assert torch.equal(there[1], x[1])
    for row in (0, 2):
        assert torch.equal(there[[row]], ball(center, 0.5)(x[[row]], ROWS[[row]]))


@pytest.mark.parametrize("name", SPHERES)
def test_pictures_in_single_precision_are_projected_in_double(name):
    (ball, _), center, x = SPHERES[name], inside(0).float(), pictures(1).float()
    for radius in (0.7, RADII):
        there = ball(center, radius)(x, ROWS)
        limit = radius.float().double() if isinstance(radius, torch.Tensor) else radius
        assert there.dtype == torch.float32
        assert torch.equal(there, ball(center.double(), limit)(x.double(), ROWS).float())


@pytest.mark.parametrize("name", SPHERES)
def test_around_corners_of_the_box_half_of_the_ball_is_missing(name):
    (ball, order), center, x = SPHERES[name], inside(0).round(), pictures(1)
    x[..., 2:] = center[ROWS][..., 2:]
    there = ball(center, 0.8)(x, ROWS)
    for row, problem in enumerate(ROWS.tolist()):
        expected = slow_nearest(x[row].flatten(), center[problem].flatten(), 0.8, order)
        np.testing.assert_allclose(there[row].flatten().numpy(), expected, rtol=0, atol=1e-12)


@given(st.integers(0, 999), st.floats(0.01, 0.99))
def test_a_level_fills_the_room_up_to_a_total_and_there_is_none_for_more_than_all_of_it(seed, part):
    generator = torch.Generator().manual_seed(seed)
    pace, room = torch.rand(2, 3, 7, dtype=torch.float64, generator=generator)
    pace[:, 2], room[:, 4] = 0, 0
    most = torch.where(pace > 0, room, 0).sum(1, keepdim=True)
    t = level(pace, room, part * most)
    torch.testing.assert_close(torch.minimum(t * pace, room).sum(1, keepdim=True), part * most)
    assert level(pace, room, 1.01 * most).isinf().all()
    assert torch.equal(level(pace[1:2], room[1:2], part * most[1:2]), t[1:2])
