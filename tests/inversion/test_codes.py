"""Codes: of which layers, what they are, and how far a picture is from one."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.units.default_layers import stages
from phosphene.inversion.codes import blocks, chosen_layers, distance, errors, read_codes
from tests.small import Tokens, convnet, noise


def test_all_are_the_layers_that_blocks_end_with_and_each_comes_once():
    network = convnet()
    assert chosen_layers(network, ["conv2", "all", "conv2#1"]) == ["conv2", *stages(network)]
    assert len(stages(network)) > 2


def test_blocks_are_modules_where_there_are_some():
    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)
            self.block = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.ReLU())
            self.fc = torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.block(self.conv(x).relu()).mean((2, 3)))

    network = Network(Mixed().double(), size=16)
    assert stages(network) == ["relu", "block"]
    assert blocks(network) == chosen_layers(network, "all") == ["block"]


def test_without_a_layer_it_is_one_above_the_middle():
    assert len(chosen_layers(convnet(), None)) == len(chosen_layers(convnet(), [])) == 1


def test_a_layer_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(Mistake, match="conv2"):
        chosen_layers(convnet(), "conv22")
    with pytest.raises(Mistake, match="no layer 'log-probability'"):
        chosen_layers(convnet(), "log-probability")


@pytest.mark.parametrize(("name", "of"), [("probabilities", torch.softmax), ("log-probabilities", torch.log_softmax)])
def test_what_the_logits_mean_is_a_code_too(name, of):
    network, x, other = convnet(), noise(1, 3, 16, 16), noise(2, 3, 16, 16, seed=1)
    (code,) = read_codes(network, x, [name])
    wanted = of(network.model((x - 0.5) / 0.2), 1)
    torch.testing.assert_close(code.values, wanted)
    said = of(network.model((other - 0.5) / 0.2), 1)
    error = (said - wanted).square().sum(1) / wanted.square().sum()
    torch.testing.assert_close(errors(network, [code, code], other), error.detach())


def test_the_gradient_goes_through_the_probabilities():
    network, x = convnet(), noise(1, 3, 16, 16, seed=1)
    codes = read_codes(network, noise(1, 3, 16, 16), ["log-probabilities"])
    rows = torch.tensor([0])

    def value(pictures):
        wanted = codes[0].values
        said = network.model((pictures - 0.5) / 0.2).log_softmax(1)
        return (said - wanted).square().sum() / wanted.square().sum()

    leaf = x.clone().requires_grad_()
    value(leaf).backward()
    seen = gradient(network, distance(network, codes), keep=())(x, rows, Key())
    torch.testing.assert_close(seen.gradients, leaf.grad)


def test_a_network_without_probabilities_has_no_such_code():
    with pytest.raises(Mistake, match="no p"):
        read_codes(convnet(head="numbers"), noise(1, 3, 16, 16), ["probabilities"])


def test_a_single_number_is_no_code():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 1)).double()
    with pytest.raises(Mistake, match="single number"):
        read_codes(Network(model, size=16), noise(1, 3, 16, 16), ["2"])


def test_tokens_are_met_place_by_place():
    network, x = Network(Tokens().double(), size=16), noise(1, 3, 16, 16)
    (code,) = read_codes(network, x, ["mix"])
    assert errors(network, [code], x).item() == 0
    shifted = x.roll(4, 3)  # the same tokens, at other places
    assert errors(network, [code], shifted).item() > 0.01
