"""Checks that attack: each finds what it is there for, made by attacks that are wrong in just one way."""

import pytest
import torch

from phosphene.adversarial.evaluation import probes
from phosphene.adversarial.evaluation.evidence import Trial, attempt
from tests.adversarial.defences import DEFENCES, EPS, base, stains
from tests.adversarial.evaluation.subjects import evidence

WEAK = {"steps": 3, "step_size": EPS / 64}


def scripted(**found):
    """Attacks by name that fool with the pictures of which they are told, by radius or at any."""

    def made(name, victim, x, labels, *, norm, eps, **options):
        which = found.get(name, {})
        some = which.get(eps, which.get(None, ())) if isinstance(which, dict) else which
        success = torch.tensor([i in some for i in range(len(x))])
        return Trial(success, success)

    return made


def subject(fooled=(), **others):
    """Eight pictures of the base, of which the evaluation got these."""
    one = evidence(base(), 8, eps=EPS, weak={"steps": 0, "random_start": False}, **others)
    one.fooled[list(fooled)] = True
    return one


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_attack_passes_its_own_test(norm):
    one = evidence(base(), 4)
    object.__setattr__(one, "norm", norm)
    assert probes.self_test(one).outcome == "pass"


@pytest.mark.parametrize("share", [0.9, 1.2])
def test_an_attack_that_takes_another_radius_than_it_is_given_fails_its_own_test(share):
    def cheating(name, victim, x, labels, *, norm, eps, **options):
        return attempt(name, victim, x, labels, norm=norm, eps=share * eps, **options)

    said = probes.self_test(evidence(base(), 4, attempt=cheating))
    assert said.outcome == "fail" and "16 of 32 radii" in said.words


def test_what_was_seen_to_fool_and_is_not_returned_is_noticed():
    def forgetful(name, victim, x, labels, **options):
        found = attempt(name, victim, x, labels, **options)
        return Trial(torch.zeros_like(found.success), found.seen)

    said = probes.returned(evidence(base(), 8, attempt=forgetful))
    assert said.outcome == "fail" and said.images == tuple(range(8))
    assert probes.returned(evidence(base(), 8)).outcome == "pass"


def test_a_single_step_that_does_better_is_noticed():
    assert probes.single_step(evidence(base(), 8, weak=WEAK)).images == tuple(range(8))
    assert probes.single_step(evidence(base(), 8)).outcome == "pass"
    lucky = subject(fooled=[0, 1, 2], attempt=scripted(fgsm=[0, 1, 2], pgd=[0]))
    assert probes.single_step(lucky).images == (1, 2)


def test_an_attack_of_too_few_steps_is_noticed():
    said = probes.more_steps(evidence(base(), 8, weak=WEAK))
    assert (said.outcome, said.next, said.images) == ("fail", "--attacks standard", tuple(range(8)))
    assert probes.more_steps(evidence(base(), 8)).outcome == "pass"


def test_success_that_goes_away_with_a_larger_radius_is_noticed():
    half = {0.5 * EPS: [0, 1, 2, 3], EPS: [0, 1, 2, 3], 2 * EPS: [0], 4 * EPS: [0, 1, 2, 3]}
    assert probes.monotone(subject(attempt=scripted(pgd=half))).images == (1, 2, 3)
    more = {0.5 * EPS: [0], EPS: [0, 1], 2 * EPS: [0, 1, 2], 4 * EPS: range(8)}
    assert probes.monotone(subject(attempt=scripted(pgd=more))).outcome == "pass"


def test_what_does_not_fool_without_a_bound_is_noticed():
    assert probes.unbounded(evidence(base(), 8)).outcome == "pass"
    said = probes.unbounded(subject(attempt=scripted(pgd={1.0: [0, 1, 2, 3]})))  # which four go whatever is straight
    assert (said.outcome, said.images, said.next) == ("fail", (4, 5, 6, 7), "--bpda 0")


def test_an_attack_without_gradients_that_finds_more_is_noticed():
    said = probes.without_gradients(subject(fooled=[0, 1], attempt=scripted(square=[0, 1, 2])))
    assert said.images == (2, 3, 4)  # the first three of those that were left
    assert probes.without_gradients(subject(attempt=scripted(square=[5]))).outcome == "pass"


@pytest.mark.slow
def test_random_changes_find_more_where_the_attack_was_blind():
    said = probes.at_random(evidence(base(), 16, eps=8 * EPS, weak={"steps": 0, "random_start": False}))
    assert said.outcome == "fail" and said.next == "--attacks standard"
    assert probes.at_random(evidence(base(), 16, eps=EPS / 4)).outcome == "pass"


@pytest.mark.slow
def test_what_fools_another_network_is_tried():
    x, y = stains(8, seed=2)
    blind = evidence(DEFENCES["quantization"](), x=x, labels=y, surrogates=[base()])
    assert len(probes.transferred(blind).images) >= 6
    assert probes.transferred(evidence(base(), 8, surrogates=[base()])).outcome == "pass"
