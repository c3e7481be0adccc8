"""The optima that attacks are measured by, found once more in other ways."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from phosphene.adversarial.norms import NORMS
from tests.adversarial.attacks.linear_problems import far, near, smallest


def case(d, seed):
    """v, room and a change that is wanted, not beyond what there is room for."""
    random = np.random.default_rng(seed)
    v, room = random.standard_normal(d), random.random(d) * (random.random(d) > 0.3)
    return v, random.uniform(0.1, 0.9) * (np.abs(v) @ room), room


@pytest.mark.parametrize("seed", range(10))
def test_the_fewest_values_are_those_of_the_smallest_set_that_suffices(seed):
    v, m, room = case(8, seed)
    worth = np.abs(v) * room
    enough = [k for k in range(9) for some in combinations(range(8), k) if worth[list(some)].sum() >= m]
    assert smallest(v, m, room, "l0") == enough[0]


@pytest.mark.parametrize("seed", range(10))
def test_linf_is_where_the_change_of_all_values_by_as_much_as_they_have_room_suffices(seed):
    v, m, room = case(12, seed)
    e = smallest(v, m, room, "linf")
    assert np.abs(v) @ np.minimum(e, room) == pytest.approx(m)


@pytest.mark.parametrize("seed", range(10))
def test_l1_fills_the_rooms_of_the_values_with_the_largest_weights(seed):
    v, m, room = case(12, seed)
    total, left = 0.0, m
    for i in np.argsort(-np.abs(v)):
        part = min(room[i], left / abs(v[i]))
        total, left = total + part, left - part * abs(v[i])
    assert smallest(v, m, room, "l1") == pytest.approx(total)


@pytest.mark.parametrize("seed", range(10))
def test_l2_is_what_sequential_quadratic_programs_find(seed):
    v, m, room = case(6, seed)
    enough = {"type": "ineq", "fun": lambda r: np.abs(v) @ r - m, "jac": lambda r: np.abs(v)}
    found = minimize(
        lambda r: r @ r, room / 2, jac=lambda r: 2 * r, bounds=[(0, one) for one in room], constraints=[enough],
        options={"ftol": 1e-14},
    )  # fmt: skip
    assert found.success and smallest(v, m, room, "l2") == pytest.approx(np.linalg.norm(found.x), rel=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_what_there_is_no_room_for_is_infinitely_far(norm):
    assert smallest(np.array([2.0, -1]), 3.5, np.array([1.0, 1]), norm) == np.inf


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("d", "classes"), [(10, 2), (10, 3), (60, 5)])
def test_far_from_the_bounds_the_bounds_do_not_matter(norm, d, classes):
    given = far(norm, d, classes)
    room = 0.0 if norm == "l0" else 0.1
    assert (
        given.x.min() > room and given.x.max() < 1 - room and given.labels.tolist() == [i % classes for i in range(4)]
    )
    assert (given.optimum > 0).all()
    for x, y, optimum in zip(given.x, given.labels, given.optimum, strict=True):
        logits = given.model(x[None])[0]
        best = np.inf
        for j in set(range(classes)) - {int(y)}:
            v = given.weight[j] - given.weight[y]
            best = min(best, smallest(v.numpy(), (logits[y] - logits[j]).item(), np.where(v > 0, 1 - x, x), norm))
        assert optimum.item() == pytest.approx(best, rel=1e-5)


def test_far_from_the_bounds_up_to_a_twentieth_of_the_values_has_to_change():
    assert far("l0", 10).optimum.tolist() == [2] * 4
    optimum = far("l0", 600).optimum
    assert optimum.min() >= 20 and optimum.max() <= 30


@pytest.mark.parametrize("norm", NORMS)
def test_near_the_bounds_there_are_fifty_problems_that_can_be_solved(norm):
    given = near(norm)
    assert given.x.shape == (50, 20) and ((given.x == 0) | (given.x == 1)).double().mean() > 0.7
    assert torch.equal(given.model(given.x).argmax(1), given.labels)
    assert given.optimum.isfinite().all() and (given.optimum > 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_near_the_bounds_the_closed_form_would_be_too_small(norm):
    given = near(norm)
    logits = given.model(given.x)
    v = given.weight[None] - given.weight[given.labels][:, None]
    order = {"linf": 1, "l2": 2, "l1": torch.inf}[norm]
    free = (logits.gather(1, given.labels[:, None]) - logits) / v.norm(order, dim=2)
    free = free.scatter(1, given.labels[:, None], torch.inf).amin(1)
    assert (given.optimum >= free - 1e-9).all() and (given.optimum > 1.05 * free).double().mean() > 0.3
