"""A unit's value does not move as everything outside of its field is changed, and what says otherwise is caught."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from phosphene.attribution.unmoved import CHANGES, Unmoved, changed, unmoved
from phosphene.core.index.boxes import seen_box
from phosphene.core.networks.network import Network
from phosphene.core.units.exemplars import peaks, strongest
from phosphene.core.units.units import Unit
from tests.small import Tokens, convnet, levels, noise

PHOTOS = [levels(1, 3, 18, 16, seed=i) for i in range(4)]


def found(network, unit, count=3):
    return strongest(peaks(network, PHOTOS, [unit.layer])[unit.layer], unit.index, count)


@settings(max_examples=6)
@given(st.sampled_from(["conv1", "relu1", "conv2", "relu2", "conv3"]), st.integers(0, 4), st.booleans())
def test_nothing_outside_of_a_calculated_field_matters_to_the_last_bit(layer, channel, double):
    network, unit = convnet(torch.float64 if double else torch.float32), Unit(layer, channel)
    for one in unmoved(network, PHOTOS, unit, found(network, unit), batch=2):
        assert (one.changes, one.equal, one.largest) == (len(CHANGES), len(CHANGES), 0.0)
        assert one.holds and one.precision == ("float64" if double else "float32")


def test_a_box_that_is_a_pixel_too_small_is_caught():
    network, unit = convnet(), Unit("conv2", 1)
    field = network.receptive_field("conv2")
    for one in found(network, unit, 4):
        top, left, bottom, right = seen_box(field, one.position, (16, 16))
        for smaller in ((top + 1, left, bottom, right), (top, left, bottom, right - 1)):
            (told,) = unmoved(network, PHOTOS, unit, [one], boxes=[smaller])
            assert not told.holds and told.largest > 0


@pytest.mark.parametrize(
    ("network", "unit"),
    [
        (Network(Tokens().double(), size=16), Unit("gelu", 2)),
        (convnet(), Unit("logits", 1)),
        (Network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 3)), size=16), Unit("1", 2)),
    ],
)
def test_of_what_sees_the_whole_picture_there_is_nothing_outside_to_change(network, unit):
    for one in unmoved(network, PHOTOS, unit, found(network, unit)):
        assert one == Unmoved(0, 0, 0.0, one.precision, one.value) and one.holds


def test_everything_outside_is_changed_and_nothing_inside():
    x = noise(2, 3, 6, 6)
    every = list(changed(x, [(1, 2, 4, 6), (-2, 0, 3, 3)]))
    assert len(every) == len(CHANGES)
    for one in every:
        assert torch.equal(one[0, :, 1:4, 2:], x[0, :, 1:4, 2:]) and torch.equal(one[1, :, :3, :3], x[1, :, :3, :3])
        same = (one == x).flatten(1).sum(1).tolist()
        assert same == [3 * 12, 3 * 9]
    assert len({float(one[0, 0, 0, 0]) for one in every}) == len(CHANGES)
