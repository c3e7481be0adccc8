"""What a network is made of: few rows, nothing forgotten, nothing counted twice."""

import pytest
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.features import architecture
from phosphene.features.architecture import short
from tests.small import convnet


def rows(network):
    return architecture(network).numbers[0]["stages"]


def test_every_stage_of_a_small_network_is_a_row_with_what_belongs_to_it():
    found = [(row["name"], row["kind"], row["shape"], row["parameters"]) for row in rows(convnet())]
    assert found == [
        ("conv1", "Conv2d, ReLU", [6, 16, 16], 6 * 28),
        ("conv2", "Conv2d, ReLU", [8, 8, 8], 8 * 55),
        ("conv3", "Conv2d, ReLU", [5, 8, 8], 5 * 73),
        ("mean", "AdaptiveAvgPool2d, Flatten", [5, 1, 1], 0),
        ("fc", "Linear", [4], 24),
    ]
    assert [row["receptive_field"] for row in rows(convnet())][:3] == ["3 px every 1", "5 px every 2", "9 px every 2"]


@pytest.mark.parametrize(
    ("name", "stages"),
    [("resnet18", 12), ("mobilenet_v3_small", 16), pytest.param("vgg11", 17, marks=pytest.mark.slow)],
)
def test_networks_of_all_kinds_fit_on_one_page_and_no_parameter_is_lost(name, stages, zoo):
    network = Network(zoo(name).float(), size=64)
    result = architecture(network)
    found = result.numbers[0]["stages"]
    assert len(found) == stages
    assert sum(row["parameters"] for row in found) == sum(p.numel() for p in network.model.parameters())
    order = list(network.layers)
    assert [order.index(row["name"]) for row in found] == sorted(order.index(row["name"]) for row in found)


def test_stages_alike_are_one_row_where_there_are_too_many():
    deep = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(40)), nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    first, last = rows(Network(deep, size=16))
    assert (first["name"], first["times"], first["parameters"]) == ("39", 40, 40 * 12)
    assert (last["name"], last["times"]) == ("41", 1)


def test_weights_that_two_stages_share_are_counted_once():
    same = nn.Conv2d(3, 3, 3, padding=1)
    result = architecture(Network(nn.Sequential(same, nn.ReLU(), same, nn.Flatten(), nn.Linear(192, 2)), size=8))
    assert [row["parameters"] for row in result.numbers[0]["stages"]] == [84, 0, 386]
    assert result.numbers[0]["parameters"] == 84 + 386


def test_the_picture_is_the_drawing_and_carries_its_recipe():
    result = architecture(convnet())
    assert result.image.shape == (1, 3, result.drawing.height, result.drawing.width)
    assert result.recipe["recipe"] == "architecture"
    assert torch.equal(architecture(convnet()).image, result.image)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (999, "999"), (2432, "2.43 k"), (999_700, "1000 k"), (11_689_512, "11.7 M")]
)
def test_large_numbers_are_short(number, words):
    assert short(number) == words
