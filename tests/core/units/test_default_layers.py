"""The layers that are chosen when none is named: the ends of blocks, whatever those are made of."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.default_layers import halfway, spread, stages
from phosphene.models.torchvision import import_torchvision
from tests.small import convnet, linear, noise


def head(channels=4):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)]


def conv(cin=4, stride=1):
    return nn.Conv2d(cin, 4, 3, stride, 1, bias=False)


def nested(blocks: int) -> Network:
    """So many blocks of two layers each, and a classifier."""
    inner = [nn.Sequential(conv(4 if i else 3), nn.ReLU()) for i in range(blocks)]
    return Network(nn.Sequential(OrderedDict(body=nn.Sequential(*inner), head=nn.Sequential(*head()))), size=16)


def flat(*block) -> Network:
    """Five times the same modules in one row, and a classifier."""
    modules = [module for i in range(5) for module in (conv(4 if i else 3), *(make() for make in block))]
    return Network(nn.Sequential(*modules, *head()), size=16)


class Norm(nn.Module):
    """Normalization by hand, as frozen ones are written: a sum, but with no other branch."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.zeros(4, 1, 1))

    def forward(self, x):
        return (x - x.mean((1, 2, 3), keepdim=True)) * self.weight + self.bias


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Excitation(nn.Module):
    """A gate for each channel: it leaves what it gates what it was."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize(
    ("block", "end"),
    [
        ([nn.ReLU], 1),
        ([lambda: nn.BatchNorm2d(4), nn.ReLU], 2),
        ([lambda: nn.BatchNorm2d(4), lambda: nn.ReLU(inplace=True), lambda: nn.MaxPool2d(3, 1, 1)], 2),
        ([lambda: nn.GroupNorm(2, 4), lambda: nn.LeakyReLU(0.1), nn.Dropout], 2),
        ([nn.GELU, lambda: nn.BatchNorm2d(4)], 1),
        ([Norm, nn.PReLU], 2),
        ([lambda: nn.BatchNorm2d(4), Swish], 2),
        ([lambda: nn.BatchNorm2d(4), Excitation, nn.Hardswish], 3),
        ([lambda: nn.LocalResponseNorm(2), nn.Tanh], 2),
    ],
)
def test_a_block_in_a_row_of_modules_ends_at_its_activation(block, end):
    assert stages(flat(*block)) == [str(i * (1 + len(block)) + end) for i in range(5)]


class Functional(nn.Module):
    """Five blocks; what makes an end is a function."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.convs = nn.ModuleList(conv(4 if i else 3) for i in range(5))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(5))
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        for i, (one, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(one(x))
            if self.way == "relu":
                x = F.relu(y)
            elif self.way == "clamp":
                x = y.clamp(min=0)
            elif self.way == "sum":
                x = x + y if i else y + y.flip(3)
            elif self.way == "sum, then relu":
                x = F.relu(x + y if i else y + y.flip(3))
            elif self.way == "in place":
                y += x if i else y.flip(3)
                x = y.relu_()
            elif self.way == "cat":
                x = torch.cat([y[:, :2], norm(one(x)).flip(3)[:, :2]], 1)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("relu", "relu"),
        ("clamp", "relu"),
        ("sum", "add"),
        ("sum, then relu", "relu"),
        ("in place", "relu"),
        ("cat", "cat"),
    ],
)
def test_functions_are_ends_as_modules_are(way, name):
    assert stages(Network(Functional(way), size=16)) == [name, *(f"{name}#{i}" for i in range(2, 6))]


class Block(nn.Module):
    """A block of a transformer, whose normalization comes before its branches or behind the sums."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def attend(self, x):
        return self.attention(x, x, x, need_weights=False)[0]

    def forward(self, x):
        if self.before:
            x = x + self.attend(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attend(x))
        return self.norm2(x + self.mlp(x))


class Transformer(nn.Module):
    def __init__(self, before):
        super().__init__()
        self.cut, self.norm, self.fc = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 2)
        self.place, self.first = nn.Parameter(torch.randn(1, 17, 8)), nn.Parameter(torch.randn(1, 1, 8))
        self.blocks = nn.Sequential(*(Block(before) for _ in range(5)))

    def forward(self, x):
        x = self.cut(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.place
        return self.fc(self.norm(self.blocks(x))[:, 0])


@pytest.mark.parametrize("before", [True, False])
def test_the_blocks_of_a_transformer_end_at_their_last_sum(before):
    assert stages(Network(Transformer(before), size=16)) == [f"blocks.{i}" for i in range(5)]


def test_stages_are_the_coarsest_level_of_which_there_are_five():
    assert stages(nested(5)) == [f"body.{i}" for i in range(5)]
    assert stages(nested(4)) == [f"body.{i}" for i in range(4)]


def test_what_has_no_places_is_no_stage():
    assert stages(convnet()) == ["relu1", "relu2", "relu3"]
    with pytest.raises(Mistake, match="no layer with rows and columns"):
        stages(linear(noise(2, 3, 8, 8), [0.0, 0.0]))


def test_a_network_without_any_end_has_its_modules_for_stages():
    assert stages(Network(nn.Sequential(*(conv(4 if i else 3) for i in range(6)), *head()), size=16)) == list("012345")


def test_layers_are_spread_evenly_from_the_first_to_the_last():
    network = nested(9)
    assert spread(network, 3) == ["body.0", "body.4", "body.8"]
    assert spread(network, 20) == stages(network)


def test_halfway_is_a_little_above_the_middle():
    assert halfway(nested(10)) == "body.6"
    assert halfway(nested(5)) == "body.3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first", "middle", "last"),
    [
        ("vgg16_bn", "features.2", "features.29", "features.42"),
        ("resnet18", "relu", "layer3", "layer4"),
        ("mobilenet_v2", "features.0", "features.12", "features.18"),
        ("densenet121", "features.relu0", "features.denseblock3", "relu"),
        ("convnext_tiny", "features.1.0", "features.5.5", "features.7.2"),
        ("googlenet", "conv1", "inception4c", "inception5b"),
        ("vit_b_16", *(f"encoder.layers.encoder_layer_{i}" for i in (0, 7, 11))),
    ],
)
def test_architectures_that_everybody_has_are_seen_at_their_blocks_ends(name, first, middle, last):
    network = Network(getattr(import_torchvision().models, name)(), size=224)
    assert (stages(network)[0], halfway(network), stages(network)[-1]) == (first, middle, last)
