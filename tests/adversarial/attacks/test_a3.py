"""Many targets, then the nearest again: a loop by hand, closed forms, who leaves and who is tried again."""

import math

import pytest
import torch

import phosphene
from phosphene.adversarial.norms import size
from phosphene.adversarial.victims import Victim
from phosphene.core.optimization.keys import Key
from tests.adversarial.attacks.linear_problems import far
from tests.small import convnet, levels, linear, noise

X = levels(5, 3, 16, 16, low=60, high=190).double()
ONCE = {"tries": 0, "targets": 1}


def labels_of(network):
    return network.read(X, ["logits"])["logits"].argmax(1)


def by_hand(answer, x, margin, eps, steps):
    """Sign steps of falling length from the picture itself; the one of the smallest margin, the last step included."""
    moved, seen = x, []
    for k in range(steps + 1):
        leaf = moved.clone().requires_grad_()
        value = margin(answer(leaf))
        seen.append((float(value.detach()), moved))
        length = 2 * eps * (1 + math.cos(math.pi * k / steps)) / 2
        moved = moved - length * torch.autograd.grad(value, leaf)[0].sign()
        moved = torch.maximum(torch.minimum(moved, x + eps), x - eps).clamp(0, 1)
    return min(seen, key=lambda one: one[0])[1]


@pytest.mark.slow
def test_the_first_turn_is_the_loop_by_hand_down_the_margin():
    network = convnet()
    y = labels_of(network)
    eps, steps = 1e-4, 6  # so little that nothing is fooled
    found = phosphene.attacks.a3(Victim(network), X, y, eps=eps, steps=steps, **ONCE).outcome

    def answer(pictures):
        return network.read(pictures, ["logits"])["logits"][0]

    for i, own in enumerate(y.tolist()):
        expected = by_hand(
            answer, X[[i]], lambda z, own=own: z[own] - torch.cat([z[:own], z[own + 1 :]]).max(), eps, steps
        )
        torch.testing.assert_close(found.inputs[[i]], expected)
    assert not found.success.any()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.slow
def test_on_linear_models_it_needs_hardly_more_than_the_optimum_and_never_less(norm):
    case = far(norm, 100, classes=4)
    for factor, fooled in ((1.05 if norm != "l1" else 1.3, True), (0.999, False)):
        found = phosphene.attacks.a3(case.model, case.x, case.labels, norm=norm, eps=factor * case.optimum).outcome
        assert (found.success == fooled).all(), factor


@pytest.mark.slow
def test_a_row_of_a_batch_is_the_same_problem_alone():
    network = convnet()
    y = labels_of(network)
    options = {"eps": 0.02, "steps": 3, "hopeless": 1.0, "tries": 2}
    every = phosphene.attacks.a3(network, X, y, key=Key(5), **options).outcome
    for i in range(5):
        alone = phosphene.attacks.a3(network, X[[i]], y[[i]], key=Key(5).of([i]), **options).outcome
        assert torch.equal(alone.inputs[0], every.inputs[i])
        assert alone.forwards[0] == every.forwards[i]


@pytest.mark.slow
def test_at_every_step_all_are_within_the_ball_and_the_bounds_and_the_margin_never_rises():
    network = convnet()
    x = X.clone()
    x[0], x[1] = 0, 1
    before = torch.full((5,), math.inf).double()
    for step in phosphene.attacks.a3(network, x, labels_of(network), eps=0.02, steps=3, hopeless=1.0):
        assert size(step.pictures - x, "linf").max() <= 0.02 + 1e-12
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
        assert (step.values <= before).all()
        before = step.values


def test_what_fools_leaves_and_the_targets_take_one_turn_each():
    victim = Victim(linear(noise(4, 3, 16, 16) - 0.5, [0.0, 0, 0, 0]))
    y = victim.logits(X, torch.arange(5)).argmax(1)
    near = phosphene.attacks.a3(Victim(victim.classifier), X, y, eps=0.5, steps=10).outcome
    assert near.success.all() and (near.forwards <= 2 + 2 + 1).all()
    never = phosphene.attacks.a3(Victim(victim.classifier), X, y, eps=1e-6, steps=10).outcome
    verified = 3  # what it says of the picture, before and afterwards, and what it says of what is returned
    assert not never.success.any()
    assert never.backwards.tolist() == [3 * 11] * 5  # three other classes; nobody came near enough for more
    assert never.forwards.tolist() == [3 * 11 + verified] * 5


def test_those_that_came_near_are_tried_again_from_anywhere():
    case = far("linf", 100, classes=2, n=2)
    options = {"steps": 4, "tries": 3}
    for part, tries in ((0.4, 0), (0.9, 3)):  # of the way to the boundary: hopeless is half of the margin
        victim = Victim(case.model)
        found = phosphene.attacks.a3(victim, case.x, case.labels, eps=part * case.optimum, **options).outcome
        assert found.backwards.tolist() == [5 + 13 * tries] * 2


def test_towards_a_class_there_is_one_goal_alone():
    network = convnet()
    goal = (labels_of(network) + 1) % 4
    found = phosphene.attacks.a3(Victim(network), X, goal, eps=1e-4, targeted=True, steps=4, tries=0).outcome
    assert found.backwards.tolist() == [5] * 5


def test_followed_to_the_end_the_best_is_returned():
    network = convnet()
    y = labels_of(network)
    options = {"eps": 0.1, "steps": 4, "tries": 1}
    stopped = phosphene.attacks.a3(network, X, y, **options).outcome
    went_on = phosphene.attacks.a3(network, X, y, until_fooled=False, **options).outcome
    assert (went_on.margins <= stopped.margins).all() and (went_on.forwards >= stopped.forwards).all()
