import pytest
import torch

from phosphene.core.errors import Note
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.style.blocks import by_blocks
from phosphene.style.parts import of_style, placed
from phosphene.style.terms import targets
from tests.small import convnet, noise

ROW, NOW = torch.arange(1), Key(0).at(0)


def assert_same(found, expected):
    torch.testing.assert_close(found.values, expected.values, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.gradients, expected.gradients, rtol=1e-10, atol=1e-16)


def test_statistics_of_all_features_at_once_are_had_of_the_whole_picture_which_is_said():
    network, x = convnet(), noise(1, 3, 80, 70)
    (style,) = targets(network, [noise(1, 3, 41, 37)], ["relu1"], {"gram": 1.0, "sliced": 1.0, "histogram": 2.0})
    with pytest.warns(Note, match="sliced, histogram depends on the whole picture, so it can't be read by blocks"):
        found = by_blocks(network, [of_style(style)], pixels=50 * 50)(x, ROW, NOW)
    assert_same(found, gradient(network, style.term)(x, ROW, NOW))


def test_a_style_that_waits_for_the_layers_size_is_asked_once_and_then_the_same():
    network, x, asked = convnet(), noise(1, 3, 80, 70), []
    (style,) = targets(network, [noise(1, 3, 41, 37)], ["conv2"], {"gram": 1.0, "spread": 1.0})

    def at(size):
        asked.append(size)
        return style

    found = by_blocks(network, [placed("conv2", at)], pixels=40 * 40)(x, ROW, NOW)
    assert_same(found, gradient(network, style.term)(x, ROW, NOW))
    assert asked == [(40, 35)]
