from collections import OrderedDict

import pytest
import torch
from torch import nn

import phosphene
from phosphene.core.networks.network import Network
from phosphene.style.layers import content_layer, is_residual, style_layers
from tests.small import Tokens, convnet


def vgg(deep=5):
    """VGG-19's convolutions up to relu5_1, of few channels."""
    steps, before = OrderedDict(), 3
    for block, many in enumerate((2, 2, 4, 4, 1)[:deep], 1):
        if block > 1:
            steps[f"pool{block - 1}"] = nn.MaxPool2d(2)
        for i in range(1, many + 1):
            steps[f"conv{block}_{i}"], before = nn.Conv2d(before, 4, 3, padding=1), 4
            steps[f"relu{block}_{i}"] = nn.ReLU()
    torch.manual_seed(0)
    return Network(nn.Sequential(steps), size=64)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.head = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 4), (4, 4), (4, 2)))

    def forward(self, x):
        x = self.stem(x).relu()
        return self.head((x + self.branch(x)).relu()).mean((2, 3))


def test_on_vgg_they_are_the_papers():
    assert style_layers(vgg()) == [f"relu{block}_1" for block in (1, 2, 3, 4, 5)]
    assert content_layer(vgg()) == "relu4_2"


def test_on_other_networks_they_see_about_as_much():
    network = phosphene.load("embedded:photo")
    assert style_layers(network) == ["conv1", "conv2", "mixed3a", "mixed4a", "mixed5a"]
    assert content_layer(network) == "mixed4a"


def test_a_small_network_gives_what_it_has():
    assert style_layers(convnet()) == ["relu1", "relu3"]  # which see 3 and 9 px
    assert content_layer(convnet()) == "relu3"


def test_where_tokens_see_everything_depth_decides():
    network = Network(Tokens(), size=16)
    chosen = style_layers(network)
    assert chosen and set(chosen) <= set(network.layers) and content_layer(network) == chosen[-1]


@pytest.mark.parametrize(("model", "residual"), [(Residual(), True), (convnet().model, False)])
def test_a_network_is_residual_where_it_adds_what_a_block_found_to_what_came_in(model, residual):
    assert is_residual(Network(model, size=16)) is residual
