"""Norms: lengths, their duals, directions, and the nearest picture that is near enough."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.adversarial.norms import NORMS, ball, dual, size, steepest, usual_radius
from tests.small import noise, normal

ORDERS = {"linf": torch.inf, "l2": 2, "l1": 1, "l0": 0}


@pytest.mark.parametrize("norm", NORMS)
def test_a_size_is_the_norm_of_all_values_of_a_picture(norm):
    change = normal(3, 2, 4, 5)
    change[:, 0, :2] = 0
    expected = torch.stack([torch.linalg.vector_norm(one, ORDERS[norm]) for one in change])
    torch.testing.assert_close(size(change, norm), expected)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_along_the_steepest_direction_a_linear_function_rises_by_the_dual_norm(norm):
    gradient = normal(3, 2, 4, 5)
    way = steepest(gradient, norm, part=1 / 40)
    torch.testing.assert_close(size(way, norm), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close((way * gradient).flatten(1).sum(1), dual(gradient, norm))


def test_a_step_in_l1_moves_so_many_of_the_values_with_the_largest_gradient():
    gradient = normal(3, 100, 1, 1)
    way = steepest(gradient, "l1", part=0.05)
    assert ((way != 0).sum((1, 2, 3)) == 5).all()
    assert (gradient.abs()[way != 0].view(3, 5).amin(1) >= gradient.abs()[way == 0].view(3, 95).amax(1)).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_without_a_gradient_there_is_no_direction(norm):
    assert torch.equal(steepest(torch.zeros(2, 3, 2, 2), norm), torch.zeros(2, 3, 2, 2))


@pytest.mark.slow
@given(st.sampled_from(NORMS), st.floats(0.5, 6), st.integers(0, 100))
def test_what_is_projected_is_in_the_ball_and_within_the_bounds_and_stays_there(norm, radius, seed):
    center, rows = noise(4, 3, 2, 2, seed=seed) - 0.5, torch.tensor([2, 0, 3])
    low, high = -noise(3, 2, 2, seed=seed + 1) / 2 - 0.5, noise(3, 2, 2, seed=seed + 2) / 2 + 0.5
    project = ball(center, radius, norm, low, high)
    once = project(center[rows] + 3 * normal(3, 3, 2, 2, seed=seed), rows)
    assert (size(once - center[rows], norm) <= radius + 1e-9).all()
    assert (once >= low).all() and (once <= high).all()
    torch.testing.assert_close(project(once, rows), once)


def test_with_l0_the_values_that_differ_most_stay_different():
    center = torch.zeros(2, 4, 1, 1)
    moved = torch.tensor([[0.1, 0.9, 0.3, 2.0], [0.5, 0.0, 0.4, 0.3]]).view(2, 4, 1, 1)
    found = ball(center, torch.tensor([2.0, 1.0]), "l0", 0.0, 1.0)(moved, torch.arange(2))
    assert found.flatten(1).tolist() == [[0, pytest.approx(0.9), 0, 1], [0.5, 0, 0, 0]]


def test_usual_radii_are_those_of_cifar_and_grow_with_the_picture():
    assert [usual_radius(norm, 3072) for norm in NORMS] == [8 / 255, 0.5, 12.0, 24.0]
    assert [usual_radius(norm, 4 * 3072) for norm in NORMS] == [8 / 255, 1.0, 48.0, 96.0]
