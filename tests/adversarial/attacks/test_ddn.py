"""Decoupling direction and norm: the way of the algorithm by hand, exact on linear models, and what it asks for."""

import math

import pytest
import torch

import phosphene
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far, near
from tests.adversarial.attacks.minimal import VECTORS, X, labels, margin_and_gradient, network, vectors, watched


def by_hand(x, steps, first=None):
    """Algorithm 1 for one input of two classes, far from the bounds, from a step onto the linear boundary."""
    model, label = vectors(), vectors()(x[None]).argmax().item()
    v, w = margin_and_gradient(model, x, label)
    d = -v * w / w.square().sum()
    eps = d.norm() if first is None else first
    d, points, best = eps * d / d.norm(), [], math.inf
    for k in range(steps):
        points.append(x + d)
        v, g = margin_and_gradient(model, x + d, label)
        if v < 0:
            best = min(best, d.norm())
        alpha = 0.01 + 0.99 * (1 + math.cos(math.pi * k / (steps - 1))) / 2
        d = d - 100 * alpha * g / g.norm()  # the bounds are 100 wide
        eps = eps * (0.95 if v < 0 else 1.05)
        d = eps * d / d.norm()
    return points, best


@pytest.mark.parametrize("first", [None, 1.0])
def test_it_goes_the_way_of_the_algorithm_by_hand(first):
    asked, outcome = watched(phosphene.attacks.ddn, steps=12, first_length=first)
    for i, x in enumerate(VECTORS):
        points, best = by_hand(x, 12, first)
        torch.testing.assert_close(torch.stack([one[i] for one in asked[1:13]]), torch.stack(points))
        assert outcome.success[i] == (best < math.inf) and not outcome.distances[i] > best + 1e-12


@pytest.mark.slow
def test_on_linear_models_it_finds_the_nearest_of_all():
    for problem in (far("l2", 100, 3), near("l2")):
        found = phosphene.attacks.ddn(problem.model, problem.x, problem.labels, steps=40).outcome
        can = problem.optimum.isfinite()
        assert torch.equal(found.success, can)
        ratio = (found.distances / problem.optimum)[can]
        assert ratio.min() > 1 - 1e-9 and ratio.max() < 1.02


def test_a_step_is_one_pass_each_way_and_what_fools_already_is_not_asked_again():
    asked = labels()
    asked[2] = (asked[2] + 1) % 4
    found = phosphene.attacks.ddn(network(), X, asked, steps=7, candidates=3).outcome
    assert found.success.tolist() == [True, True, False, True] and found.before[2]
    assert found.forwards.tolist() == [1 + 7 + 3 + 2, 13, 3, 13] and found.backwards.tolist() == [9, 9, 2, 9]


def test_what_is_near_enough_leaves():
    best = phosphene.attacks.ddn(network(), X, labels(), steps=20).outcome
    near = phosphene.attacks.ddn(network(), X, labels(), steps=20, enough=1.5 * best.distances).outcome
    assert best.success.all() and near.success.all() and (near.distances <= 1.5 * best.distances).all()
    assert (near.forwards < best.forwards).all()


@pytest.mark.parametrize("targeted", [False, True])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone_within_the_bounds(targeted):
    asked = (labels() + targeted) % 4
    options = {"steps": 8, "targeted": targeted}
    together = phosphene.attacks.ddn(network(), X, asked, key=Key(1, [7, 8, 9, 10]), **options)
    for step in together:
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
    for i in (0, 3):
        alone = phosphene.attacks.ddn(network(), X[[i]], asked[[i]], key=Key(1, [7 + i]), **options).outcome
        torch.testing.assert_close(alone.inputs[0], together.outcome.inputs[i])


def test_where_there_is_no_gradient_it_looks_about_at_random_and_nothing_is_not_a_number():
    def flat(x):
        far = ((x.detach() - X) ** 2).flatten(1).sum(1)  # beyond .5 anything fools, but nothing says so
        z = torch.stack([0.25 - far, far - 0.25], 1).sign()
        return z + 0 * x.flatten(1).sum(1, keepdim=True)

    found = phosphene.attacks.ddn(flat, X, [0] * 4, steps=40).outcome
    assert found.success.all() and found.distances.isfinite().all() and (found.distances > 0.5).all()


def test_by_default_there_are_100_steps_and_the_length_changes_by_a_twentieth():
    written = {"steps": 100, "gamma": 0.05, "candidates": 10}
    assert {one.name: one.default for one in phosphene.ddn.options if one.name in written} == written
