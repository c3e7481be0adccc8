"""Tiles: the gradient of the whole picture, with memory for a part of it."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import NotFinite, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, total
from phosphene.core.optimization.optimizers import normalized
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import Term, channel, direction, energy, score
from phosphene.core.optimization.tiles import tiled
from phosphene.core.optimization.transforms import as_is, roll
from tests.small import noise, normal

ROWS = torch.arange(2)


def strided(padding=1):
    """Two strides, borders that are seen, and layers of 3, 7 and 11 px."""
    torch.manual_seed(3)
    layers = [
        nn.Conv2d(3, 5, 3, padding=padding), nn.Softplus(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=padding),
        nn.Tanh(), nn.Conv2d(6, 7, 3, stride=2, padding=padding),
    ]  # fmt: skip
    return Network(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).double(), size=32)


def assert_same(objective, other, x, key):
    found, expected = (one(x, torch.arange(len(x)), key) for one in (objective, other))
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.gradients, expected.gradients, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("size", [(64, 64), (61, 83), (20, 131), (32, 32)])
@pytest.mark.parametrize(
    "term", [energy("5"), -channel("5", [2, 0]), direction("3", normal(2, 6)), energy("0") + 2 * channel("0", [1, 4])]
)
def test_a_gradient_by_tiles_is_the_gradient_of_the_whole_picture_and_of_its_borders(padding, size, term):
    network, x = strided(padding), noise(2, 3, *size)
    assert_same(tiled(network, term, tile=36), gradient(network, term), x, Key(0).at(0))


class Same(nn.Module):
    """Convolutions of stride 2 that are padded as TensorFlow pads them: odd lengths on both sides, even ones behind."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Conv2d(3, 5, 3, 2), nn.Conv2d(5, 4, 3, 2)

    def forward(self, x):
        for layer in (self.first, self.second):
            pads = [1 + side % 2 for side in (x.shape[3], x.shape[2])]
            x = torch.tanh(layer(nn.functional.pad(x, [part for p in pads for part in (p // 2, p - p // 2)])))
        return x.mean((2, 3))


@pytest.mark.parametrize("size", [(64, 65), (67, 90), (63, 121)])
def test_a_network_that_pads_odd_lengths_otherwise_is_read_by_tiles_as_it_is_as_a_whole(size):
    network, term = Network(Same().double(), size=32), energy("second")
    assert_same(tiled(network, term, tile=36), gradient(network, term), noise(2, 3, *size), Key(0).at(0))


def test_layers_of_several_strides_can_be_read_where_the_sides_are_multiples_of_them():
    network, term = strided(), energy("0") + channel("5", [1, 0])
    assert_same(tiled(network, term, tile=40), gradient(network, term), noise(2, 3, 64, 88), Key(0).at(0))


def test_shifted_views_are_cut_and_their_gradient_goes_back():
    network, term = strided(), energy("5")
    assert_same(
        tiled(network, term, roll(9), tile=36), gradient(network, term, roll(9)), noise(2, 3, 61, 83), Key().at(2)
    )


def test_tiles_are_no_larger_than_they_say_but_for_what_is_left_over_and_each_is_read_once():
    network, sizes = strided(), []
    network.read(noise(1, 3, 33, 35), ["5"])  # what is found out once, of odd sizes too, is found out now
    network.model.register_forward_pre_hook(lambda module, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    objective = tiled(network, energy("5"), tile=36)
    del sizes[:]
    objective(noise(1, 3, 120, 90), torch.arange(1), Key(0).at(0))
    core = 36 - 2 * 8
    assert len(sizes) == (120 // core) * (90 // core)
    assert max(max(size) for size in sizes) < 36 + core


def test_a_smaller_overlap_is_wrong_at_the_seams_alone():
    network, x = strided(), noise(1, 3, 64, 64)
    found = tiled(network, energy("5"), tile=32, overlap=0)(x, torch.arange(1), Key(0).at(0)).gradients
    apart = (found - gradient(network, energy("5"))(x, torch.arange(1), Key(0).at(0)).gradients).abs().amax((0, 1))
    assert apart[:20, :20].max() < 1e-15 and apart[28:36, 28:36].max() > 1e-6


def test_a_dream_by_tiles_is_the_dream():
    network, x = strided(), noise(1, 3, 48, 64)

    def dream(objective):
        return list(argmin(Pixels(x), objective, optimizer=normalized(0.01), constraint=box(), steps=4))[-1].pictures

    prior = gradient(network, total_variation())
    by_tiles = dream(total(tiled(network, -energy("3"), roll(5), tile=32), prior))
    torch.testing.assert_close(by_tiles, dream(total(gradient(network, -energy("3"), roll(5)), prior)))


def test_what_can_not_be_cut_is_refused():
    network = strided()
    with pytest.raises(Mistake, match="logits has no rows and columns"):
        tiled(network, score([0]))
    with pytest.raises(Mistake, match="reads no layer in a part; add priors as an objective of their own"):
        tiled(network, energy("3") + total_variation())
    with pytest.raises(Mistake, match=r"a tile of 8 px is no larger than its margins of 8 px; give at least 20 px"):
        tiled(network, energy("5"), tile=8)
    large = Term(lambda r: 1e400 * energy("3").of(r), frozenset(["3"]), "a far too large term")
    with pytest.raises(NotFinite, match="step 4: a far too large term or its gradient is not finite"):
        tiled(network, large, as_is)(noise(1, 3, 32, 32), torch.arange(1), Key().at(4))
