"""The fast gradient sign over a batch of pictures."""

import pytest
import torch

import phosphene
from phosphene.adversarial.goals import like
from phosphene.adversarial.norms import dual
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from tests.small import levels, linear, noise

WEIGHT = noise(4, 3, 8, 8) - 0.5
X = levels(5, 3, 8, 8, low=60, high=190).double()


def test_every_picture_moves_by_the_radius_against_its_own_label():
    network = linear(WEIGHT, [0.0, 0, 0, 0])
    labels = network.model(X).argmax(1)
    first, last = phosphene.attacks.fgsm(network, X, labels, eps=0.02)
    x = X.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(network.model(x), labels, reduction="sum")
    torch.testing.assert_close(last.pictures, X + 0.02 * torch.autograd.grad(loss, x)[0].sign())
    assert torch.equal(first.pictures, X) and (last.values < first.values).all()


def test_targeted_it_goes_the_other_way_and_asks_twice():
    victim = Victim(linear(WEIGHT, [0.0, 0, 0, 0]))
    labels = torch.tensor([0, 1, 2, 3, 0])
    first, last = phosphene.attacks.fgsm(victim, X, labels, eps=0.02, targeted=True, until_fooled=False)
    p = [step.outputs["logits"].softmax(1)[torch.arange(5), labels] for step in (first, last)]
    assert (p[1] > p[0]).all()
    assert victim.forwards.tolist() == [2] * 5 and victim.backwards.tolist() == [1] * 5


def test_by_default_it_goes_8_of_255_and_what_fools_already_stays():
    right = linear(WEIGHT, [0.0, 0, 0, 0]).model(X).argmax(1)
    labels = torch.where(torch.arange(5) == 2, (right + 1) % 4, right)  # the third fools already
    *_, last = phosphene.attacks.fgsm(linear(WEIGHT, [0.0, 0, 0, 0]), X, labels)
    moved = (last.pictures - X).abs().amax((1, 2, 3)) * 255
    torch.testing.assert_close(moved, torch.tensor([8.0, 8, 0, 8, 8]).double())


def test_targeted_what_says_the_target_already_stays_and_the_others_move():
    network = linear(WEIGHT, [0.0, 0, 0, 0])
    said = network.model(X).argmax(1)
    labels = torch.where(torch.arange(5) == 1, said, (said + 1) % 4)
    *_, last = phosphene.attacks.fgsm(network, X, labels, eps=0.02, targeted=True)
    assert (last.pictures != X).flatten(1).any(1).tolist() == [True, False, True, True, True]


def test_at_the_ends_of_the_range_it_stays_in_the_range():
    x = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)]).double()
    *_, last = phosphene.attacks.fgsm(linear(WEIGHT, [0.0, 0, 0, 0]), x, torch.tensor([0, 0]), until_fooled=False)
    assert last.pictures.min() == 0 and last.pictures.max() == 1 and (last.pictures != x).any((1, 2, 3)).all()


def test_the_recipe_of_a_photograph_is_made_of_this_function():
    assert phosphene.fgsm.attack is phosphene.attacks.fgsm


@pytest.mark.parametrize("targeted", [False, True])
def test_by_the_logit_it_goes_along_the_sign_of_the_class_s_own_weights(targeted):
    network, labels = linear(WEIGHT, [0.0, 0, 0, 0]), torch.tensor([0, 1, 2, 3, 0])
    options = {"eps": 0.02, "targeted": targeted, "by": "logit", "until_fooled": False}
    *_, last = phosphene.attacks.fgsm(network, X, labels, **options)
    torch.testing.assert_close(last.pictures, X + (1 if targeted else -1) * 0.02 * WEIGHT[labels].sign())


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_on_a_linear_model_no_step_of_this_length_does_more(norm):
    network = linear(WEIGHT[:2], [0.0, 0.0])
    labels, eps = network.model(X).argmax(1), {"linf": 0.02, "l2": 0.3, "l1": 0.2}[norm]
    *_, last = phosphene.attacks.fgsm(network, X, labels, norm=norm, eps=eps, by="logit", until_fooled=False)
    fallen = ((last.pictures - X) * WEIGHT[labels]).flatten(1).sum(1)
    best = eps * dual(WEIGHT[labels], norm)
    torch.testing.assert_close(fallen, -best if norm != "l1" else -eps * _mean_of_the_largest(WEIGHT[labels]))


def _mean_of_the_largest(weights):
    return weights.abs().flatten(1).topk(2, 1).values.mean(1)  # a hundredth of 192 values


def test_a_goal_without_a_class_has_no_logit():
    with pytest.raises(Mistake, match="by logit needs a class"):
        list(phosphene.attacks.fgsm(linear(WEIGHT, [0.0] * 4), X, like(noise(1, 4), 0.1), by="logit"))
