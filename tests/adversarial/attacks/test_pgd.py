"""Projected gradient descent over a batch: a loop by hand, rows that stop, and the recipe that is made of it."""

import pytest
import torch
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.cases import rounded
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import convnet, levels, linear, noise

WEIGHT = noise(4, 3, 8, 8) - 0.5
X = levels(5, 3, 8, 8, low=60, high=190).double()


def network():
    return linear(WEIGHT, [0.0, 0, 0, 0])


def last(steps):
    *_, step = steps
    return step


def by_hand(model, x, labels, eps, step_size, steps, targeted, start):
    """Madry et al., one picture, every step taken."""
    moved = start
    for _ in range(steps):
        leaf = moved.clone().requires_grad_()
        loss = F.cross_entropy(model(leaf), labels)
        direction = torch.autograd.grad(loss, leaf)[0].sign()
        moved = moved - step_size * direction if targeted else moved + step_size * direction
        moved = torch.maximum(torch.minimum(moved, x + eps), x - eps).clamp(0, 1)
    return moved


@pytest.mark.parametrize("targeted", [False, True])
def test_every_picture_goes_the_way_of_the_loop_by_hand(targeted):
    labels, key = torch.tensor([0, 1, 2, 3, 0]), Key(3)
    options = {"eps": 0.03, "steps": 5, "step_size": 0.01, "targeted": targeted, "until_fooled": False}
    steps = list(phosphene.attacks.pgd(network().model, X, labels, key=key, **options))
    for i in range(5):
        start = (X[[i]] + 0.03 * (2 * key.uniform(torch.tensor([i]), 3, 8, 8) - 1)).clamp(0, 1)
        torch.testing.assert_close(steps[0].pictures[[i]], start)
        expected = by_hand(network().model, X[[i]], labels[[i]], 0.03, 0.01, 5, targeted, start)
        torch.testing.assert_close(steps[-1].pictures[[i]], expected)  # of a linear model the last is the best


@pytest.mark.slow
def test_a_picture_that_fools_leaves_the_batch_and_moves_no_more():
    victim = Victim(network())
    labels = victim.logits(X, torch.arange(5)).argmax(1)
    victim = Victim(network())
    steps = list(phosphene.attacks.pgd(victim, X, labels, eps=0.2, steps=200, step_size=0.0005, random_start=False))
    ended = [next(step.index for step in steps if not step.alive[i]) for i in range(5)]
    assert len(set(ended)) > 1 and min(ended) > 0 and steps[-1].index == max(ended)
    assert victim.forwards.tolist() == [index + 1 for index in ended]
    answers = victim.logits(steps[-1].pictures, torch.arange(5)).argmax(1)
    assert (answers != labels).all()
    for i, index in enumerate(ended):
        assert torch.equal(steps[-1].pictures[i], steps[index].pictures[i])
        assert steps[index - 1].outputs["logits"][i].argmax() == labels[i]


def test_a_row_of_a_batch_is_attacked_as_it_is_alone():
    labels, options = torch.tensor([0, 1, 2, 3, 0]), {"eps": 0.03, "steps": 6}
    together = last(phosphene.attacks.pgd(network(), X, labels, key=Key(1, [7, 8, 9, 10, 11]), **options))
    for i in (0, 3):
        alone = last(phosphene.attacks.pgd(network(), X[[i]], labels[[i]], key=Key(1, [7 + i]), **options))
        torch.testing.assert_close(together.pictures[[i]], alone.pictures)


@pytest.mark.parametrize("random_start", [False, True])
def test_all_pictures_stay_in_the_ball_and_in_the_box_at_every_step(random_start):
    x = levels(4, 3, 16, 16).double()
    options = {"eps": 0.1, "steps": 5, "step_size": 0.08, "random_start": random_start, "until_fooled": False}
    for step in phosphene.attacks.pgd(convnet(), x, torch.zeros(4, dtype=torch.long), **options):
        assert (step.pictures - x).abs().max() <= 0.1 + 1e-12 and 0 <= step.pictures.min() <= step.pictures.max() <= 1
    assert (step.pictures - x).abs().max() > 0.0999


