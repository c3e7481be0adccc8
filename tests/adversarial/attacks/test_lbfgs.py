"""The first attack: SciPy's L-BFGS-B with the paper's line search, and what every attack has to keep."""

import math

import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.goals import confident
from phosphene.adversarial.victims import Victim
from tests.adversarial.attacks.linear_problems import far, near
from tests.small import levels

X = levels(4, 3, 8, 8).double()  # many values are 0 or 1, or nearly


def network():
    """Curved, and of each class for some pictures."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 4)).double()
    with torch.no_grad():
        model[1].weight.mul_(4)
        model[3].weight.mul_(4)
    return model


def logits(x):
    return network()(x)


def others():
    """A class that each picture is not taken for."""
    return (logits(X).argmax(1) + 1) % 4


def by_scipy(x, target, rounds=9, c=1e-2):
    """Szegedy et al. 2014 as others have it: L-BFGS-B for one c after the other; the smallest change that fooled."""
    least, most, nearest, net = 0.0, math.inf, math.inf, network()

    def function(flat):
        point = torch.from_numpy(flat).view(x.shape).requires_grad_()
        value = c * (point - x).square().sum() + F.cross_entropy(net(point), target)
        return value.item(), torch.autograd.grad(value, point)[0].flatten().numpy()

    for _ in range(rounds):
        found = minimize(function, x.flatten().numpy(), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * x.numel())
        point = torch.from_numpy(found.x).view(x.shape)
        if net(point).argmax() == target:
            least, nearest = c, min(nearest, (point - x).norm().item())
        else:
            most = c
        c = math.sqrt(least * most) if least and most < math.inf else 10 * least if least else c / 10
    return nearest


@pytest.mark.slow
def test_its_changes_are_no_larger_than_by_scipys_l_bfgs_b():
    found = phosphene.attacks.lbfgs(network(), X[:1], others()[:1], targeted=True).outcome
    assert found.success.all() and logits(found.inputs).argmax(1) == others()[0]
    assert found.distances.item() <= 1.01 * by_scipy(X[:1], others()[:1])
    assert found.forwards.max() < 150


def test_saturated_values_come_back_as_others_do_and_none_leaves_the_box():
    given = near("l2", n=8)
    search = phosphene.attacks.lbfgs(given.model, given.x, given.labels)
    for step in search:
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
    saturated = (given.x == 0) | (given.x == 1)
    moved = (search.outcome.inputs - given.x).abs() > 1e-6
    assert 0.3 < moved[saturated].double().mean() < 0.7 < moved[~saturated].double().mean()
    torch.testing.assert_close(search.outcome.distances, given.optimum, rtol=1e-3, atol=0)


@pytest.mark.slow
def test_untargeted_it_goes_for_the_class_whose_linear_boundary_is_nearest():
    given = far("l2", 20, classes=4)
    found = phosphene.attacks.lbfgs(given.model, given.x, given.labels).outcome
    torch.testing.assert_close(found.distances, given.optimum, rtol=1e-3, atol=0)
    margins = given.model(given.x).gather(1, given.labels[:, None]) - given.model(given.x)
    apart = (given.weight[None] - given.weight[given.labels][:, None]).norm(dim=2)
    far_off = (margins / apart).scatter(1, given.labels[:, None], torch.inf)
    assert torch.equal(given.model(found.inputs).scatter(1, given.labels[:, None], -9e9).argmax(1), far_off.argmin(1))


@pytest.mark.slow
def test_to_be_confident_it_goes_further():
    near = phosphene.attacks.lbfgs(network(), X[:1], others()[:1], targeted=True).outcome
    sure = phosphene.attacks.lbfgs(network(), X[:1], confident(others()[:1], 0.7)).outcome
    p = logits(sure.inputs).softmax(1).gather(1, others()[:1, None])
    assert sure.success.all() and (p >= 0.7).all() and (p < 0.72).all()
    assert (sure.distances > near.distances).all()


@pytest.mark.slow
def test_a_row_of_a_batch_is_attacked_as_it_is_alone():
    together = phosphene.attacks.lbfgs(network(), X, others(), targeted=True, steps=3, rounds=4).outcome
    for i in (1, 3):
        alone = phosphene.attacks.lbfgs(network(), X[[i]], others()[[i]], targeted=True, steps=3, rounds=4).outcome
        torch.testing.assert_close(together.inputs[[i]], alone.inputs)
        assert together.forwards[i] == alone.forwards and together.backwards[i] == alone.backwards


def test_what_says_something_else_already_is_asked_once_and_stays():
    said = logits(X).argmax(1)
    said[2] = (said[2] + 1) % 4
    victim = Victim(network())
    *_, last = phosphene.attacks.lbfgs(victim, X, said, steps=3)
    assert victim.forwards[2] == 1 and victim.forwards[[0, 1, 3]].min() > 3
    assert torch.equal(last.pictures[2], X[2]) and last.values[2] == 0 and not last.alive[2]


def test_within_bounds_of_its_own_each_value_finds_the_same_as_within_0_and_1():
    given = far("l2", 12, classes=3)
    wide = phosphene.attacks.lbfgs(
        lambda x: given.model(x / 8), 8 * given.x, given.labels, bounds=(torch.zeros(12), 8 * torch.ones(12))
    ).outcome
    torch.testing.assert_close(wide.distances / 8, given.optimum, rtol=1e-3, atol=0)


def test_what_cannot_be_reached_ends_in_the_best_failed_try():
    victim, labels = network(), torch.zeros(4, dtype=torch.long)
    with torch.no_grad():
        victim[3].bias[0] += 1000
    found = phosphene.attacks.lbfgs(victim, X, labels, steps=20, rounds=3).outcome
    before = victim(X)[:, 0] - victim(X)[:, 1:].amax(1)
    assert not found.success.any() and (found.margins < before - 0.1).all()
    assert found.inputs.min() >= 0 and found.inputs.max() <= 1
