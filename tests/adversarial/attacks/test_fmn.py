"""Fast minimum-norm: the way of the algorithm by hand, exact on linear models, and what it asks for."""

import math

import pytest
import torch
from torch import nn

import phosphene
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far, near
from tests.adversarial.attacks.minimal import VECTORS, X, labels, margin_and_gradient, network, vectors, watched

NORMS = ["linf", "l2", "l1", "l0"]


def cosine(first, last, part):
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


def by_hand(x, norm, steps):
    """Algorithm 1 for one input of two classes, far from the bounds, from a step onto the linear boundary."""
    model, label = vectors(), vectors()(x[None]).argmax().item()
    size = {"linf": lambda d: d.abs().max(), "l2": torch.linalg.norm}[norm]

    def onto(v, w):
        return v * w.sign() / w.abs().sum() if norm == "linf" else v * w / w.square().sum()

    d = -onto(*margin_and_gradient(model, x, label))
    points, best, eps = [], math.inf, size(d)
    for k in range(steps):
        points.append(x + d)
        v, g = margin_and_gradient(model, x + d, label)
        part = k / (steps - 1)
        gamma = cosine(0.05, 0.001, part)
        if v < 0:
            best = min(best, size(d))
            eps = min(eps * (1 - gamma), best)
        elif best < math.inf:
            eps = eps * (1 + gamma)
        else:
            eps = max(eps * (1 + gamma), size(d) + size(onto(v, g)))
        alpha = cosine(1, 0.01, part) * (3 if norm == "linf" else 1)
        d = d - 100 * alpha * g / g.norm()  # the bounds are 100 wide
        d = d.clamp(-eps, eps) if norm == "linf" else d * min(1, eps / d.norm())
    return points, best


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_goes_the_way_of_the_algorithm_by_hand(norm):
    asked, outcome = watched(phosphene.attacks.fmn, norm=norm, steps=12)
    for i, x in enumerate(VECTORS):
        points, best = by_hand(x, norm, 12)
        torch.testing.assert_close(torch.stack([one[i] for one in asked[1:13]]), torch.stack(points))
        assert outcome.success[i] and outcome.distances[i] <= best + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_on_linear_models_it_finds_the_nearest_of_all(norm):
    for problem in (far(norm, 100, 3), near(norm)):
        found = phosphene.attacks.fmn(problem.model, problem.x, problem.labels, norm=norm, steps=30).outcome
        can = problem.optimum.isfinite()
        assert torch.equal(found.success, can)
        ratio = (found.distances / problem.optimum)[can]
        assert ratio.min() > 1 - 1e-9 and ratio.max() < (1.02 if norm != "l0" else 1.001)


def test_a_step_is_one_pass_each_way_and_the_first_compares_classes():
    asked = labels()
    asked[2] = (asked[2] + 1) % 4
    found = phosphene.attacks.fmn(network(), X, asked, norm="l2", steps=7, candidates=3).outcome
    assert found.success.tolist() == [True, True, False, True] and found.before[2]
    assert found.forwards.tolist() == [1 + 7 + 3 + 2, 13, 3, 13] and found.backwards.tolist() == [9, 9, 2, 9]


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_near_enough_leaves(norm):
    best = phosphene.attacks.fmn(network(), X, labels(), norm=norm, steps=20).outcome
    near = phosphene.attacks.fmn(network(), X, labels(), norm=norm, steps=20, enough=1.5 * best.distances).outcome
    assert best.success.all() and near.success.all() and (near.distances <= 1.5 * best.distances).all()
    assert (near.forwards < best.forwards).all()


@pytest.mark.parametrize("norm", NORMS)
def test_every_step_shows_the_best_so_far_within_the_bounds(norm):
    before = torch.full((4,), torch.inf).double()
    for step in phosphene.attacks.fmn(network(), X, labels(), norm=norm, steps=10):
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1 and (step.values <= before).all()
        before = step.values
    assert step.values.isfinite().all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targeted", [False, True])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone(norm, targeted):
    options = {"norm": norm, "steps": 8, "targeted": targeted}
    asked = (labels() + targeted) % 4
    together = phosphene.attacks.fmn(network(), X, asked, key=Key(1, [7, 8, 9, 10]), **options).outcome
    for i in (0, 3):
        alone = phosphene.attacks.fmn(network(), X[[i]], asked[[i]], key=Key(1, [7 + i]), **options).outcome
        torch.testing.assert_close(alone.inputs[0], together.inputs[i])


def test_the_unit_of_the_values_does_not_matter():
    levels = nn.Sequential(nn.Linear(192, 4).double())
    model = nn.Sequential(nn.Flatten(), levels)
    label = model(X).argmax(1)
    one = phosphene.attacks.fmn(model, X, label, norm="l2", steps=10).outcome
    other = phosphene.attacks.fmn(lambda x: model(x / 255), 255 * X, label, norm="l2", steps=10, bounds=(0.0, 255.0))
    torch.testing.assert_close(other.outcome.distances, 255 * one.distances)


def test_where_there_is_no_gradient_it_looks_about_at_random_and_nothing_is_not_a_number():
    def flat(x):
        far = ((x.detach() - X) ** 2).flatten(1).sum(1)  # beyond .5 anything fools, but nothing says so
        z = torch.stack([0.25 - far, far - 0.25], 1).sign()
        return z + 0 * x.flatten(1).sum(1, keepdim=True)

    found = phosphene.attacks.fmn(flat, X, [0] * 4, norm="l2", steps=10).outcome
    assert found.success.all() and found.distances.isfinite().all() and (found.distances > 0.5).all()


def test_by_default_there_are_100_steps_and_the_radius_changes_by_a_twentieth_at_first():
    written = {"steps": 100, "rate": None, "gamma": 0.05, "candidates": 10}
    assert {one.name: one.default for one in phosphene.fmn.options if one.name in written} == written
