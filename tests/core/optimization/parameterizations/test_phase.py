"""Phases under a fixed magnitude: Horama's formulas number by number, the shipped spectrum, and photographs."""

import cmath
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.parameterizations import Phase, natural_spectrum
from phosphene.core.optimization.parameterizations.phase import SPECTRUM, resampled, standardized
from tests.core.slow import set_to, slow_coloured, slow_inverse
from tests.small import noise, normal


def phase(problems=(0, 1), size=(4, 5), **options):
    return Phase(problems, size, dtype=torch.float64, **options)


def slow_standardized(numbers):
    """Less the mean, over Bessel's standard deviation + .0001."""
    flat = numbers.flatten().tolist()
    mean = sum(flat) / len(flat)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in flat) / (len(flat) - 1))
    return (numbers - mean) / (deviation + 1e-4)


def slow_phase(angles, magnitude, height, width):
    """Horama 0.3, `maco_preconditioner`: s(phase), magnitude exp(i phase), irfft2, s, colours, sigmoid."""
    angles, channels = slow_standardized(angles.numpy()), []
    for c in range(3):
        spectrum = magnitude[c] * np.vectorize(lambda angle: cmath.exp(1j * angle))(angles[c])
        channels.append(slow_inverse(spectrum, height, width) / math.sqrt(height * width))  # not orthonormal
    return torch.from_numpy(slow_coloured(slow_standardized(np.stack(channels))))


@pytest.mark.parametrize("size", [(3, 4), (4, 3)])
def test_phase_equals_horamas_formula(size):
    magnitude = 5 * noise(3, size[0], size[1] // 2 + 1, seed=4)
    image = phase(size=size, magnitude=magnitude)
    set_to(image, [3 * image.parameters[0].detach() + 1])
    for row in range(2):
        expected = slow_phase(image.parameters[0][row].detach(), magnitude.numpy(), *size)
        torch.testing.assert_close(image()[row].detach(), expected)


def test_the_scale_of_a_magnitude_and_the_scale_and_offset_of_phases_hardly_matter():
    magnitude = 100 * noise(3, 4, 3, seed=4)
    image, louder = (phase(magnitude=scale * magnitude) for scale in (1, 50))
    torch.testing.assert_close(louder().detach(), image().detach(), rtol=1e-4, atol=1e-4)
    set_to(louder, [7 * image.parameters[0].detach() + 2])
    torch.testing.assert_close(louder().detach(), image().detach(), rtol=1e-3, atol=1e-3)


def test_a_row_is_standardized_on_its_own():
    x = normal(2, 3, 4, 3)
    torch.testing.assert_close(standardized(x)[[1]], standardized(x[[1]]))
    assert torch.allclose(standardized(x).std((1, 2, 3)), torch.ones(2, dtype=torch.float64), atol=1e-3)


def test_moving_a_photographs_phases_leaves_its_magnitudes():
    x = 0.2 + 0.6 * noise(1, 3, 6, 8)
    image = phase((0,), (6, 8), start=x)
    set_to(image, [image.parameters[0].detach() + normal(*image.parameters[0].shape)])
    before, after = (
        torch.fft.rfft2(torch.einsum("dc,nchw->ndhw", torch.linalg.inv(image.colour), y.logit())).abs()
        for y in (x, image().detach())
    )
    assert (image().detach() - x).abs().max() > 0.1
    middle = (..., slice(None), slice(1, 4))  # a real picture's own first and last columns are mirrored: phases are not
    torch.testing.assert_close(after[middle], before[middle])


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([4, 10]), st.integers(3, 7))
def test_resampling_keeps_what_is_linear_in_frequency(height, width, rows, half):
    assume((rows, half) != (height, width // 2 + 1))  # which is taken as it is, whether of an even or an odd width

    def linear(fy, fx):
        return torch.from_numpy(1 + 2 * np.abs(fy)[:, None] + 3 * fx[None])[None].expand(3, -1, -1)

    given_at = linear(np.fft.fftfreq(rows), np.arange(half) / (2 * (half - 1)))
    expected = linear(np.fft.fftfreq(height), np.fft.rfftfreq(width))
    torch.testing.assert_close(resampled(given_at, (height, width)), expected)


def test_a_magnitude_of_the_pictures_size_is_taken_as_it_is():
    magnitude = noise(3, 5, 3)
    assert torch.equal(phase(size=(5, 5), magnitude=magnitude).magnitude, magnitude)


def test_the_shipped_spectrum_is_that_of_natural_pictures():
    spectrum = natural_spectrum()
    assert spectrum.shape == (3, 224, 113) and SPECTRUM.stat().st_size < 100_000
    torch.testing.assert_close(spectrum[:, 1:], spectrum[:, 1:].flip(1))
    for falls in (spectrum[:, 0, 10] / spectrum[:, 0, 80], spectrum[:, 10, 0] / spectrum[:, 80, 0]):
        assert (falls > 8**0.9).all() and (falls < 8**1.6).all()  # about 1 / frequency (Field 1987)
    assert phase((0,), (12, 10)).magnitude.shape == (3, 12, 6)


@pytest.mark.slow
def test_the_shipped_spectrum_is_what_the_script_makes_of_the_photographs(data):
    from training.spectrum import PHOTOS, folded, magnitudes

    photos = sorted(PHOTOS.glob("*.jpg"))
    mean = folded(sum(magnitudes(photo) for photo in photos) / len(photos))
    torch.testing.assert_close(natural_spectrum()[:, :113].double() / 224, mean, rtol=2e-3, atol=1e-3)


def test_a_start_and_a_magnitude_are_one_too_many():
    with pytest.raises(Mistake, match="both a start and a magnitude"):
        phase(start=noise(2, 3, 4, 5), magnitude=noise(3, 4, 3))


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_magnitude_is_no_negative_or_infinite_number(wrong):
    with pytest.raises(Mistake, match="numbers from 0 up"):
        phase(magnitude=torch.full((3, 4, 3), wrong))
