"""Linear models: training finds the minimum, and every closed form is what a search finds."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from phosphene.adversarial.linear import (
    Linear,
    W,
    X,
    bisected,
    boxed_distances,
    distances,
    expected_radius,
    in_levels,
    moved,
    radius_of_one_deviation,
    shortest,
    softmax_regression,
)
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import noise, normal


def random_model(classes=4, d=12, seed=0):
    return Linear(normal(classes, d, seed=seed), normal(classes, seed=seed + 1))


def said(model, x):
    return model(x).argmax(1)


def test_the_lectures_example_has_the_lectures_numbers():
    x, w = torch.tensor(X).double(), torch.tensor(W).double()
    moved_x = x + 0.5 * w.sign()
    assert (x @ w, moved_x @ w) == (-3, 2)
    assert torch.stack([x @ w, moved_x @ w]).sigmoid().tolist() == pytest.approx([0.0474, 0.8808], abs=5e-5)


# -------------------------------------------------------------------------------------------------------- training


def slow_loss(model, x, labels, decay):
    """Picture by picture: minus the logarithm of the class's share, and the weights' squares."""
    total = 0.0
    for picture, label in zip(x, labels, strict=True):
        scores = [float(picture.flatten() @ w + b) for w, b in zip(model.weight, model.bias, strict=True)]
        total -= scores[label] - math.log(sum(math.exp(score) for score in scores))
    return total / len(x) + decay / 2 * float(model.weight.square().sum())


def test_training_finds_the_minimum_of_its_loss():
    x, labels = noise(30, 1, 2, 3), torch.arange(30) % 3
    model = softmax_regression(x, labels, 3, decay=0.05)
    least = slow_loss(model, x, labels, 0.05)
    for seed in range(5):
        near = Linear(model.weight + 1e-2 * normal(3, 6, seed=seed), model.bias + 1e-2 * normal(3, seed=seed + 99))
        assert slow_loss(near, x, labels, 0.05) > least
    weight, bias = (one.clone().requires_grad_() for one in (model.weight, model.bias))
    loss = torch.nn.functional.cross_entropy(Linear(weight, bias)(x), labels) + 0.025 * weight.square().sum()
    assert max(g.abs().max() for g in torch.autograd.grad(loss, [weight, bias])) < 1e-5


def test_two_classes_that_a_pixel_tells_apart_are_told_apart_by_it():
    x = noise(40, 1, 2, 2)
    labels = (x[:, 0, 1, 0] > 0.5).long()
    model = softmax_regression(x, labels, 2, decay=1e-4)
    assert (said(model, x) == labels).all()
    assert model.weight[1].argmax() == 2 and model.weight[1, 2] > 0


def test_much_decay_leaves_the_difference_of_the_classes_means():
    x, labels = noise(40, 1, 2, 2), torch.arange(40) % 2
    model = softmax_regression(x, labels, 2, decay=10)
    means = torch.stack([x[labels == c].mean(0).flatten() for c in (0, 1)])
    torch.testing.assert_close(10 * model.weight[0], (means[0] - means[1]) / 4, rtol=0.03, atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "classes", "decay", "words"),
    [
        ([0, 1, 2], 2, 0.1, "labels are 0 to 1, one for each picture"),
        ([0, 1, -1], 2, 0.1, "labels are 0 to 1"),
        ([0, 0, 0], 1, 0.1, "at least two classes apart, and there is one"),
        ([0, 1, 0], 2, -1, "-1 is not a valid value for decay"),
    ],
)
def test_what_cannot_be_trained_is_told(labels, classes, decay, words):
    with pytest.raises(Mistake, match=words):
        softmax_regression(noise(3, 4), torch.tensor(labels), classes, decay)


# ------------------------------------------------------------------------------------------------------- distances


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(st.integers(0, 1000))
def test_the_nearest_class_is_reached_at_the_closed_forms_radius_and_no_earlier(norm, seed):
    model, x = random_model(seed=seed), noise(5, 12, seed=seed)
    source = said(model, x)
    radius, target = distances(model, x, source, norm).min(1)
    assert (said(model, moved(model, x, source, target, radius * (1 + 1e-9), norm)) == target).all()
    assert (said(model, moved(model, x, source, target, radius * (1 - 1e-9), norm)) == source).all()
    for other in range(20):  # random changes of that size, the corners of the ball among them
        change = normal(5, 12, seed=other)
        change = change.sign() if norm == "linf" else change / change.norm(dim=1, keepdim=True)
        assert (said(model, x + radius[:, None] * change * (1 - 1e-9)) == source).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_change_has_the_size_that_was_asked_for(norm):
    model, x = random_model(), noise(5, 3, 2, 2)
    source, target = torch.zeros(5, dtype=torch.long), torch.tensor([1, 2, 3, 1, 2])
    radius = torch.linspace(0, 1, 5).double()
    change = (moved(model, x, source, target, radius, norm) - x).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    torch.testing.assert_close(size, radius)


def test_the_own_class_is_never_reached_and_one_that_is_above_already_is():
    model = Linear(torch.eye(3).double(), torch.zeros(3).double())
    found = distances(model, torch.tensor([[0.2, 0.7, 0.1]]).double(), torch.tensor([0]))[0]
    assert found.tolist() == pytest.approx([math.inf, 0, 0.05])


def test_classes_of_the_same_weights_are_never_reached():
    model = Linear(torch.zeros(2, 3).double(), torch.tensor([1.0, 0]).double())
    x, source = noise(1, 3), torch.tensor([0])
    assert distances(model, x, source).tolist() == [[math.inf, math.inf]]
    assert boxed_distances(model, x, source).tolist() == [[math.inf, math.inf]]


def least_radius(model, x, source, target):
    """A linear program: minimize eps over r and eps, -eps <= r_i <= eps, 0 <= x_i + r_i <= 1, the margin reached."""
    d, margin = (
        model.weight[target] - model.weight[source],
        float(model(x[None])[0, source] - model(x[None])[0, target]),
    )
    many = len(x)
    rows = [[*(-d).tolist(), 0.0]]
    limits = [-margin]
    for sign in (1, -1):
        for i in range(many):
            row = [0.0] * (many + 1)
            row[i], row[-1] = sign, -1.0
            rows.append(row)
            limits.append(0.0)
    bounds = [(-float(v), 1 - float(v)) for v in x] + [(0, None)]
    solved = linprog([0.0] * many + [1.0], A_ub=rows, b_ub=limits, bounds=bounds)
    return solved.fun if solved.status == 0 else math.inf


@pytest.mark.slow
def test_in_the_box_the_distance_is_what_a_linear_program_finds():
    finite = 0
    for seed in range(50):
        model, x = random_model(3, 6, seed), noise(1, 6, seed=seed)
        if seed % 2:
            x = (2 * x - 0.5).clamp(0, 1)  # many pixels at the edge
        source = said(model, x)
        found = boxed_distances(model, x, source)[0]
        for target in {0, 1, 2} - {int(source)}:
            least = least_radius(model, x[0], int(source), target)
            finite += math.isfinite(least)
            assert float(found[target]) == pytest.approx(least, abs=1e-9), (seed, target)
    assert 50 < finite < 100


def test_far_from_the_edges_the_box_changes_nothing_and_never_makes_it_easier():
    model, x = random_model(), 0.5 + 0.01 * normal(20, 12)
    source = said(model, x)
    free, boxed = distances(model, x, source), boxed_distances(model, x, source)
    assert (boxed >= free * (1 - 1e-9)).all()
    near = free < 0.4
    assert near.sum() > 20
    torch.testing.assert_close(boxed[near], free[near])


def test_bisection_finds_where_it_begins():
    radius = torch.tensor([0.0, 0.25, 1 / 3, 2.0], dtype=torch.float64)
    found = bisected(lambda eps: eps >= radius, 4)
    assert found.tolist() == pytest.approx([0, 0.25, 1 / 3, math.inf], abs=1e-11)


def test_the_search_that_only_looks_finds_the_closed_form_in_the_box():
    model, x = random_model(), noise(30, 3, 2, 2)
    found = shortest(model, x, batch=7)
    torch.testing.assert_close(found.searched, found.boxed, rtol=0, atol=1e-11)
    assert torch.equal(found.source, said(model, x)) and (found.target != found.source).all()
    assert (found.boxed >= found.free * (1 - 1e-12)).all()
    bound = found.at_edge > 0
    assert 5 < bound.sum() < 30
    torch.testing.assert_close(found.boxed[~bound], found.free[~bound])
    assert (found.boxed[bound] > found.free[bound]).all()


def test_in_eight_bits_another_class_is_said_and_not_before():
    model, x = random_model(), (255 * noise(30, 12)).round() / 255
    found = shortest(model, x)
    changed, levels = in_levels(model, x, found)
    assert (said(model, changed) != found.source).all()
    torch.testing.assert_close(255 * changed, (255 * changed).round())
    assert ((255 * (changed - x)).abs().amax(1) <= levels.double() + 1e-9).all()
    assert (levels - 1 < 255 * found.boxed).all()


# ------------------------------------------------------------------------------------------------------- dimension


@pytest.mark.parametrize("dimension", [100, 3072, 150528])
def test_the_radius_of_one_deviation_falls_with_the_root_of_the_dimension(dimension):
    found = radius_of_one_deviation(dimension, 4, Key(0)).mean()
    assert float(found) == pytest.approx(expected_radius(dimension), rel=2 / math.sqrt(dimension))
    assert expected_radius(4 * dimension) == pytest.approx(expected_radius(dimension) / 2)


def test_that_radius_moves_a_random_score_by_its_own_deviation():
    w, radius = Key(3).normal(torch.arange(1), 50)[0], radius_of_one_deviation(50, 1, Key(3))
    inputs = normal(20_000, 50)
    assert float((radius * w.sign()) @ w) == pytest.approx(float((inputs @ w).std()), rel=0.02)
