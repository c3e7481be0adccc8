"""Coefficients in units of what photographs have."""

import math

import torch

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations import Fourier, Natural, natural_spectrum
from phosphene.core.optimization.parameterizations.natural import COLOURS
from tests.small import noise, normal


def test_it_is_fourier_whose_colours_go_further():
    one, fourier = Natural([0], (4, 5), dtype=torch.float64), Fourier([0], (4, 5), dtype=torch.float64)
    with torch.no_grad():
        for image in (one, fourier):
            image.parameters[0].copy_(normal(1, 3, 4, 3, 2))
        fourier.parameters[0][:, 1:] *= COLOURS
    torch.testing.assert_close(one(), fourier(), rtol=0, atol=1e-12)


def test_it_starts_as_noise_times_the_spectrum_of_photographs():
    one = Natural([3], (224, 224), seed=1, deviation=0.5, dtype=torch.float64)
    noise = torch.view_as_complex(0.5 * Key(1, [3]).normal(torch.arange(1), 3, 224, 113, 2))
    spectrum = noise * natural_spectrum().double() / math.sqrt(math.pi / 2)
    spectrum[..., 0, 0] = 0
    torch.testing.assert_close(one.channels().detach(), torch.fft.irfft2(spectrum), rtol=0, atol=1e-6)


def test_coefficients_of_one_are_noise_as_strong_as_photographs():
    one = Natural(range(4), (224, 224), deviation=1.0, dtype=torch.float64)
    spectra = torch.fft.rfft2(one.channels())
    ratio = spectra.detach().abs().mean(0)[0, 3:100, 3:100].mean() / natural_spectrum()[0, 3:100, 3:100].mean()
    assert abs(ratio.item() - 1) < 0.03


def test_the_mean_of_the_start_is_grey_whatever_the_noise():
    one = Natural(range(3), (12, 10), deviation=2.0, dtype=torch.float64)
    torch.testing.assert_close(one.channels().detach().mean((2, 3)), torch.zeros(3, 3, dtype=torch.float64))
    assert one().detach().std() > 0.1


def test_a_photograph_becomes_coefficients_and_comes_back():
    photo = 0.01 + 0.98 * noise(2, 3, 9, 12)
    one = Natural([0, 1], (9, 12), start=photo, dtype=torch.float64)
    torch.testing.assert_close(one().detach(), photo)
    one.assign(photo[[1]], torch.tensor([0]))
    torch.testing.assert_close(one().detach()[0], photo[1])