def test_a_linear_model_is_fooled_exactly_beyond_its_margin():
    model, x = network().model, X[:1]
    logits = model(x)[0]
    winner, second = logits.argsort(descending=True)[:2]
    weights = model[1].weight.detach()
    radius = ((logits[winner] - logits[second]) / (weights[winner] - weights[second]).abs().sum()).item()
    for factor, wanted in ((0.98, False), (1.02, True)):
        options = {"eps": factor * radius, "targeted": True, "steps": 30}
        found = last(phosphene.attacks.pgd(model, x, second[None], random_start=False, **options))
        assert (model(found.pictures).argmax() == second).item() is wanted


def test_the_recipe_of_a_photograph_is_made_of_this_function_and_has_its_pixels():
    assert phosphene.pgd.attack is phosphene.attacks.pgd
    net, photo = convnet(), levels(3, 16, 16)
    run = phosphene.pgd(net, photo, eps=0.1, steps=6, seed=4)
    x = photo.double()[None]
    truth = net.model((x - 0.5) / 0.2).argmax(1)
    step = last(phosphene.attacks.pgd(net, x, truth, eps=0.1, steps=6, until_fooled=False, key=Key(4)))
    assert torch.equal(run.image, rounded(step.pictures, x, 0.1).float())


def test_a_step_is_a_tenth_of_the_radius_or_what_is_given():
    labels, options = torch.tensor([0, 1, 2, 3, 0]), {"eps": 0.03, "random_start": False, "until_fooled": False}
    for more, length in (({}, 0.003), ({"step_size": 0.002}, 0.002)):
        first, second, *_ = phosphene.attacks.pgd(network(), X, labels, **options, steps=2, **more)
        moved = (second.pictures - first.pictures).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, length))


@pytest.mark.slow
def test_by_default_there_are_40_steps_within_8_of_255_from_anywhere_and_those_that_fool_leave():
    labels = torch.tensor([0, 1, 2, 3, 0])
    usual = list(phosphene.attacks.pgd(network(), X, labels))
    written = {"eps": 8 / 255, "targeted": False, "until_fooled": True, "steps": 40, "random_start": True}
    assert torch.equal(usual[-1].pictures, last(phosphene.attacks.pgd(network(), X, labels, **written)).pictures)
    endless = list(phosphene.attacks.pgd(network(), X, labels, until_fooled=False))
    assert [step.index for step in endless] == list(range(41)) and endless[0].alive.all()
    assert torch.equal(usual[0].alive, usual[0].outputs["logits"].argmax(1) == labels) and not usual[0].alive.all()
    assert (usual[0].pictures - X).abs().amax() > 7.9 / 255


def test_a_random_start_is_anywhere_in_the_ball_and_in_the_box():
    x = torch.cat([X[:1], torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)]).double().repeat(100, 1, 1, 1)
    options = {"eps": 0.03, "steps": 0, "until_fooled": False}
    (only,) = phosphene.attacks.pgd(network(), x, torch.zeros(300, dtype=torch.long), **options)
    inside, black, white = ((only.pictures - x)[i::3] / 0.03 for i in range(3))
    parts = torch.histc(inside, 8, -1, 1) / inside.numel()
    torch.testing.assert_close(parts, torch.full_like(parts, 1 / 8), rtol=0.05, atol=0)
    for one, sign in ((black, 1), (white, -1)):
        assert ((sign * one).clamp(min=0) == sign * one).all() and abs((one == 0).double().mean() - 0.5) < 0.02


def test_impossible_numbers_are_mistakes():
    with pytest.raises(Mistake, match="0 is not a valid value for step_size: it must be"):
        phosphene.attacks.pgd(network(), X, torch.zeros(5, dtype=torch.long), step_size=0.0)
