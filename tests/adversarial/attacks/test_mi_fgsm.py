"""Momentum by hand, with views too, and what it asks."""

import pytest
import torch
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.norms import size
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from tests.small import convnet, levels, noise

X, LABELS = levels(3, 3, 8, 8, low=20, high=235).double(), torch.tensor([0, 1, 2])
VIEWS = {"diverse": True, "translations": 3, "scales": 2}


def last(steps):
    *_, step = steps
    return step


def by_hand(model, x, label, eps, steps, momentum, scales):
    """Algorithm 1 of arXiv:1710.06081, the gradient being the mean over scales (arXiv:1908.06281); all points."""
    moved, g, seen = x, torch.zeros_like(x), []
    for _ in range(steps + 1):
        leaf = moved.clone().requires_grad_()
        losses = [F.cross_entropy(model((leaf / 2**i - 0.5) / 0.2), label) for i in range(scales)]
        seen.append((losses[0].item(), moved))
        (gradient,) = torch.autograd.grad(sum(losses) / scales, leaf)
        g = momentum * g + gradient / gradient.abs().sum()
        moved = moved + eps / 10 * g.sign()
        moved = torch.maximum(torch.minimum(moved, x + eps), x - eps).clamp(0, 1)
    return seen


@pytest.mark.parametrize(("momentum", "scales"), [(1.0, 1), (0.5, 1), (1.0, 3)])
def test_every_picture_goes_the_way_of_the_algorithm_by_hand(momentum, scales):
    options = {"eps": 0.1, "momentum": momentum, "scales": scales, "until_fooled": False}
    found = last(phosphene.attacks.mi_fgsm(convnet(size=8), X, LABELS, **options))
    for i in range(3):
        seen = by_hand(convnet(size=8).model, X[[i]], LABELS[[i]], 0.1, 10, momentum, scales)
        value, pictures = max(seen, key=lambda one: one[0])
        torch.testing.assert_close(found.pictures[[i]], pictures)
        torch.testing.assert_close(found.values[i].item(), -value)


@pytest.mark.parametrize("views", [{}, VIEWS])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_row_of_a_batch_is_attacked_as_it_is_alone_and_stays_within(norm, views):
    options = {"eps": 0.1, "norm": norm, "steps": 4, "until_fooled": False} | views
    steps = list(phosphene.attacks.mi_fgsm(convnet(size=8), X, LABELS, key=Key(1, [7, 8, 9]), **options))
    for step in steps:
        assert size(step.pictures - X, norm).max() <= 0.1 + 1e-12
        assert step.pictures.min() >= 0 and step.pictures.max() <= 1
    alone = last(phosphene.attacks.mi_fgsm(convnet(size=8), X[[1]], LABELS[[1]], key=Key(1, [8]), **options))
    torch.testing.assert_close(steps[-1].pictures[[1]], alone.pictures)
    assert (steps[-1].values < steps[0].values).all()


def test_answers_and_values_are_those_of_the_picture_itself_whatever_views_it_has():
    network = convnet(size=8)
    step = next(phosphene.attacks.mi_fgsm(network, X, LABELS, until_fooled=False, **VIEWS))
    torch.testing.assert_close(step.outputs["logits"], network.model((X - 0.5) / 0.2).detach())
    expected = -F.cross_entropy(step.outputs["logits"], LABELS, reduction="none")
    torch.testing.assert_close(step.values, expected)


@pytest.mark.parametrize(("views", "asked"), [({}, 1), ({"scales": 3}, 3), ({"translations": 3}, 1), (VIEWS, 3)])
def test_it_asks_once_a_view_and_for_the_picture_itself_where_that_is_none(views, asked):
    victim = Victim(convnet(size=8))
    list(phosphene.attacks.mi_fgsm(victim, X, LABELS, steps=2, until_fooled=False, **views))
    assert victim.forwards.tolist() == [2 * asked + 1] * 3  # the last one is only looked at


def test_who_fools_leaves():
    network = convnet(size=8)
    labels = network.model((X - 0.5) / 0.2).argmax(1)
    eps = torch.tensor([1e-6, 0.9, 0.9], dtype=torch.float64)
    step = last(phosphene.attacks.mi_fgsm(network, X, labels, eps=eps))
    assert step.alive[0] and not step.alive.all()


def test_inputs_that_are_no_pictures_have_no_places():
    def model(x):
        return x[:, :3] * 2

    assert phosphene.attacks.mi_fgsm(model, noise(2, 5), [0, 0], scales=2, eps=1.0).outcome.success.all()
    with pytest.raises(Mistake, match="diverse and translations are for pictures"):
        list(phosphene.attacks.mi_fgsm(model, noise(2, 5), [0, 1], diverse=True))


def test_by_default_there_are_10_steps_of_a_tenth_of_the_radius_with_all_momentum():
    options = {"norm": "linf", "eps": 8 / 255, "steps": 10, "step_size": 0.8 / 255, "momentum": 1.0}
    usual = last(phosphene.attacks.mi_fgsm(convnet(size=8), X, LABELS, until_fooled=False))
    written = last(phosphene.attacks.mi_fgsm(convnet(size=8), X, LABELS, until_fooled=False, **options))
    torch.testing.assert_close(usual.pictures, written.pictures)
    assert usual.index == 10


def test_the_recipe_of_a_photograph_is_made_of_this_function():
    assert phosphene.mi_fgsm.attack is phosphene.attacks.mi_fgsm
