"""Checks of answers: probabilities, randomness, memory and company are noticed, and their absence is."""

import pytest
import torch
from torch import nn

from phosphene.adversarial.adaptive import eot
from phosphene.adversarial.evaluation.answers import alone, logits, repeatable
from phosphene.core.networks.network import Network
from tests.adversarial.defences import DEFENCES, Softmax, base, guarded
from tests.adversarial.evaluation.subjects import evidence

CHECKS = [logits, repeatable, alone]


@pytest.mark.parametrize("check", CHECKS)
def test_a_plain_network_passes(check):
    for victim in (base(), Network(base(), size=8)):
        said = check(evidence(victim, 8))
        assert said.outcome == "pass" and said.images == () and said.next == ""


def test_probabilities_given_as_logits_are_noticed():
    said = logits(evidence(guarded(base(), exit=Softmax()), 8))
    assert (said.outcome, said.next, said.images) == ("fail", "--head probabilities", tuple(range(8)))
    assert logits(evidence(Network(guarded(base(), exit=Softmax()), size=8), 8)).outcome == "pass"


@pytest.mark.slow
def test_probabilities_of_one_are_led_past_the_module_that_makes_them():
    said = logits(evidence(Network(DEFENCES["sure probabilities"](), size=8), 8))
    assert (said.outcome, said.next) == ("fail", "--bpda exit.1") and "8 of 8 are 1 to the last digit" in said.words


def test_answers_that_are_drawn_are_to_be_averaged():
    torch.manual_seed(0)  # nine draws are the same once in 512 times
    said = repeatable(evidence(DEFENCES["random resizing"](), 8))
    assert (said.outcome, said.next) == ("fail", "--eot 20")
    assert alone(evidence(DEFENCES["random resizing"](), 8)).outcome == "pass"


def test_a_network_that_draws_is_noticed_though_it_is_read_with_the_same_numbers():
    with pytest.warns(UserWarning, match="answers differently each time"):
        one = evidence(Network(DEFENCES["random resizing"](), size=8), 6)
    said = repeatable(one)
    assert (said.outcome, said.next, len(said.images)) == ("fail", "--eot 20", len(one))


@pytest.mark.parametrize("check", CHECKS)
def test_the_mean_over_draws_passes(check):
    assert check(evidence(eot(DEFENCES["random resizing"](), 3), 4)).outcome == "pass"


class Remembering(nn.Module):
    """Its answer depends on how often it was asked."""

    def __init__(self):
        super().__init__()
        self.inner, self.asked = base(), 0

    def forward(self, x):
        self.asked += 1
        return self.inner(x) * (1 + 0.01 * self.asked)


def test_a_memory_is_no_randomness():
    said = repeatable(evidence(Remembering().eval(), 4))
    assert said.outcome == "fail" and "what it was asked before" in said.words and said.next == ""


class Crowd(nn.Module):
    """Statistics of the batch: what BatchNorm does in training mode."""

    def forward(self, x):
        return base()(x) - base()(x).mean(0)


@pytest.mark.slow
def test_pictures_that_change_each_others_answers_are_noticed():
    said = alone(evidence(Crowd(), 16))
    assert (said.outcome, said.next, said.images) == ("fail", "--batch 1", tuple(range(8)))
    with pytest.warns(UserWarning, match="influence each other"):
        assert alone(evidence(Network(Crowd(), size=8), 4)).outcome == "pass"  # a network is read one at a time


def test_training_mode_is_named():
    model = nn.Sequential(nn.Dropout(0.2), base())
    said = repeatable(evidence(model.train(), 8))
    model.eval()
    assert said.outcome == "fail" and "training mode" in said.words
