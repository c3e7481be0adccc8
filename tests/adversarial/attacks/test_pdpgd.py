"""The primal-dual attack: its loop by hand, the multiplier of a linear model, and what every attack has to keep."""

import math

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.norms import size
from phosphene.adversarial.victims import Victim
from tests.adversarial.attacks.linear_problems import far, near
from tests.small import levels

X = levels(4, 3, 4, 4, low=20, high=235).double()


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 4)).double()
    with torch.no_grad():
        model[1].weight.mul_(4)
        model[3].weight.mul_(4)
    return model


def labels():
    return network()(X).argmax(1)


def by_hand(model, x, label, norm, steps, rate=0.1, dual_rate=0.1):
    """The two lines of the module's docstring, one picture; the nearest that fooled."""
    d, rho, first, recent, best = torch.zeros_like(x), 1.0, None, 0.0, (math.inf, x)
    for k in range(steps + 1):
        d.requires_grad_()
        logits = model(x + d)[0]
        margin = logits[label] - max(logits[j] for j in range(4) if j != label)
        (g,) = torch.autograd.grad(margin, d)
        d, part = d.detach(), k / (steps - 1)
        if margin < 0 and size(d, norm) < best[0]:
            best = (size(d, norm).item(), x + d)
        first = margin.item() if first is None else first
        m = margin.item() / first
        recent = m if k == 0 else 0.9 * recent + 0.1 * m
        rho *= math.exp(dual_rate * 0.1**part * min(max(recent, -1), 1))
        alpha = rate * 0.01**part
        has_room = torch.where(g > 0, x + d > 0, x + d < 1)
        largest = (g * has_room).abs().max() if norm == "l1" else (g * has_room).norm()
        u = d - alpha * rho * g / largest
        if norm == "l1":
            d = torch.where(u.abs() > alpha, u - alpha * u.sign(), 0)
        else:
            d = u * max(0.0, 1 - alpha / u.norm().item())
        d = (x + d).clamp(0, 1) - x
    return best


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_every_picture_goes_the_way_of_the_loop_by_hand(norm):
    steps = list(phosphene.attacks.pdpgd(network(), X, labels(), norm=norm, steps=40, dual_rate=0.3))
    for i in (0, 1):
        distance, picture = by_hand(network(), X[[i]], labels()[i], norm, 40, dual_rate=0.3)
        assert 0 < distance < math.inf and steps[40].values[i].item() == pytest.approx(distance)
        torch.testing.assert_close(steps[40].pictures[[i]], picture)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_saddle_point_of_a_linear_model_is_found_without_the_last_candidate(norm):
    given = far(norm, 20)
    search = phosphene.attacks.pdpgd(given.model, given.x[:1], given.labels[:1], norm=norm, steps=200)
    before = next(step for step in search if step.index == 200)
    assert given.optimum[0] <= before.values[0] < 1.1 * given.optimum[0]
    torch.testing.assert_close(search.outcome.distances, given.optimum[:1], rtol=1e-6, atol=0)


def test_changes_by_l1_are_few_and_inside_the_box():
    given = near("l1")
    search = phosphene.attacks.pdpgd(given.model, given.x[:8], given.labels[:8], steps=40)
    for step in search:
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
    changed = (search.outcome.inputs != given.x[:8]).sum(1)
    assert search.outcome.success.all() and changed.max() <= 4


def test_a_row_of_a_batch_is_attacked_as_it_is_alone():
    together = phosphene.attacks.pdpgd(network(), X, labels(), steps=12).outcome
    for i in (1, 3):
        alone = phosphene.attacks.pdpgd(network(), X[[i]], labels()[[i]], steps=12).outcome
        torch.testing.assert_close(together.inputs[[i]], alone.inputs)
        assert together.forwards[i] == alone.forwards and together.backwards[i] == alone.backwards


def test_what_says_something_else_already_is_asked_once_and_stays():
    said = labels()
    said[2] = (said[2] + 1) % 4
    victim = Victim(network())
    *_, last = phosphene.attacks.pdpgd(victim, X, said, steps=12)
    assert victim.forwards[2] == 1 and victim.forwards[[0, 1, 3]].min() > 12
    assert torch.equal(last.pictures[2], X[2]) and last.values[2] == 0 and not last.alive[2]


@pytest.mark.slow
def test_targeted_and_within_other_bounds_it_finds_the_same_as_within_0_and_1():
    goal, options = network()(X).topk(2).indices[:, 1], {"targeted": True, "steps": 40, "dual_rate": 0.3}
    plain = phosphene.attacks.pdpgd(network(), X, goal, **options).outcome
    wide = phosphene.attacks.pdpgd(
        lambda x: network()((x + 2) / 8), 8 * X - 2, goal, bounds=(-2.0, 6.0), **options
    ).outcome
    assert plain.success.all() and torch.equal(network()(plain.inputs).argmax(1), goal)
    torch.testing.assert_close(wide.inputs, 8 * plain.inputs - 2)
