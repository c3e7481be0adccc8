"""Every check on every subject: what is broken is flagged by the check that fits, and what it suggests breaks it."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from phosphene.adversarial.adaptive import bpda, eot, majority
from phosphene.adversarial.attacks.apgd import apgd
from phosphene.adversarial.attacks.pgd import pgd
from phosphene.adversarial.attacks.square import square
from phosphene.adversarial.evaluation.evidence import SAMPLE, Check, Trial
from phosphene.adversarial.evaluation.indicators import CHECKS, READING, checks
from phosphene.adversarial.evaluation.verdict import verdict
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from phosphene.models.specs import load
from tests.adversarial.defences import (
    DEFENCES,
    EPS,
    Jpeg,
    Quantization,
    RandomResizePad,
    Temperature,
    base,
    guarded,
    stains,
)
from tests.adversarial.evaluation.subjects import evidence

pytestmark = pytest.mark.slow

FLAGGED = {
    "quantization": ("gradients", "--bpda door"),
    "JPEG that cuts": ("gradients", "--bpda door"),
    "random resizing": ("repeatable", "--eot 20"),
    "temperature": ("gradients", "--attacks standard"),
    "reverse sigmoid": ("unbounded", "--bpda exit"),
    "k winners": ("derivative", "--attacks standard"),
}
"""By which check first, and what is to be run next."""


def first(one) -> Check:
    """The first check that does not pass."""
    return next(check for check in checks(one) if check.outcome != "pass")


def left(victim, next, x, labels, eps):
    """Of how many a victim stays right, attacked as is suggested; random ones decide by majority."""
    option, _, word = next.partition(" ")
    if option == "--eot":
        search = pgd.attack(eot(victim, int(word)), x, labels, eps=eps, steps=10, step_size=eps / 4, until_fooled=False)
        return float(majority(victim, search.outcome.inputs, 15).right(labels).float().mean())
    if option == "--bpda":
        made = [pgd.attack(bpda(victim, word), x, labels, eps=eps, steps=10, step_size=eps / 4)]
    else:  # two of the standard attacks, with smaller budgets
        made = [apgd.attack(victim, x, labels, eps=eps, steps=20, loss="dlr")]
        made += [square.attack(victim, x, labels, eps=eps, queries=300)]
    right = ~made[0].outcome.before
    for search in made:
        right &= ~search.outcome.success
    return float(right.float().mean())


@pytest.mark.parametrize("name", FLAGGED)
def test_a_broken_defence_is_flagged_by_the_check_that_fits(name):
    said = first(evidence(DEFENCES[name](), 24))
    assert (said.name, said.outcome, said.next) == (FLAGGED[name][0], "fail", FLAGGED[name][1])


@pytest.mark.parametrize("name", FLAGGED)
def test_what_is_suggested_breaks_it(name):
    most = 0.25 if name == "k winners" else 0.1  # its wide layer is a little robust; the gradient leaves .4
    assert left(DEFENCES[name](), FLAGGED[name][1], *stains(16, seed=2), EPS) <= most


def test_probabilities_that_are_sure_are_flagged_and_led_past():
    network = Network(DEFENCES["sure probabilities"](), size=8)
    with pytest.warns(UserWarning, match="returns probabilities"):
        said = first(evidence(network, 16))
    assert (said.name, said.next) == ("logits", "--bpda exit.1")
    assert left(network, said.next, *stains(16, seed=2), EPS) <= 0.1


def test_a_far_too_weak_attack_is_flagged():
    said = first(evidence(base(), 8, weak={"steps": 5, "step_size": EPS / 50}))
    assert (said.name, said.outcome, said.next) == ("single step", "fail", "--attacks standard")
    assert left(base(), said.next, *stains(8, seed=2), EPS) == 0


def at_once(name, victim, x, labels, **options):
    """An attack that fools with everything."""
    every = torch.ones(len(x), dtype=torch.bool)
    return Trial(every, every)


def names(**others):
    return [check.name for check in checks(dataclasses.replace(evidence(base(), 4, attempt=at_once), **others))]


def test_no_check_has_the_name_of_another_and_transfer_is_checked_where_there_is_another_network():
    every = names(surrogates=[base()])
    assert len(set(every)) == len(every) == len(CHECKS) + 1 and every[-1] == "transferred"
    assert names() == every[:-1]


def test_with_l1_the_same_is_asked():
    assert names(norm="l1", eps=4.0) == names()


def test_with_l0_the_network_alone_is_asked():
    one = dataclasses.replace(evidence(base(), 8), norm="l0", eps=3.0)
    assert [check.outcome for check in checks(one)] == ["pass"] * len(READING)


def test_what_hides_nothing_passes_every_check_and_is_asked_little():
    one = evidence(base(), 4, eps=EPS / 16)
    before, every = one.victim.forwards.sum(), list(checks(one))
    assert one.robust.all() and [check.outcome for check in every] == ["pass"] * len(CHECKS)
    assert verdict(every, 4, 4, one.eps) == (
        "robust accuracy 100.0 % [51.0, 100.0] at 1/255; 13 of 13 checks pass; believe it"
    )
    assert (one.victim.forwards.sum() - before) / 4 <= 600


def cifar(data, network):
    with np.load(data / "cifar10_test_200.npz") as file:
        x, y = torch.from_numpy(file["X"]).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(file["y"]).long()
    rows = (network.read(x, ["logits"])["logits"].argmax(1) == y).nonzero().flatten()[:SAMPLE]
    return x[rows], y[rows]


SOUND = [("cifar_cnn_a_adv", 2), ("cifar_cnn_a_adv", 8), ("cifar_cnn_a_mix", 2), ("cifar_resnet20", 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "levels"), SOUND)
def test_a_sound_network_is_flagged_by_none(data, shared_network, name, levels):
    network = shared_network(name)
    x, y = cifar(data, network)
    every = list(checks(evidence(network, x=x, labels=y, eps=levels / 255)))
    assert [(check.name, check.outcome) for check in every if check.outcome != "pass"] == []


@pytest.mark.slow
def test_the_robust_network_of_the_package_is_flagged_by_none(data):
    network = load("embedded:photo-robust")
    photos = sorted((data / "imagenet_200").glob("*.jpg"))[:24]
    x = torch.cat([feed(network, photo, "crop") for photo in photos])
    y = network.head.decided(network.read(x, ["logits"])["logits"])
    every = list(checks(evidence(network, x=x, labels=y, eps=4 / 255)))
    assert [(check.name, check.outcome) for check in every if check.outcome != "pass"] == []


class Pixels(nn.Module):
    """A model that takes pictures in [0, 1]."""

    def __init__(self, network):
        super().__init__()
        self.model, self.normalization = network.model, network.normalization

    def forward(self, x):
        return self.model(self.normalization(x, grey=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guards", "name", "next"),
    [({"door": Quantization(8)}, "gradients", "--bpda door"), ({"door": Jpeg(cut=True)}, "gradients", "--bpda door"),
     ({"exit": Temperature(1000.0)}, "gradients", "--attacks standard"),
     ({"door": RandomResizePad(0.9)}, "repeatable", "--eot 20")],
)  # fmt: skip
def test_a_guarded_network_is_flagged_and_falls_to_what_it_is_without_its_guard(
    data, shared_network, guards, name, next
):
    network = shared_network("cifar_cnn_a_adv")
    x, y = cifar(data, network)
    bare = Pixels(network)
    victim = guarded(bare, **guards)
    one = evidence(victim, x=x, labels=y, eps=8 / 255)
    said = first(one)
    assert (said.name, said.next) == (name, next)
    base_left, own_left = left(bare, "", x, y, 8 / 255), left(victim, next, x, y, 8 / 255)
    print(name, guards, float(one.robust.float().mean()), base_left, own_left)
    assert own_left <= base_left + 0.1
