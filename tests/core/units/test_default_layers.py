"""The layers that are chosen when none is named."""

from collections import OrderedDict

import pytest
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.default_layers import halfway, spread, stages
from tests.small import convnet, linear, noise


def nested(blocks: int) -> Network:
    """So many blocks of two layers each, and a classifier."""
    inner = [nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()) for _ in range(blocks)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    return Network(nn.Sequential(OrderedDict(body=nn.Sequential(*inner), head=head)), size=16)


def test_stages_are_the_coarsest_level_of_which_there_are_five():
    assert stages(nested(5)) == [f"body.{i}" for i in range(5)]
    assert stages(nested(4)) == [name for i in range(4) for name in (f"body.{i}.0", f"body.{i}.1")]


def test_what_has_no_places_is_no_stage():
    assert stages(convnet()) == ["conv1", "relu1", "conv2", "relu2", "conv3", "relu3"]
    with pytest.raises(Mistake, match="no layer with rows and columns"):
        stages(linear(noise(2, 3, 8, 8), [0.0, 0.0]))


def test_layers_are_spread_evenly_from_the_first_to_the_last():
    network = nested(9)
    assert spread(network, 3) == ["body.0", "body.4", "body.8"]
    assert spread(network, 20) == stages(network)


def test_halfway_is_a_little_above_the_middle():
    assert halfway(nested(10)) == "body.6"
    assert halfway(nested(5)) == "body.3"
