"""How near a picture is to another: formulas written out, and what one can check in one's head."""

import numpy as np
import pytest
import torch

from phosphene.core.pictures.likeness import psnr, ssim
from tests.small import levels, noise


def slow_ssim(a, b):
    """Equation 13 of Wang et al. 2004 in every window of 11 x 11 px that fits in, weighted by a Gaussian of 1.5 px."""
    at = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(at, at) / at.sum() ** 2
    found = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x, y = (one[row : row + 11, column : column + 11] for one in (a, b))
            ux, uy = (weights * x).sum(), (weights * y).sum()
            vx, vy = (weights * x * x).sum() - ux * ux, (weights * y * y).sum() - uy * uy
            both = (weights * x * y).sum() - ux * uy
            similar = (2 * ux * uy + 0.01**2) * (2 * both + 0.03**2)
            found.append(similar / ((ux * ux + uy * uy + 0.01**2) * (vx + vy + 0.03**2)))
    return np.mean(found)


def test_structural_similarity_equals_its_formula():
    photo = noise(1, 3, 14, 13)
    pictures = torch.cat([(0.7 * photo + 0.3 * noise(1, 3, 14, 13, seed=i)) for i in (1, 2)])
    expected = [np.mean([slow_ssim(photo[0, c].numpy(), x[c].numpy()) for c in range(3)]) for x in pictures]
    np.testing.assert_allclose(ssim(pictures, photo), expected, atol=1e-9)


def test_the_photograph_itself_is_as_near_as_can_be():
    photo = levels(1, 3, 20, 24)
    assert psnr(photo, photo).item() == pytest.approx(100)
    assert ssim(photo, photo).item() == pytest.approx(1)


def test_a_difference_of_a_tenth_everywhere_is_twenty_decibels():
    photo = 0.5 * noise(1, 3, 16, 16)
    assert psnr(photo + 0.1, photo).item() == pytest.approx(20)


def test_small_pictures_are_compared_too():
    photo = noise(1, 3, 8, 9)
    assert ssim(photo.flip(3), photo).item() < 0.9
