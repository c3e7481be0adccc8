"""Sigma-zero: the paper's loop by hand, the exact minimum of linear models, and what every attack has to keep."""

import math

import pytest
import torch

import phosphene
from phosphene.adversarial.attacks.sigma_zero import _taken_back
from phosphene.adversarial.nearest import Nearest
from phosphene.adversarial.problems import problems
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from tests.adversarial.attacks.linear_problems import far
from tests.small import convnet, levels

X = levels(4, 3, 8, 8, low=20, high=235).double()


def network():
    return convnet(size=8)


def labels():
    return network().read(X, ["logits"])["logits"].argmax(1)


def by_hand(model, x, label, steps, sigma=1e-3, threshold=0.3, t=0.01):
    """Algorithm 1 with the Adam of the authors' code, one picture; the fewest changes that fooled, and where."""
    d, first, second, best = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x), (math.inf, x)
    rate = 1.0
    for k in range(steps + 1):
        d.requires_grad_()
        logits = model(x + d)[0]
        margin = logits[label] - max(logits[j] for j in range(4) if j != label)
        if margin < 0 and (d != 0).sum() < best[0]:
            best = ((d != 0).sum().item(), (x + d).detach())
        loss = margin.clamp(min=0) + (d**2 / (d**2 + sigma)).sum() / d.numel()
        (g,) = torch.autograd.grad(loss, d)
        g = g / g.abs().max().clamp(min=1e-12)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        move = (first / (1 - 0.9 ** (k + 1))) / ((second / (1 - 0.999 ** (k + 1))).sqrt() + 1e-8)
        d = (x + d.detach() - rate * move).clamp(0, 1) - x
        rate = 0.1 + 0.9 * (1 + math.cos(math.pi * k / steps)) / 2
        threshold = min(max(threshold + (t * rate if margin < 0 else -t * rate), 0), 1)
        d = torch.where(d.abs() < threshold, 0, d)
    return best


def test_every_picture_goes_the_way_of_the_loop_by_hand():
    said, reader = labels(), network()
    steps = list(phosphene.attacks.sigma_zero(network(), X, said, steps=15))
    for i in (0, 3):
        many, picture = by_hand(lambda x: reader.model((x - 0.5) / 0.2), X[[i]], said[i], 15)
        assert 0 < many < 192 and steps[15].values[i] == many
        torch.testing.assert_close(steps[15].pictures[[i]], picture)


def test_in_the_end_as_few_values_as_a_linear_model_needs_go_to_the_bounds():
    given = far("l0", 600, classes=5)
    search = phosphene.attacks.sigma_zero(given.model, given.x, given.labels, steps=10)
    before = next(step for step in search if step.index == 10)
    assert (before.values > given.optimum).all()
    assert torch.equal(search.outcome.distances, given.optimum) and search.outcome.success.all()
    moved = search.outcome.inputs[search.outcome.inputs != given.x]
    assert ((moved == 0) | (moved == 1)).all()


def test_changes_that_are_not_needed_are_taken_back_the_least_worth_first_and_several_at_once():
    def model(x):  # class 1 where both of the last two are large, and the first eight don't matter
        return torch.stack([torch.full_like(x[:, 0], 0.5), x[:, -2:].amin(1)], 1)

    own = problems(model, torch.full((2, 10), 0.2).double(), [0, 0], norm="l0", eps=math.inf)
    nearest = Nearest(own)
    found = torch.full_like(own.x, 0.6)
    found[1, :5] = own.x[1, :5]
    nearest.see(found, own.rows, own.answers(found, own.rows))
    assert nearest.distances.tolist() == [10, 5]
    worth = torch.arange(10.0).double().expand(2, 10)
    steps = list(_taken_back(own, nearest, own.rows, torch.ones_like(own.x), worth, 7))
    assert nearest.distances.tolist() == [2, 2] and (nearest.pictures.flatten(1)[:, -2:] == 1).all()
    assert [step.index for step in steps] == list(range(8, 8 + len(steps)))
    assert [step.values.tolist() for step in steps[:4]] == [[10, 5], [8, 4], [6, 3], [4, 2]]


@pytest.mark.slow
def test_a_row_of_a_batch_is_attacked_as_it_is_alone():
    said = labels()
    together = phosphene.attacks.sigma_zero(network(), X, said, steps=12).outcome
    for i in (1, 3):
        alone = phosphene.attacks.sigma_zero(network(), X[[i]], said[[i]], steps=12).outcome
        torch.testing.assert_close(together.inputs[[i]], alone.inputs)
        assert together.forwards[i] == alone.forwards and together.backwards[i] == alone.backwards


def test_targeted_and_within_other_bounds_it_finds_the_same_as_within_0_and_1():
    given = far("l0", 60, classes=3)
    goal = (given.labels + 1) % 3
    low, high = torch.full((60,), -2.0).double(), torch.full((60,), 6.0).double()
    plain = phosphene.attacks.sigma_zero(given.model, given.x, goal, targeted=True, steps=20).outcome
    wide = phosphene.attacks.sigma_zero(
        lambda x: given.model((x + 2) / 8), 8 * given.x - 2, goal, targeted=True, steps=20, bounds=(low, high)
    ).outcome
    assert plain.success.all() and torch.equal(plain.distances, wide.distances)
    torch.testing.assert_close(wide.inputs, 8 * plain.inputs - 2)


def test_what_says_something_else_already_is_asked_once_and_stays():
    said = labels()
    said[2] = (said[2] + 1) % 4
    victim = Victim(network())
    *_, last = phosphene.attacks.sigma_zero(victim, X, said, steps=12)
    assert victim.forwards[2] == 1 and victim.forwards[[0, 1, 3]].min() > 12
    assert torch.equal(last.pictures[2], X[2]) and last.values[2] == 0 and not last.alive[2]


def test_without_bounds_it_is_a_mistake():
    given = far("l0", 10)
    with pytest.raises(Mistake, match="sigma_zero needs bounds: without them it is enough to change one value"):
        next(phosphene.attacks.sigma_zero(given.model, given.x, given.labels, bounds=(-math.inf, math.inf)))
