"""How alike two maps are, beside other people's implementations and the formulas written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from phosphene.attribution.checks.likeness import likeness, seen, spearman, ssim
from phosphene.attribution.maps import About
from tests.small import noise, normal

SENSITIVITY = About("s", "", "sensitivity", "grey")
CONTRIBUTION = About("c", "", "contribution", "heat")


@pytest.mark.parametrize("levels", [1000, 5, 2])
def test_rank_correlation_is_scipys_ties_too(levels):
    a, b = ((noise(3, 200, seed=seed) * levels).round() for seed in (1, 2))
    b = b + (a > levels / 2)
    expected = [spearmanr(x, y).statistic for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    np.testing.assert_allclose(spearman(a, b), expected, atol=1e-12)


def slow_spearman(a, b):
    """1 - 6 sum d^2 / (n (n^2 - 1)), for numbers without ties."""
    ranks = [[sum(other < one for other in row) for one in row] for row in (a, b)]
    n = len(a)
    return 1 - 6 * sum((x - y) ** 2 for x, y in zip(*ranks, strict=True)) / (n * (n * n - 1))


def test_rank_correlation_equals_its_formula():
    a, b = noise(1, 30, seed=3), noise(1, 30, seed=4)
    assert spearman(a, b).item() == pytest.approx(slow_spearman(a[0].tolist(), b[0].tolist()), abs=1e-12)


def test_a_constant_map_puts_nothing_into_any_order():
    assert spearman(torch.ones(1, 9).double(), noise(1, 9)).item() == 0


def slow_ssim(a, b):
    """Equation 13 of Wang et al. 2004 in every window of 7 x 7 px that fits in, their mean; sample (co)variances."""
    c1, c2 = 0.01**2, 0.03**2
    found = []
    for row in range(a.shape[0] - 6):
        for column in range(a.shape[1] - 6):
            x, y = (one[row : row + 7, column : column + 7].ravel() for one in (a, b))
            (vx, both), (_, vy) = np.cov(x, y)
            ux, uy = x.mean(), y.mean()
            similar = (2 * ux * uy + c1) * (2 * both + c2)
            found.append(similar / ((ux * ux + uy * uy + c1) * (vx + vy + c2)))
    return np.mean(found)


@pytest.mark.parametrize("signed", [True, False])
def test_structural_similarity_equals_its_formula(signed):
    a = normal(2, 12, 10, seed=1)
    a, b = a / a.abs().amax(), (0.6 * a + 0.4 * normal(2, 12, 10, seed=2))
    scale = [one.abs().flatten(1).sort(dim=1).values[:, -1].view(2, 1, 1) for one in (a, b)]  # 99.5 % of 120 is all
    shown = [one / s for one, s in zip((a, b), scale, strict=True)]
    shown = [((one + 1) / 2 if signed else one.clamp(min=0)).numpy() for one in shown]
    expected = [slow_ssim(x, y) for x, y in zip(*shown, strict=True)]
    np.testing.assert_allclose(ssim(a, b, signed), expected, atol=1e-12)


def test_structural_similarity_is_scikit_images_of_what_is_seen():
    a, b = noise(1, 40, 40, seed=1), noise(1, 40, 40, seed=2)
    cut = [np.sort(one.numpy().ravel())[int(np.ceil(0.995 * 1600)) - 1] for one in (a, b)]
    x, y = (np.clip(one[0].numpy() / c, 0, 1) for one, c in zip((a, b), cut, strict=True))
    assert ssim(a, b, signed=False).item() == pytest.approx(structural_similarity(x, y, data_range=1.0), abs=1e-12)


@pytest.mark.parametrize("about", [SENSITIVITY, CONTRIBUTION])
@pytest.mark.parametrize("shape", [(2, 3, 9, 8), (2, 9, 8), (1, 3, 4, 4)])
def test_a_map_is_like_itself_at_any_scale(about, shape):
    values = normal(*shape)
    same = likeness(values, 1000 * values, about)
    for one in (same.ssim, same.rank, same.signed):
        torch.testing.assert_close(one, torch.ones(shape[0]).double())


def test_the_sign_of_a_sensitivity_is_seen_by_the_signed_rank_alone():
    values = normal(1, 3, 20, 20)
    turned = likeness(values, -values, SENSITIVITY)
    assert (turned.ssim.item(), turned.rank.item(), turned.signed.item()) == pytest.approx((1, 1, -1))


def test_a_map_of_contributions_and_its_negative_are_not_alike():
    values = normal(1, 20, 20)
    turned = likeness(values, -values, CONTRIBUTION)
    assert turned.rank.item() == pytest.approx(1) and turned.signed.item() == pytest.approx(-1)
    assert turned.ssim.item() < -0.5


def test_of_a_map_whose_numbers_mean_something_beside_each_other_only_the_smallest_is_nothing():
    values = 5 + noise(2, 6, 6)
    relative = seen(values, About("r", "", "sensitivity", "overlay", relative=True))
    torch.testing.assert_close(relative.amin((1, 2)), torch.zeros(2).double())
    assert seen(values, SENSITIVITY).min() >= 5


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_likeness_has_no_direction(seed):
    a, b = normal(2, 3, 9, 9, seed=seed), normal(2, 3, 9, 9, seed=seed + 1)
    one, other = likeness(a, b, CONTRIBUTION), likeness(b, a, CONTRIBUTION)
    for name in ("ssim", "rank", "signed"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))
