"""Parameterizations against their formulas, their inverses and numerical derivatives."""

import cmath
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.parameterizations import Fourier, Pixels, decorrelated
from tests.small import noise


def photo(n=2, height=4, width=5, seed=0):
    return 0.01 + 0.98 * noise(n, 3, height, width, seed=seed)


def image(problems=(0, 1), size=(4, 5), **options):
    return Fourier(problems, size, dtype=torch.float64, **options)


def test_pixels_are_themselves_and_what_was_handed_out_stays():
    x = photo()
    pixels = Pixels(x)
    shown = pixels()
    assert torch.equal(shown, x) and torch.equal(pixels.pull(x)[0], x)
    pixels.assign(1 - x[[1]], torch.tensor([1]))
    assert torch.equal(pixels()[0], x[0]) and torch.equal(pixels()[1], 1 - x[1])
    assert torch.equal(shown, x) and torch.equal(x, photo())


def slow_decorrelated():
    """Lucid's colour matrix: the root of the covariance over its largest column norm, number by number."""
    root = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]
    largest = max(math.sqrt(sum(root[i][j] ** 2 for i in range(3))) for j in range(3))
    return [[value / largest for value in row] for row in root]


def test_the_colour_matrix_equals_lucids_formula():
    expected = torch.tensor(slow_decorrelated(), dtype=torch.float64)
    torch.testing.assert_close(decorrelated(torch.float64), expected, rtol=1e-15, atol=0)
    assert decorrelated().dtype == torch.float32


def slow_fourier(coefficients, height, width, decay):
    """x = sigmoid(C irfft2(theta / max(frequency, 1 / side)^decay) sqrt(h w) / 4), by explicit sums."""
    half = width // 2 + 1
    channels = np.zeros((3, height, width))
    for c in range(3):
        scaled = np.zeros((height, width), dtype=complex)
        for u in range(height):
            for v in range(half):
                fu = (u if u <= (height - 1) // 2 else u - height) / height
                frequency = max(math.hypot(fu, v / width), 1 / max(height, width))
                value = complex(*coefficients[c, u, v].tolist()) / frequency**decay
                scaled[u, v] = value
        for u in range(height):  # a real picture: the other half is the mirrored conjugate
            for v in range(half, width):
                scaled[u, v] = scaled[(-u) % height, width - v].conjugate()
        for i in range(height):
            for j in range(width):
                total = sum(
                    scaled[u, v] * cmath.exp(2j * math.pi * (u * i / height + v * j / width))
                    for u in range(height)
                    for v in range(width)
                )
                channels[c, i, j] = total.real / (height * width) * math.sqrt(height * width) / 4
    mixed = np.einsum("dc,chw->dhw", np.array(slow_decorrelated()), channels)
    return torch.from_numpy(1 / (1 + np.exp(-mixed)))


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("size", [(4, 5), (5, 4), (3, 3)])
def test_fourier_equals_its_formula(size, decay):
    ours = image(size=size, decay=decay, deviation=1.0)
    for row in range(2):
        expected = slow_fourier(ours.parameters[0][row].detach(), *size, decay)
        torch.testing.assert_close(ours()[row].detach(), expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([0.0, 1.0, 1.5]), st.integers(0, 9))
def test_a_picture_comes_back_from_its_coefficients(height, width, decay, seed):
    x = photo(2, height, width, seed)
    torch.testing.assert_close(image(size=(height, width), decay=decay, start=x)().detach(), x, rtol=1e-9, atol=1e-9)


def test_black_and_white_come_back_as_nearly_black_and_white():
    x = torch.zeros(1, 3, 4, 5, dtype=torch.float64)
    x[:, :, 2:] = 1
    back = image((0,), start=x)().detach()
    torch.testing.assert_close(back, x.clamp(0.002, 0.998))


def test_assigned_rows_change_and_no_others():
    x = photo(3)
    ours = image((0, 1, 2), start=x)
    ours.assign(1 - x[[2, 0]], torch.tensor([2, 0]))
    torch.testing.assert_close(ours().detach(), torch.stack([1 - x[0], x[1], 1 - x[2]]), rtol=1e-9, atol=1e-9)
    assert ours.parameters[0].is_leaf and ours.parameters[0].requires_grad


def test_pulling_a_slope_back_is_the_transposed_derivative():
    ours = image((0,), size=(3, 4), deviation=1.0)

    def pictures(parameters):
        ours.parameters = [parameters]
        return ours()

    assert torch.autograd.gradcheck(pictures, ours.parameters[0].detach().clone().requires_grad_())
    ours = image(size=(4, 5), deviation=1.0)
    weights = photo(seed=3)
    ours()
    (pulled,) = ours.pull(weights)
    at = ours.parameters[0].detach().clone()
    for index in [(0, 0, 0, 0, 0), (1, 2, 3, 2, 1), (0, 1, 1, 1, 0), (1, 0, 2, 0, 1)]:
        h, values = 1e-6, []
        for side in (h, -h):
            with torch.no_grad():
                ours.parameters[0].copy_(at)
                ours.parameters[0][index] += side
            values.append((ours().detach() * weights).sum().item())
        assert pulled[index].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5, abs=1e-9)


def test_a_start_belongs_to_its_problem_and_seed():
    many = image((7, 3, 5), seed=2)().detach()
    for row, problem in enumerate((7, 3, 5)):
        assert torch.equal(image((problem,), seed=2)().detach()[0], many[row])
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(image((7,), seed=1)().detach()[0], many[0])


def test_the_random_start_has_the_deviation_it_says():
    numbers = image((0,), size=(64, 64), deviation=0.01).parameters[0].detach()
    assert numbers.std().item() == pytest.approx(0.01, rel=0.02)
    assert abs(numbers.mean().item()) < 3e-4
