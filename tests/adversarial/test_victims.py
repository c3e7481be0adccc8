"""Victims: a network and a callable answer alike, and count what they are asked picture by picture."""

import torch
from torch import nn

from phosphene.adversarial.victims import Victim
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.terms import cross_entropy
from tests.small import noise


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).double()


def test_a_callable_is_read_as_the_network_is_and_so_is_its_gradient():
    x, rows, term = noise(3, 3, 8, 8), torch.tensor([2, 0, 1]), cross_entropy([1, 4, 0])
    by_network, by_call = Victim(Network(model(), size=8)), Victim(model())
    one, other = (victim.objective(term)(x, rows, Key().at(0)) for victim in (by_network, by_call))
    torch.testing.assert_close(one.values, other.values)
    torch.testing.assert_close(one.gradients, other.gradients)
    torch.testing.assert_close(one.outputs["logits"], model()(x).detach())
    torch.testing.assert_close(other.outputs["logits"], model()(x).detach())
    torch.testing.assert_close(by_network.logits(x, rows), by_call.logits(x, rows))


def test_forwards_and_backwards_are_counted_for_each_picture():
    victim, x = Victim(model()), noise(3, 3, 8, 8)
    victim.logits(x, torch.arange(3))
    victim.objective(cross_entropy([0, 0, 0, 0, 0]))(x[:2], torch.tensor([4, 1]), Key().at(0))
    assert victim.forwards.tolist() == [1, 2, 1, 0, 1] and victim.backwards.tolist() == [0, 1, 0, 0, 1]


def test_logits_at_several_positions_count_by_their_mean():
    network = Network(nn.Sequential(nn.Conv2d(3, 5, 3)).double(), size=8)
    found = Victim(network).logits(noise(2, 3, 8, 8), torch.arange(2))
    torch.testing.assert_close(found, network.model(noise(2, 3, 8, 8)).detach().mean((2, 3)))


def test_a_victim_is_itself_and_anything_else_becomes_one():
    victim, call = Victim(model()), model()
    assert Victim.of(victim) is victim and Victim.of(call).classifier is call
