"""Accentuation starts at the photograph, and stays near it by the weight of the distance."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import Reading, code_distance, direction
from phosphene.core.units.inputs import code, feed
from phosphene.core.units.portraits import Portraits
from phosphene.core.units.presets import settings
from phosphene.features import accentuate
from tests.features.seen_through import PHOTO, by_hook
from tests.small import convnet, levels, noise

# ------------------------------------------------------------------------------------------------------ accentuate


def test_accentuation_starts_at_the_photograph_where_its_distance_is_0():
    network = convnet()
    run = accentuate(network, PHOTO, layer="conv2", steps=2, views=2)
    first = next(iter(run))
    torch.testing.assert_close(first.pictures, feed(network, PHOTO), rtol=0, atol=1e-9)
    assert run.so_far().numbers[0]["distance"] < 1e-12
    assert run.so_far().numbers[0]["value"] == pytest.approx(run.so_far().numbers[0]["photo"], rel=1e-6)


def test_black_and_white_move_by_less_than_a_level_at_the_start():
    network, photo = convnet(), levels(1, 3, 16, 16).round()
    first = next(iter(accentuate(network, photo, layer="conv2", steps=1)))
    assert 0 < (first.pictures - photo).abs().max() < 1 / 255


def test_the_distance_is_the_squared_one_over_the_codes():
    network, picture = convnet(), noise(1, 3, 16, 16)
    own, held = by_hook(network, picture, "conv2"), code(network, feed(network, PHOTO), "conv2")
    reading = Reading(picture, torch.tensor([0]), picture, torch.tensor([0]), {"conv2": own})
    found = code_distance("conv2", held).of(reading).item()
    assert found == pytest.approx(float((own - held).square().sum() / held.square().sum()), rel=1e-12)


def test_a_heavier_weight_keeps_it_nearer_to_the_photograph():
    network = convnet()

    def made(weight):
        return accentuate(network, PHOTO, layer="conv2", target=1, steps=5, weight=weight, views=1).numbers[0]

    free, held = made(0), made(1000)
    assert held["distance"] < free["distance"] / 2
    assert free["value"] > free["photo"]


def test_what_did_not_matter_is_the_photograph_in_grey():
    run = accentuate(convnet(), PHOTO, layer="conv2", target="conv2:3@4,4", steps=2, views=1)
    mattered = run.result.panels[0][2][1]
    assert mattered.shape == PHOTO.shape
    assert not torch.equal(mattered, PHOTO)


def test_the_held_term_is_added_to_what_is_climbed():
    network, chosen = convnet(), settings("default", {"robustness": "none", "steps": 0})
    c = code(network, feed(network, PHOTO), "conv2")
    climbed = direction("conv2", c[0, :, 0, 0][None], 1.0)
    with_it, without = (
        next(Portraits(network, [([0], climbed)], [0], chosen, (16, 16), held=held).path)
        for held in (3.0 * code_distance("conv2", c), None)
    )
    y = by_hook(network, with_it.pictures, "conv2")
    added = 3 * float((y - c).square().sum() / c.square().sum())
    assert (with_it.values - without.values).item() == pytest.approx(added, rel=1e-9)
    assert torch.equal(with_it.pictures, without.pictures)


@pytest.mark.parametrize("kind", ["phase", "fourier"])
def test_both_parameterizations_begin_at_the_photograph(kind):
    first = next(iter(accentuate(convnet(), PHOTO, layer="conv2", steps=1, parameterization=kind)))
    torch.testing.assert_close(first.pictures, PHOTO.double(), rtol=0, atol=1e-6)


def test_transparency_where_there_can_be_none_is_a_mistake():
    with pytest.raises(Mistake, match="has no transparency to learn"):
        accentuate(convnet(), PHOTO, transparency="learned")
