"""Strips from one unit to another: both ends are the units, what is between asks for both, neighbours are alike."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.objectives import values
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import unit_term
from phosphene.features import interpolate, visualize
from phosphene.features.interpolate import between
from tests.small import convnet, noise


@pytest.mark.parametrize("units", [["conv2:1", "conv2:3"], ["logits:0", "conv3:2 - 0.5*conv1:0"], ["conv2", "conv1:0"]])
@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_what_is_asked_for_is_the_weighted_mean_of_the_two(units, weight):
    network, x = convnet(), noise(2, 3, 16, 16)
    first, second = parse_units(network, units)

    def value(unit):
        return values(network, unit_term([unit] * 2), x, torch.arange(2))

    expected = (1 - weight) * value(first) + weight * value(second)
    torch.testing.assert_close(value(between(first, second, weight)), expected)


def test_the_ends_excite_their_units_and_the_values_are_those_of_the_pictures():
    network = convnet()
    run = interpolate(network, ["conv2:1", "conv2:3"], count=3, size=16, steps=24)
    own = [n["values"] for n in run.numbers]
    read = network.read(run.last.pictures, ["conv2"])["conv2"]
    assert [v["conv2:1"] for v in own] == pytest.approx(read[:, 1].mean((1, 2)).tolist())
    assert [v["conv2:3"] for v in own] == pytest.approx(read[:, 3].mean((1, 2)).tolist())
    assert own[0]["conv2:1"] > own[2]["conv2:1"] and own[2]["conv2:3"] > own[0]["conv2:3"]
    assert [n["weight"] for n in run.numbers] == [0, 0.5, 1]
    assert run.names[0] == "conv2-1-to-conv2-3-1"


def test_small_chunks_make_the_same_strip():
    options = {"count": 4, "size": 16, "steps": 3}
    one, two = (interpolate(convnet(), ["conv2:1", "conv2:3"], batch=batch, **options).image for batch in (16, 2))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


def test_the_pictures_of_a_strip_are_more_alike_than_pictures_on_their_own():
    network, options = convnet(), {"size": 32, "steps": 24}
    strip = interpolate(network, ["conv2:1", "conv2:3"], count=3, **options).image
    sums = ["conv2:1", "0.5*conv2:1 + 0.5*conv2:3", "conv2:3"]
    alone = visualize(network, sums, **options).image

    def coarse_likeness(pictures):
        flat = torch.nn.functional.avg_pool2d(pictures, 4).flatten(1)
        return torch.corrcoef(flat)[[0, 1], [1, 2]].mean()

    assert coarse_likeness(strip) > coarse_likeness(alone) + 0.1


@pytest.mark.parametrize(
    ("units", "options", "said"),
    [
        (["conv2:1"], {}, "two different ones, not 1"),
        (["conv2:1", "conv2:1"], {}, "two different ones, not 1"),
        (["conv2:0-2"], {}, "two different ones, not 3"),
        (["conv2:0-1"], {"count": 1}, "1 is not a valid value for count: it must be 2 to 100"),
        (["conv2:0-1"], {"preset": "yosinski-c"}, "shrink, blur and clipping need pixels"),
    ],
)
def test_a_strip_that_can_not_be_is_a_mistake(units, options, said):
    with pytest.raises(Mistake, match=said):
        interpolate(convnet(), units, **options)
