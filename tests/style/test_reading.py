import torch

from phosphene.style.blocks import of_code
from phosphene.style.cuts import blocks_of, margins_of, pixels_of
from phosphene.style.moments import moments
from phosphene.style.reading import code_of, measured, moments_of
from tests.small import convnet, noise

LAYERS = ["conv1", "conv3"]


def test_moments_codes_and_values_are_those_of_the_whole_picture():
    network, x = convnet(), noise(1, 3, 93, 120)
    seen = network.read(x, LAYERS)
    for layer, found in moments_of(network, x, LAYERS, pixels=40 * 50).items():
        for one, whole in zip(found, moments(seen[layer].flatten(2)), strict=True):
            torch.testing.assert_close(one, whole, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(code_of(network, x, layer, pixels=40 * 50), seen[layer], rtol=1e-12, atol=1e-12)
    other = network.read(noise(1, 3, 93, 120, seed=2), ["conv3"])["conv3"]
    (value,) = measured(network, [of_code("conv3", other)], x, pixels=40 * 50)
    expected = (seen["conv3"] - other).square().sum() / other.square().sum()
    torch.testing.assert_close(value.item(), expected.item(), rtol=1e-12, atol=0)


def test_each_block_is_read_once():
    network, x, sizes = convnet(), noise(1, 3, 93, 120), []
    blocks = blocks_of((93, 120), margins_of(network, ["conv3"]), 40 * 50)
    network.model.register_forward_pre_hook(lambda module, inputs: sizes.append(inputs[0].shape))
    code_of(network, x, "conv3", pixels=40 * 50)
    assert sorted(sizes[-len(blocks) :]) == sorted(x[pixels_of(block)].shape for block in blocks)
    assert len(sizes) == len(blocks) + 2  # whether it can be cut is tried on one picture and a part of it
