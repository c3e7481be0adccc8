"""Carlini & Wagner: the descent by hand, the search around it, and what the traps of tanh are."""

import math

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.attacks.cw import Inside
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far, near
from tests.adversarial.attacks.minimal import X, labels, network
from tests.small import noise, normal

NORMS = ["l2", "linf"]
QUICK = {"steps": 20, "searches": 3}


def test_pictures_between_bounds_are_a_tanh_and_their_gradient_is_its_derivative():
    low, high = torch.full((2, 3, 4, 4), -1.0).double(), torch.full((2, 3, 4, 4), 3.0).double()
    x = -1 + 4 * noise(2, 3, 4, 4)
    x[0, 0] = 3
    inside = Inside(x, low, high, 1e-6)
    torch.testing.assert_close(inside(), 1 + (x - 1) * (1 - 1e-6))
    w, direction = inside.parameters[0].clone().requires_grad_(), normal(2, 3, 4, 4)
    (expected,) = torch.autograd.grad(((1 + 2 * w.tanh()) * direction).sum(), w)
    torch.testing.assert_close(inside.pull(direction)[0], expected)
    inside.assign(x[[1]].flip(0), torch.tensor([0]))
    torch.testing.assert_close(inside()[0], 1 + (x[1] - 1) * (1 - 1e-6))


def margin(model, pictures, label):
    logits = model(pictures)[0]
    return logits[label] - torch.cat([logits[:label], logits[label + 1 :]]).max()


def by_hand(model, x, label, start, steps, c):
    """One descent of section V.C for one picture with a torch optimizer: every picture on the way."""
    w = torch.atanh((2 * start - 1) * (1 - 1e-6)).requires_grad_()
    optimizer, path = torch.optim.Adam([w], lr=0.01), []
    for k in range(steps + 1):
        pictures = (w.tanh() + 1) / 2
        path.append(pictures.detach().clone())
        loss = (pictures - x).square().sum() + c * margin(model, pictures, label).clamp(min=0)
        if k < steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return path


@pytest.mark.parametrize("i", range(4))
@pytest.mark.slow
def test_a_descent_goes_the_way_of_the_loop_by_hand_as_long_as_it_gets_on(i):
    asked, model = [], network()

    def watched(pictures):
        asked.append(pictures.detach().clone())
        return model(pictures)

    x, label = X[[i]], labels()[i].item()
    options = {"searches": 1, "steps": 20, "constant": 20.0, "candidates": 2}
    outcome = phosphene.attacks.cw(watched, x, [label], **options).outcome
    leaf = x.clone().requires_grad_()
    v = model(leaf)[0].topk(2).values.diff().neg()
    (w,) = torch.autograd.grad(v, leaf)
    start = x - v.item() * w / w.square().sum()
    assert start.min() > 0 and start.max() < 1
    path, many = by_hand(model, x, label, start, 20, 20.0), outcome.backwards.item() - 1
    for one, other in zip(asked[1 : 1 + many], path[:many], strict=True):
        torch.testing.assert_close(one, other)
    values = [(p - x).square().sum() + 20 * margin(model, p, label).clamp(min=0) for p in path]
    stuck = [k for k in range(4, 21, 4) if min(values[: k + 1]) > 0.9999 * min(values[: k - 3])]
    assert many == 1 + (stuck[0] if stuck else 20) and many > 2


@pytest.mark.slow
def test_on_linear_models_it_comes_close_to_the_nearest_of_all():
    for norm, problem in (("l2", far("l2", 30, 3)), ("linf", far("linf", 30, 3)), ("linf", near("linf"))):
        x, labels, optimum = problem.x[:8], problem.labels[:8], problem.optimum[:8]
        found = phosphene.attacks.cw(problem.model, x, labels, norm=norm, steps=40, searches=6).outcome
        can = optimum.isfinite()
        assert torch.equal(found.success, can)
        ratio = (found.distances / optimum)[can]
        assert ratio.min() > 1 - 1e-9 and ratio.max() < 1.02


@pytest.mark.slow
def test_near_the_bounds_the_tanh_comes_close_as_well():
    problem = near("l2")
    found = phosphene.attacks.cw(problem.model, problem.x, problem.labels).outcome
    can = problem.optimum.isfinite()
    assert torch.equal(found.success, can) and ((found.distances / problem.optimum)[can] < 1.05).all()


@pytest.mark.slow
def test_values_at_their_bounds_move():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([torch.zeros(12), torch.linspace(1, 2, 12)]))
        model[1].bias.copy_(torch.tensor([3.0, 0]))
    black = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    found = phosphene.attacks.cw(model, black, [0], steps=40, searches=5, rate=0.03).outcome
    optimum = 3 / torch.linspace(1, 2, 12).double().norm()
    assert found.success.all() and found.distances[0] < 1.05 * optimum


@pytest.mark.slow
def test_a_constant_that_is_added_to_all_logits_changes_nothing():
    options = {**QUICK, "key": Key(0)}
    one = phosphene.attacks.cw(network(), X, labels(), **options).outcome
    other = phosphene.attacks.cw(lambda x: network()(x) - 1000, X, labels(), **options).outcome
    torch.testing.assert_close(one.distances, other.distances, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_what_is_near_enough_leaves_and_what_fools_already_is_not_asked_again(norm):
    asked = labels()
    asked[2] = (asked[2] + 1) % 4
    options = {**QUICK, "constant": 1.0}
    best = phosphene.attacks.cw(network(), X, asked, norm=norm, **options).outcome
    assert best.success.tolist() == [True, True, False, True] and best.before[2] and best.forwards[2] == 3
    near = phosphene.attacks.cw(network(), X, asked, norm=norm, **options, enough=1.5 * best.distances).outcome
    attacked = torch.tensor([0, 1, 3])
    assert torch.equal(near.success, best.success) and (near.distances <= 1.5 * best.distances).all()
    assert (near.forwards < best.forwards)[attacked].all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.slow
def test_a_row_of_a_batch_is_attacked_as_it_is_alone_within_the_bounds(norm, targeted):
    asked = (labels() + targeted) % 4
    options = {"norm": norm, "targeted": targeted, **QUICK}
    search, before = phosphene.attacks.cw(network(), X, asked, **options), torch.full((4,), math.inf).double()
    for step in search:
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1 and (step.values <= before).all()
        before = step.values
    for i in (0, 3):
        alone = phosphene.attacks.cw(network(), X[[i]], asked[[i]], **options).outcome
        torch.testing.assert_close(alone.inputs[0], search.outcome.inputs[i])
        assert alone.forwards[0] == search.outcome.forwards[i]


def test_a_descent_that_does_not_get_on_is_left():
    still = phosphene.attacks.cw(
        lambda x: 0 * x.flatten(1)[:, :2] + torch.tensor([1.0, 0]), X, [0] * 4, searches=2, steps=50
    )
    assert not still.outcome.success.any() and (still.outcome.forwards < 2 * 20).all()
    assert torch.equal(still.outcome.inputs, X)


def test_bounds_that_are_infinite_are_refused():
    with pytest.raises(Mistake, match="cw needs bounds that are finite"):
        next(iter(phosphene.attacks.cw(network(), X, labels(), bounds=(-math.inf, math.inf))))


def test_by_default_there_are_9_searches_from_a_thousandth():
    written = {"searches": 9, "steps": 1000, "constant": 1e-3, "candidates": 10}
    assert {one.name: one.default for one in phosphene.cw.options if one.name in written} == written
