"""Checks of gradients: against closed forms, and on functions whose gradient is missing or another's."""

import pytest
import torch
from torch import nn

from phosphene.adversarial.adaptive import Straight
from phosphene.adversarial.evaluation.slopes import derivative, finite_differences, gradients
from phosphene.adversarial.problems import problems
from phosphene.core.networks.network import Network
from tests.adversarial.defences import DEFENCES, Quantization, base, guarded, winners
from tests.adversarial.evaluation.subjects import evidence
from tests.small import noise, normal


@pytest.mark.parametrize("victim", [base(), Network(base(), size=8)])
def test_a_plain_network_has_a_gradient_that_tells_what_it_does(victim):
    for check in (gradients, derivative):
        assert check(evidence(victim, 8)).outcome == "pass"


@pytest.mark.parametrize("name", ["quantization", "JPEG"])
def test_a_gradient_of_nothing_is_led_past_the_module_that_makes_it(name):
    said = gradients(evidence(DEFENCES[name](), 8))
    assert (said.outcome, said.next) == ("fail", "--bpda door") and len(said.images) >= 7


def test_where_two_modules_cut_none_alone_is_named():
    said = gradients(evidence(guarded(guarded(base(), door=Quantization(8)), door=Quantization(40)), 8))
    assert (said.outcome, said.next) == ("fail", "--bpda MODULE")


def test_a_saturated_loss_is_left_to_attacks_on_margins():
    said = gradients(evidence(DEFENCES["temperature"](), 8))
    assert (said.outcome, said.next) == ("fail", "--attacks standard") and "margins have" in said.words


def test_a_saturated_loss_is_no_fault_of_an_evaluation_that_went_by_margins():
    done = evidence(DEFENCES["temperature"](), 8, attacks=frozenset({"apgd", "square"}))
    assert gradients(done).outcome == "pass" and done.iterated.success.all()


@pytest.mark.slow
def test_a_function_that_jumps_does_other_than_its_gradient_says():
    said = derivative(evidence(winners(), 24))
    assert (said.outcome, said.next) == ("fail", "--attacks standard")
    assert gradients(evidence(winners(), 8)).outcome == "pass"


def test_a_gradient_that_is_turned_round_is_noticed():
    turned = nn.Sequential(base(), _Turned())
    assert gradients(evidence(turned, 8)).outcome == "pass"
    said = derivative(evidence(turned, 8))
    assert said.outcome == "fail" and said.images == tuple(range(8))


class _Turned(nn.Module):
    def forward(self, z):
        return Straight(lambda z: z, lambda z: -z)(z)


def test_without_any_gradient_nothing_is_compared():
    assert derivative(evidence(DEFENCES["JPEG that cuts"](), 4)).words.startswith("not compared")
    assert derivative(evidence(DEFENCES["quantization"](), 4)).words.startswith("not compared")


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_of_a_linear_function_the_finite_difference_is_the_gradient(norm):
    w = normal(3, 48)
    given = problems(lambda x: x.flatten(1) @ w.T, noise(4, 3, 4, 4), torch.tensor([0, 1, 2, 0]), norm=norm, eps=0.01)
    torch.testing.assert_close(finite_differences(given, 1e-5), torch.ones(4, dtype=torch.float64), rtol=1e-6, atol=0)


def test_of_a_cube_it_is_off_by_the_square_of_the_step():
    x, y, h = noise(3, 3, 4, 4), torch.zeros(3, dtype=torch.long), 0.1
    given = problems(lambda x: torch.stack([_first(x) ** 3, 0 * _first(x)], 1), x, y, eps=0.01)
    at = _first(given.anywhere())
    torch.testing.assert_close(finite_differences(given, h), 1 + h**2 / (3 * at**2))


def _first(x):
    return x[:, 0, 0, 0]
