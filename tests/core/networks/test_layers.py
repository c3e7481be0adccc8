"""Channel axes, and tensors in containers."""

import pytest
import torch

from phosphene.core.networks.layers import Layer, Tap, channel_axis, first_tensor, replaced
from phosphene.models.torchvision import import_torchvision
from tests.core.networks.models import of, pictures


def test_swin_counts_its_channels_last():
    model = import_torchvision().models.SwinTransformer([4, 4], 24, [2, 2], [3, 6], [4, 4], num_classes=5)
    network = of(model, size=64)
    block = network.layer("features.1.0")
    assert (block.channel_axis, block.channels, block.shape) == (3, 24, (16, 16, 24))
    assert network.read(pictures(64, 96), ["features.1.0"])["features.1.0"].shape == (1, 24, 16, 24)
    assert network.layer("features.0.0").channel_axis == 1


@pytest.mark.parametrize(
    ("shape", "other", "axis"),
    [
        ((8, 4, 4), (8, 5, 6), 1),
        ((4, 4, 8), (5, 6, 8), 3),
        ((16, 8), (30, 8), 2),
        ((16, 8), (16, 8), 2),
        ((16, 8), None, 2),
        ((8,), (8,), 1),
        ((8, 4, 4), None, 1),
        ((8, 1, 1), (8, 1, 1), 1),
        ((8, 16), (8, 30), 1),
    ],
)
def test_the_channel_axis_is_the_one_that_stays(shape, other, axis):
    assert channel_axis(shape, other) == axis


def test_a_layer_counts_the_units_of_its_channel_axis():
    assert Layer("a", "Block", (7, 7, 96), 3, None, Tap("a", None, 1)).channels == 96


def test_a_tensor_in_a_container_is_exchanged_and_the_container_left_alone():
    old, new, other = torch.zeros(1), torch.ones(1), torch.zeros(1)
    for output in ((other, [old]), {"out": old, "aux": (other,)}, [old, None]):
        changed = replaced(output, old, new)
        assert type(changed) is type(output)
        assert first_tensor(output) is (other if isinstance(output, tuple) else old)
    assert replaced((other, [old]), old, new)[1][0] is new
    assert replaced((other, [old]), old, new)[0] is other
    assert replaced("nothing", old, new) == "nothing"
