"""What is asked about photographs, in words."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed, target_unit, unit_words
from phosphene.core.units.units import Sum, Unit
from tests.core.units.test_units import NETWORK, one
from tests.small import convnet, levels, noise


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("conv1:2", "unit conv1:2"),
        ("conv1", "layer conv1"),
        ("logits:1", "p of sea-slug"),
        ("conv1:v=[1,2,3,4]^2", "direction conv1:v^2"),
        ("logits:1 - 2*conv1:v=[1,2,3,4] + conv1:2", "sum p:sea-slug - 2*conv1:v + conv1:2"),
    ],
)
def test_a_caption_names_a_unit_in_short(text, words):
    assert unit_words(NETWORK, one(NETWORK, text), "p") == words


def test_a_target_is_a_class_first_and_then_a_layer():
    x = noise(1, 3, 8, 8)
    assert target_unit(NETWORK, x, "conv1") == Unit("logits", 4)  # there is such a class
    assert target_unit(NETWORK, x, "conv2") == Unit("conv2", None)
    assert target_unit(NETWORK, x, "conv2 + fc") == Sum(((1, Unit("conv2", None)), (1, Unit("fc", None))))
    assert target_unit(NETWORK, x, "black swan") == Unit("logits", 0)
    assert target_unit(NETWORK, x, "0.5*conv2:1") == Sum(((0.5, Unit("conv2", 1)),))
    with pytest.raises(Mistake, match="names several units"):
        target_unit(NETWORK, x, "conv2:all")
    with pytest.raises(Mistake, match="no class 'conv3'"):
        target_unit(NETWORK, x, "conv3")


def test_numbers_of_modules_are_classes_as_targets():
    network = Network(nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double(), size=8)
    assert target_unit(network, noise(1, 3, 8, 8), "1") == Unit("logits", 1)
    with pytest.raises(Mistake, match="'-1' means nothing"):
        target_unit(network, noise(1, 3, 8, 8), "-1")


@pytest.mark.parametrize("fit", ["crop", "squash", "whole"])
def test_a_network_in_float64_is_fed_eight_bit_pixels_exactly(fit):
    fed = feed(convnet(), levels(3, 16, 16), fit)
    assert fed.dtype == torch.float64
    assert torch.equal(fed, (fed * 255).round() / 255)
