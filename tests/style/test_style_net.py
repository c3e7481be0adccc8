"""The style network: its formula, its statistics, and how far it sees."""

import pytest
import torch

from phosphene.style.style_net import Normalization, Shape, StyleNet, larger, own, pooled
from tests.small import noise

SHAPE = Shape(width=8, blocks=1)


def net(shape=SHAPE, seed=0):
    torch.manual_seed(seed)
    made = StyleNet(shape).double().eval().requires_grad_(False)
    for one in made.norms:  # as after some training
        one.gain.data.uniform_(0.5, 1.5)
        one.shift.data.uniform_(-0.5, 0.5)
    return made


def test_instance_normalization_equals_its_formula():
    x, norm = noise(2, 8, 3, 4), Normalization(8).double()
    norm.gain.data, norm.shift.data = noise(8, seed=1), noise(8, seed=2)
    y = norm(x, own(x))
    for row in range(2):
        for channel in range(8):
            values = x[row, channel]
            spread = ((values - values.mean()) ** 2).mean() + 1e-5
            expected = norm.gain[channel] * (values - values.mean()) / spread.sqrt() + norm.shift[channel]
            torch.testing.assert_close(y[row, channel], expected)
    theirs = torch.nn.functional.instance_norm(x, weight=norm.gain, bias=norm.shift)
    torch.testing.assert_close(y, theirs)


def test_pooled_statistics_are_those_of_all_positions_of_all_pictures():
    x = noise(3, 2, 4, 5)
    together = pooled(x)
    flat = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(together.mean.flatten(), flat.mean(1))
    torch.testing.assert_close(together.deviation.flatten(), (flat.var(1, correction=0) + 1e-5).sqrt())


@pytest.mark.parametrize("size", [(16, 24), (13, 18), (5, 4)])
def test_a_picture_keeps_its_size_whatever_that_is(size):
    y = net()(noise(2, 3, *size))
    assert y.shape == (2, 3, *size) and y.min() > 0 and y.max() < 1


def test_a_picture_by_its_own_statistics_is_the_picture():
    made, x = net(), noise(1, 3, 17, 20)
    torch.testing.assert_close(made(x, made.statistics(x)), made(x))


def test_of_two_pictures_together_neither_has_its_own_statistics():
    made, x = net(), noise(2, 3, 16, 16)
    x[1] *= 0.2
    found = made(x, made.statistics(x))
    assert (found - made(x)).abs().max() > 0.01
    torch.testing.assert_close(found[:1], made(x[:1], made.statistics(x)))


@pytest.mark.parametrize("shape", [SHAPE, Shape(8, 2, 1, 1), Shape(8, 1, 0, 2), Shape(8, 1, 2, 3)])
def test_a_place_depends_on_nothing_beyond_the_halo(shape):
    made, cell, side = net(shape), 2**shape.halvings, 2 * shape.halo + 16
    x = noise(1, 3, side, 8)
    fixed, at = made.statistics(x), shape.halo + cell
    changed = x.clone()
    changed[:, :, at + cell + shape.halo :] = 0.5  # all rows behind what a cell and its halo see
    changed[:, :, : at - shape.halo] = 0.5
    times = shape.upscale
    rows = slice(times * at, times * (at + cell))
    torch.testing.assert_close(made(changed, fixed)[:, :, rows], made(x, fixed)[:, :, rows])
    changed[:, :, at] = 0.5
    assert (made(changed, fixed)[:, :, rows] - made(x, fixed)[:, :, rows]).abs().max() > 1e-6


def test_without_halvings_it_adds_to_bicubic_interpolation():
    made = net(Shape(8, 1, 0, 2))
    for one in (made.colours.weight, made.colours.bias):
        one.data.zero_()
    x = noise(1, 3, 6, 7)
    torch.testing.assert_close(made(x), larger(x, 4))
    assert made(x).shape == (1, 3, 24, 28) and made.shape.upscale == 4


def test_every_weight_has_a_gradient():
    made = StyleNet(SHAPE)
    made(noise(1, 3, 16, 16).float())[..., ::3].sum().backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for one in made.norms.parameters())
    assert all(one.weight.grad.abs().max() > 0 for one in [*made.down, *made.blocks, *made.up, made.colours])
