"""A constant shift of pictures and network: what is measured from zero notices."""

import pytest
import torch

from phosphene.attribution import gradient, guided, input_x_gradient, integrated, saliency
from phosphene.attribution.checks.completeness import gap
from phosphene.attribution.checks.shifting import change_by_shift, shifted
from phosphene.attribution.maps import found
from phosphene.attribution.question import question
from tests.small import convnet, levels, linear, noise

PHOTOS = levels(2, 3, 16, 16)


def change(recipe, network, pictures=PHOTOS, **options):
    asked = question(network, pictures, target=1)
    values = found(recipe.method, asked, pictures, **options).values
    return change_by_shift(recipe.method, recipe.about, asked, pictures, values, options)


@pytest.mark.parametrize("shift", [-1.0, 0.25, 3.0])
def test_the_shifted_network_says_the_same_of_shifted_pictures(shift):
    network = convnet()
    asked = question(network, PHOTOS, target=1)
    other, moved = shifted(asked, PHOTOS, shift)
    rows = torch.arange(2)
    torch.testing.assert_close(other.values(moved, rows), asked.values(PHOTOS, rows), rtol=1e-5, atol=1e-6)
    assert network.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("recipe", [gradient, saliency, guided])
def test_gradients_do_not_notice(recipe):
    assert change(recipe, convnet()).max() < 1e-4


def test_what_is_multiplied_with_the_picture_does_by_as_much_as_the_shift_adds():
    weight = noise(4, 3, 16, 16) - 0.5
    network = linear(weight, [0.0] * 4)
    before = (weight[1] * PHOTOS.double()).sum(1)
    expected = weight[1].sum(0).norm() / before.flatten(1).norm(dim=1)
    torch.testing.assert_close(change(input_x_gradient, network), expected, rtol=1e-5, atol=1e-6)
    assert expected.min() > 0.5


@pytest.mark.parametrize("recipe", [input_x_gradient, integrated])
def test_measured_from_the_networks_own_zero_it_does_not(recipe):
    assert change(recipe, convnet(), baseline="zero").max() < 1e-4
    assert change(recipe, convnet(), baseline="black").min() > 0.1


def test_an_empty_map_does_not_change():
    network = linear(torch.zeros(4, 3, 16, 16), [0.0] * 4)
    assert change(gradient, network).tolist() == [0, 0]


def test_the_gap_is_what_is_missing_as_a_part_of_the_change():
    assert gap({"sum": 1.9, "change": 2.0}) == pytest.approx(0.05)
    assert gap({"sum": -1.0, "change": -2.0, "value": 3}) == pytest.approx(0.5)
    assert gap({"value": 3.0}) is None
