"""Pictures as functions of the place: the formula pixel by pixel, and one picture at many sizes."""

import math

import pytest
import torch

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations import CPPN
from phosphene.core.optimization.parameterizations.cppn import composite, places
from tests.core.slow import set_to
from tests.small import normal


def cppn(size=(4, 6), problems=(0, 1), layers=3, hidden=4, **options):
    image = CPPN(problems, size, layers=layers, hidden=hidden, dtype=torch.float64, **options)
    return set_to(image, [p.detach() + 0.3 * normal(*p.shape, seed=i) for i, p in enumerate(image.parameters)])


def slow_cppn(parameters, height, width):
    """One problem's picture, pixel by pixel and unit by unit."""
    *layers, last = [(w.tolist(), b[0].tolist()) for w, b in zip(parameters[::2], parameters[1::2], strict=True)]

    def linear(y, weight, bias):
        return [sum(y[i] * weight[i][o] for i in range(len(y))) + bias[o] for o in range(len(bias))]

    picture = torch.zeros(3, height, width, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            unit = 2 * math.sqrt(3) / max(height, width)
            y = [(j + 0.5 - width / 2) * unit, (i + 0.5 - height / 2) * unit]
            for weight, bias in layers:
                angles = [math.atan(value) for value in linear(y, weight, bias)]
                y = [a / 0.67 for a in angles] + [(a * a - 0.45) / 0.396 for a in angles]
            for c, value in enumerate(linear(y, *last)):
                picture[c, i, j] = 1 / (1 + math.exp(-value))
    return picture


@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_a_cppn_equals_its_formula(size):
    image = cppn(size)
    for row in range(2):
        expected = slow_cppn([p[row].detach() for p in image.parameters], *size)
        torch.testing.assert_close(image()[row].detach(), expected)


def test_every_third_pixel_of_three_times_the_size_is_the_picture():
    image = cppn((4, 6))
    torch.testing.assert_close(image.at((12, 18))[:, :, 1::3, 1::3], image().detach())
    assert torch.equal(image.at((4, 6)), image().detach())


def test_it_starts_grey_with_weights_of_the_deviation_that_is_said():
    image = CPPN([0, 1], (5, 5))
    assert torch.equal(image(), torch.full((2, 3, 5, 5), 0.5)) and len(image.parameters) == 2 * 9
    weights = torch.cat([w.detach().flatten() * math.sqrt(w.shape[1]) for w in image.parameters[2:16:2]])
    assert weights.std().item() == pytest.approx(1, abs=0.02)
    assert not any(bias.any() for bias in image.parameters[1::2])


def test_the_activation_has_mean_0_and_deviation_1():
    y = composite(Key(0, [0], step=0).normal(torch.arange(1), 10**6, 1)[0])
    assert y.mean(0).abs().max() < 0.04 and (y.std(0) - 1).abs().max() < 0.06  # lucid's own constants are rounded


def test_pixels_are_square_and_a_square_has_deviation_1():
    at = places((4, 8)).unflatten(0, (4, 8))
    assert torch.allclose(at[0, 1] - at[0, 0], torch.tensor([math.sqrt(3) / 4, 0], dtype=torch.float64))
    assert torch.allclose(at[1, 0] - at[0, 0], torch.tensor([0, math.sqrt(3) / 4], dtype=torch.float64))
    assert places((100, 100)).std(0).tolist() == pytest.approx([1, 1], abs=1e-3)
