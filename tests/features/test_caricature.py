"""A caricature goes further than the photograph, in the photograph's own direction."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Reading, likeness
from phosphene.core.units.inputs import feed
from phosphene.features import accentuate, activation_grid, caricature
from tests.features.seen_through import PHOTO, by_hook, slow
from tests.small import convnet, noise, normal

# ----------------------------------------------------------------------------------------------------- caricature


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_likeness_is_its_formula_position_by_position(power):
    y, c = normal(1, 6, 3, 4, seed=1), normal(1, 6, 3, 4, seed=2)
    picture = noise(1, 3, 8, 8)
    reading = Reading(picture, torch.tensor([0]), picture, torch.tensor([0]), {"conv1": y})
    assert likeness("conv1", c, power).of(reading).item() == pytest.approx(slow(y[0], c[0], power), rel=1e-9)


def test_a_caricature_goes_further_than_the_photograph_in_its_direction():
    network = convnet()
    run = caricature(network, PHOTO, layer="relu2", steps=12, jitter=0, rotate=0)
    y = by_hook(network, feed(network, PHOTO), "relu2")
    norms = y[0].square().sum(0)
    assert run.numbers[0]["photo"] == pytest.approx(float(norms.mean()), rel=1e-9)  # its cosine with itself is 1
    first = caricature(network, PHOTO, layer="relu2", steps=0, jitter=0, rotate=0)
    assert run.numbers[0]["value"] > 2 * first.numbers[0]["value"]


def test_a_layer_without_places_has_a_caricature_too():
    assert caricature(convnet(), PHOTO, layer="logits", steps=2).image.shape == (1, 3, 16, 16)


@pytest.mark.parametrize("make", [activation_grid, caricature, accentuate])
def test_a_layer_that_says_nothing_is_refused(make):
    network = convnet()
    with torch.no_grad():
        network.model.conv2.weight.zero_()
        network.model.conv2.bias.fill_(-1)
    with pytest.raises(Mistake, match=r"relu2 of .* says nothing but zeros about this photograph"):
        make(network, PHOTO, layer="relu2")
