"""The basic iterative method by hand, and its number of steps."""

import pytest
import torch
from torch.nn import functional as F

import phosphene
from phosphene.adversarial.attacks.bim import usual_steps
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from tests.small import convnet, levels

X, LABELS = levels(3, 3, 8, 8, low=20, high=235).double(), torch.tensor([0, 1, 2])


@pytest.mark.parametrize(("levels", "steps"), [(1, 2), (2, 3), (8, 10), (16, 20), (32, 36), (0, 0)])
def test_there_are_as_many_steps_as_in_the_paper(levels, steps):
    assert usual_steps(levels / 255, 1 / 255) == steps


def test_every_picture_goes_the_way_of_the_loop_by_hand():
    network, eps = convnet(size=8), 4 / 255
    *_, last = phosphene.attacks.bim(network, X, LABELS, eps=eps, until_fooled=False)
    assert last.index == 5
    for i in range(3):
        x = moved = X[[i]]
        seen = []
        for _ in range(6):
            leaf = moved.clone().requires_grad_()
            loss = F.cross_entropy(network.model((leaf - 0.5) / 0.2), LABELS[[i]])
            seen.append((loss.item(), moved))
            moved = moved + torch.autograd.grad(loss, leaf)[0].sign() / 255
            moved = torch.maximum(torch.minimum(moved, x + eps), x - eps).clamp(0, 1)
        torch.testing.assert_close(last.pictures[[i]], max(seen, key=lambda one: one[0])[1])


def test_it_begins_at_the_picture_and_who_fools_leaves():
    victim = Victim(convnet(size=8))
    labels = torch.where(torch.arange(3) == 1, (victim.logits(X, torch.arange(3)).argmax(1) + 1) % 4, LABELS)
    victim = Victim(convnet(size=8))
    first, *_ = phosphene.attacks.bim(victim, X, labels)
    assert torch.equal(first.pictures, X) and not first.alive[1] and victim.forwards[1] == 1


def test_where_each_has_its_own_radius_steps_are_asked_for():
    eps = torch.tensor([0.1, 0.2, 0.3])
    with pytest.raises(Mistake, match="bim's number of steps follows from eps"):
        list(phosphene.attacks.bim(convnet(size=8), X, LABELS, eps=eps))
    *_, last = phosphene.attacks.bim(convnet(size=8), X, LABELS, eps=eps, steps=3, until_fooled=False)
    assert last.index == 3


def test_the_recipe_of_a_photograph_is_made_of_this_function():
    assert phosphene.bim.attack is phosphene.attacks.bim
    for options, steps in (({}, 10), ({"eps": 4 / 255}, 5), ({"steps": 7}, 7)):
        run = phosphene.bim(convnet(size=8), levels(3, 8, 8), **options)
        assert run.total == steps == [step.index for step in run][-1]
