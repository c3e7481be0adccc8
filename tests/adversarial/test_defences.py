"""Broken defences: plain projected gradient descent is misled by each. What breaks them: evaluation/test_indicators."""

import pytest
import torch

from phosphene.adversarial.adaptive import bpda, eot, majority
from phosphene.adversarial.attacks.pgd import pgd
from phosphene.core.errors import Mistake
from phosphene.core.networks.restoring import same_random_numbers
from tests.adversarial.defences import DEFENCES, EPS, base, guarded, stains

PICTURES = stains(16, seed=2)


def robust(victim):
    """The share that it stays right about."""
    try:
        found = pgd.attack(victim, *PICTURES, eps=EPS, steps=20, step_size=EPS / 4).outcome
    except Mistake:  # no gradient to follow
        return float((victim(PICTURES.x).argmax(1) == PICTURES.y).float().mean())
    return float((~found.success & ~found.before).float().mean())


def test_the_base_is_right_about_every_stain_and_not_robust_at_all():
    assert (base()(PICTURES.x).argmax(1) == PICTURES.y).all()
    assert robust(base()) == 0


@pytest.mark.parametrize(
    ("name", "least"),
    [("quantization", 0.9), ("JPEG that cuts", 0.9), ("temperature", 0.9), ("sure probabilities", 0.8),
     ("reverse sigmoid", 0.7), ("k winners", 0.4)],
)  # fmt: skip
def test_plain_gradients_are_misled(name, least):
    assert robust(DEFENCES[name]()) >= least


def test_a_surrogate_for_the_winners_finds_more_than_their_own_gradient():
    victim = DEFENCES["k winners"]()
    assert robust(bpda(victim, "winners", torch.nn.functional.softplus)) <= robust(victim) - 0.15


@pytest.mark.slow
def test_random_resizing_survives_the_gradient_of_one_draw_and_not_the_mean_of_twenty():
    def right(victim):
        search = pgd.attack(victim, *PICTURES, eps=EPS, steps=8, step_size=EPS / 4, until_fooled=False)
        return float(majority(defence, search.outcome.inputs, 15).right(PICTURES.y).float().mean())

    defence = DEFENCES["random resizing"]()
    assert majority(defence, PICTURES.x, 15).right(PICTURES.y).all()
    assert right(lambda x: _of_one_draw(defence, x)) >= 0.5
    assert right(eot(defence, 20)) <= 0.1


def _of_one_draw(defence, x):
    """As a network is read: with the same random numbers each time."""
    with same_random_numbers():
        return defence(x)


def test_a_guarded_classifier_without_any_guard_is_the_classifier():
    assert torch.equal(guarded(base())(PICTURES.x), base()(PICTURES.x))
