from dataclasses import replace

import torch

from phosphene.core.optimization.keys import Key
from phosphene.style.blocks import by_blocks
from phosphene.style.cuts import margins_of
from phosphene.style.parts import placed
from phosphene.style.terms import targets
from phosphene.style.wrapping import Wrapping
from tests.small import convnet, noise

ROW, NOW = torch.arange(1), Key(0).at(0)


def test_what_is_beyond_a_border_is_the_other_side_also_of_small_pictures():
    x = noise(1, 3, 4, 5)
    whole = Wrapping((6, 2))(x)
    assert whole.shape == (1, 3, 16, 9)
    torch.testing.assert_close(whole[..., 6:10, 2:7], x)
    torch.testing.assert_close(whole, x.tile(1, 1, 5, 3)[..., 2:18, 3:12])


def seamless(network, layers, size):
    """A seamless texture's statistics, those of sums and one of features."""
    wrapping = Wrapping.of(margins_of(network, layers))
    styles = targets(network, [noise(1, 3, 30, 40, seed=4)], layers, {"gram": 1.0, "sliced": 1.0})

    def at(style):
        inside = wrapping.inside(network, style.layer, size)
        return lambda shape: _weighted(style, inside(shape).flatten())

    parts = [placed(style.layer, at(style)) for style in styles]
    return by_blocks(network, parts, wrapping.transform)


def _weighted(style, weight):
    return replace(style, regions=[replace(style.regions[0], weight=weight)])


def test_positions_of_the_picture_count_once_and_see_over_the_edge_as_those_of_a_tiled_picture_do():
    network, x = convnet(), noise(1, 3, 24, 32)
    wrapping = Wrapping.of(margins_of(network, ["conv1", "conv3"]))
    whole, tiled = (network.read(y, ["conv1", "conv3"]) for y in (wrapping(x), x.tile(1, 1, 3, 3)))
    for layer, (rows, columns) in {"conv1": (24, 32), "conv3": (12, 16)}.items():
        inside = wrapping.inside(network, layer, (24, 32))(tuple(whole[layer].shape[2:]))
        assert inside.sum() == rows * columns
        own = whole[layer][..., inside.bool()].view(1, -1, rows, columns)
        torch.testing.assert_close(own, tiled[layer][..., rows : 2 * rows, columns : 2 * columns])


def test_a_shift_over_the_edge_changes_nothing_where_a_picture_with_borders_is_another_one():
    network, x = convnet(), noise(1, 3, 24, 32)
    objective = seamless(network, ["conv1", "conv3"], (24, 32))
    here, there = objective(x, ROW, NOW), objective(x.roll((10, 16), (2, 3)), ROW, NOW)
    torch.testing.assert_close(here.values, there.values, rtol=1e-12, atol=0)
    torch.testing.assert_close(here.gradients.roll((10, 16), (2, 3)), there.gradients, rtol=1e-9, atol=1e-15)
