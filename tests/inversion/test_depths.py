"""Pictures of several depths in one pass are what single passes make of them."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, grouped
from phosphene.inversion.codes import by_layer, distance, read_codes
from phosphene.inversion.depths import cut_in_two, in_depth
from tests.small import convnet, noise

LAYERS = ["conv3", "conv1", "log-probabilities", "relu2", "logits", "conv3"]


class Skipping(nn.Module):
    """What its second layer gets leads past the first one too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.out = nn.Sequential(OrderedDict(flat=nn.Flatten(), fc=nn.Linear(3 * 16 * 16, 4)))

    def forward(self, x):
        return self.out(self.second(x + self.first(x).relu()))


def problems_of(network, layers):
    codes = read_codes(network, noise(1, 3, 16, 16), layers)
    problems = list(by_layer(codes).values())
    return problems, [distance(network, [codes[i] for i in rows]) for rows in problems]


def separately(network, problems, terms):
    return grouped(problems, [gradient(network, term) for term in terms])


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [4, 0, 3], [5], [2, 4], [1, 3, 0]])
def test_values_and_gradients_are_those_of_single_passes(rows):
    network = convnet()
    problems, terms = problems_of(network, LAYERS)
    x, rows = noise(len(rows), 3, 16, 16, seed=2), torch.tensor(rows)
    one, other = (how(network, problems, terms)(x, rows, Key()) for how in (in_depth, separately))
    torch.testing.assert_close(one.values, other.values)
    torch.testing.assert_close(one.gradients, other.gradients)


def test_each_picture_goes_no_further_than_its_layer(monkeypatch):
    network = convnet()
    problems, terms = problems_of(network, ["conv1", "conv2", "conv3"])
    found, seen = in_depth(network, problems, terms), []
    for name in ("conv1", "conv2", "conv3"):
        module = network.model.get_submodule(name)
        module.register_forward_hook(lambda m, inputs, y, name=name: seen.append((name, len(inputs[0]))))
    found(noise(3, 3, 16, 16), torch.arange(3), Key())
    assert seen == [("conv1", 3), ("conv2", 2), ("conv3", 1)]


def test_where_a_path_leads_past_a_layer_each_one_has_a_pass_of_its_own():
    network = Network(Skipping().double(), size=16)
    assert not cut_in_two(network, ["first", "second"]) and cut_in_two(network, ["second", "logits"])
    problems, terms = problems_of(network, ["first", "second"])
    x, rows = noise(2, 3, 16, 16, seed=2), torch.arange(2)
    one, other = (how(network, problems, terms)(x, rows, Key()) for how in (in_depth, separately))
    torch.testing.assert_close(one.gradients, other.gradients)


def test_a_network_that_takes_one_picture_at_a_time_is_not_cut():
    class Lonely(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) - x.mean()

    torch.manual_seed(0)
    steps = OrderedDict(first=Lonely(3, 3, 3), second=nn.Conv2d(3, 3, 3), flat=nn.Flatten(), out=nn.Linear(432, 4))
    network = Network(nn.Sequential(steps).double(), size=16)
    assert not network.together and not cut_in_two(network, ["first", "second"])
