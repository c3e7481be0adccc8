"""Wavelets against sums over taps, PyWavelets and what makes them wavelets."""

import math
import warnings

import numpy as np
import pytest
import torch

from phosphene.core.optimization.wavelets import MOMENTS, decomposed, places, scaling_filter, split
from tests.small import noise

WAVELETS = list(MOMENTS)
SIZES = [(8, 6), (7, 5), (16, 9)]


@pytest.mark.parametrize("moments", [1, 2, 3, 4])
def test_a_scaling_filter_is_orthogonal_to_itself_shifted_by_two_and_passes_no_polynomial_to_the_details(moments):
    low = np.array(scaling_filter(moments))
    assert low.sum() == pytest.approx(math.sqrt(2)) and len(low) == 2 * moments
    for shift in range(moments):
        assert low[2 * shift :] @ low[: len(low) - 2 * shift] == pytest.approx(float(shift == 0), abs=1e-12)
    at = np.arange(len(low))
    for power in range(moments):
        assert (low * (-1.0) ** at * at**power).sum() == pytest.approx(0, abs=1e-9)


def test_two_moments_are_daubechies_closed_form():
    r = math.sqrt(3)
    expected = [(1 + r) / (4 * math.sqrt(2)), (3 + r) / (4 * math.sqrt(2)), (3 - r) / (4 * math.sqrt(2))]
    assert scaling_filter(2)[:3] == pytest.approx(expected, abs=1e-14)


def slow_split(x, wavelet, border):
    """Every coefficient as a sum over taps, rows and columns that go on by what `border` says."""
    low = scaling_filter(MOMENTS[wavelet])
    taps = len(low)
    filters = [low, [(-1) ** k * low[taps - 1 - k] for k in range(taps)]]

    def at(length, i):
        if border == "periodic":
            return min(i % (length + length % 2), length - 1)
        while not 0 <= i < length:
            i = -1 - i if i < 0 else 2 * length - 1 - i
        return i

    def kept(length):
        many = (length + 1) // 2 if border == "periodic" else (length + taps - 1) // 2
        return [(2 * k + (1 - taps // 2 if border == "periodic" else 2 - taps)) for k in range(many)]

    height, width = x.shape
    return [
        torch.tensor(
            [
                [
                    sum(
                        down[i] * across[j] * x[at(height, top + i), at(width, left + j)].item()
                        for i in range(taps)
                        for j in range(taps)
                    )
                    for left in kept(width)
                ]
                for top in kept(height)
            ],
            dtype=torch.float64,
        )
        for across in filters
        for down in filters
    ]


@pytest.mark.parametrize("border", ["symmetric", "periodic"])
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_a_split_is_its_sum_over_taps(wavelet, border):
    x = noise(1, 2, 5, 6)
    coarse, details = split(x, wavelet, border)
    for channel in range(2):
        found = [coarse[0, channel], *details[0, channel]]
        for one, slow in zip(found, slow_split(x[0, channel], wavelet, border), strict=True):
            torch.testing.assert_close(one, slow)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("border", "mode"), [("symmetric", "symmetric"), ("periodic", "periodization")])
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_a_decomposition_equals_that_of_pywavelets(wavelet, border, mode, size):
    pywt = pytest.importorskip("pywt")
    x = noise(2, 3, *size)
    levels = 1 if min(size) < 8 else 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the picture is small for so many levels
        coarse, *theirs = pywt.wavedec2(x.numpy(), wavelet, mode, levels, axes=(2, 3))
    found, details = decomposed(x, wavelet, levels, border)
    torch.testing.assert_close(found, torch.from_numpy(coarse))
    for mine, (horizontal, vertical, diagonal) in zip(details, reversed(theirs), strict=True):
        torch.testing.assert_close(mine.movedim(2, 0), torch.from_numpy(np.stack([horizontal, vertical, diagonal])))


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_around_a_border_that_goes_around_energy_is_kept(wavelet):
    x = noise(1, 3, 16, 8)
    coarse, details = decomposed(x, wavelet, 3, "periodic")
    energy = coarse.square().sum() + sum(detail.square().sum() for detail in details)
    torch.testing.assert_close(energy, x.square().sum())


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_a_flat_picture_has_no_details_whatever_its_size(wavelet):
    for size in SIZES:
        _, details = decomposed(torch.full((1, 3, *size), 0.7, dtype=torch.float64), wavelet)
        assert details and all(detail.abs().max() < 1e-10 for detail in details)


def test_a_decomposition_ends_where_there_is_one_pixel_left():
    coarse, details = decomposed(noise(1, 3, 8, 8), "haar", 9)
    assert coarse.shape[2:] == (1, 1) and len(details) == 3


def test_places_go_around_or_are_mirrored():
    assert places(4, 4, "periodic").tolist() == [3, 0, 1, 2, 3, 0]
    assert places(4, 4, "symmetric").tolist() == [1, 0, 0, 1, 2, 3, 3, 2]
    assert places(3, 2, "periodic").tolist() == [0, 1, 2, 2]
