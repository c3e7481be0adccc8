"""The recipe of a decoder: its course."""

import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.inversion.decoder_recipe import decoder_course
from tests.small import convnet


def test_some_fifty_thousand_pictures_are_shown_and_no_picture_too_often():
    network = convnet(torch.float32)
    course = decoder_course(network, "conv2", 10_000, 16)
    assert course.sides == (16,) * 5 and course.crops == (8, 16) and course.larger == 1.5
    assert len(decoder_course(network, "conv2", 5, 16).sides) == 200
    assert len(decoder_course(network, "conv2", 10**6, 16).sides) == 2
    assert len(decoder_course(network, "conv2", 5, 16, epochs=3).sides) == 3


def test_codes_without_places_and_networks_of_one_size_see_no_larger_pictures():
    assert decoder_course(convnet(torch.float32), "logits", 100, 16).larger == 1
    fixed = Network(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 2)), size=8)
    assert decoder_course(fixed, "0", 100, 8).larger == 1
