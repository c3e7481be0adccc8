"""Coefficients in units of what photographs have."""

import math

import torch

from phosphene.core.optimization.parameterizations import Natural, natural_spectrum
from phosphene.core.optimization.parameterizations.natural import COLOURS
from tests.core.slow import slow_coloured, slow_inverse, spectrum_of
from tests.small import noise


def test_it_equals_its_formula():
    size = (224, 224)
    one = Natural([3], size, seed=1, deviation=0.5, dtype=torch.float64)
    shape = torch.view_as_complex(one.parameters[0].detach())[0]
    scale = natural_spectrum().double() / 224 / math.sqrt(math.pi / 2)
    scale[1:] *= COLOURS
    flat = torch.fft.irfft2(shape * scale, s=size) * 224  # orthonormal
    torch.testing.assert_close(one()[0], torch.from_numpy(slow_coloured(flat.numpy())), rtol=0, atol=1e-12)


def test_a_small_picture_is_added_up_by_explicit_sums():
    one = Natural([0], (4, 5), deviation=0.3, dtype=torch.float64)
    spectra = spectrum_of(one.parameters[0].detach()[0]) * one.scale.numpy()
    expected = slow_coloured([slow_inverse(spectrum, 4, 5) for spectrum in spectra])
    torch.testing.assert_close(one()[0], torch.as_tensor(expected), rtol=0, atol=1e-12)


def test_coefficients_of_one_are_noise_as_strong_as_photographs():
    one = Natural(range(4), (224, 224), deviation=1.0, dtype=torch.float64)
    spectra = torch.fft.rfft2(one.channels())
    ratio = spectra.detach().abs().mean(0)[0, 3:100, 3:100].mean() / natural_spectrum()[0, 3:100, 3:100].mean()
    assert abs(ratio.item() - 1) < 0.03


def test_a_photograph_becomes_coefficients_and_comes_back():
    photo = 0.01 + 0.98 * noise(2, 3, 9, 12)
    one = Natural([0, 1], (9, 12), start=photo, dtype=torch.float64)
    torch.testing.assert_close(one().detach(), photo)
    one.assign(photo[[1]], torch.tensor([0]))
    torch.testing.assert_close(one().detach()[0], photo[1])
