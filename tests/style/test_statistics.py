import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from phosphene.style.moments import Moments, moments
from phosphene.style.statistics import OF_FEATURES, OF_SUMS, wasserstein_distance
from tests.small import normal


def slow_wasserstein(f, g):
    """|m - m*|^2 + tr(S + S* - 2 (S*^(1/2) S S*^(1/2))^(1/2)) over |m*|^2 + tr S*, with another's root."""
    (m, s), (mw, sw) = ((x.mean(1), np.cov(x, ddof=0)) for x in (f.numpy(), g.numpy()))
    root = np.real(sqrtm(sw))
    apart = ((m - mw) ** 2).sum() + np.trace(s + sw - 2 * np.real(sqrtm(root @ s @ root)))
    return apart / ((mw**2).sum() + np.trace(sw))


def test_wasserstein_equals_its_formula_for_each_picture():
    f, g = normal(2, 4, 30), 2 * normal(1, 4, 50, seed=1) + 1
    found = wasserstein_distance(moments(g))(moments(f))
    np.testing.assert_allclose(found, [slow_wasserstein(one, g[0]) for one in f], rtol=1e-9)


def test_wasserstein_of_a_shift_is_its_square_and_of_a_stretch_that_of_the_deviations():
    f = normal(1, 3, 40)
    f = f - f.mean(2, keepdim=True)
    wanted = moments(f)
    size = wanted.covariance[0].trace()
    shift = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)[None, :, None]
    torch.testing.assert_close(wasserstein_distance(wanted)(moments(f + shift)), (9 / size)[None])
    torch.testing.assert_close(wasserstein_distance(wanted)(moments(3 * f)), torch.tensor([4.0], dtype=torch.float64))


def test_wasserstein_has_the_gradient_of_its_formula():
    f, wanted = normal(2, 3, 12).requires_grad_(), moments(normal(1, 3, 20, seed=1))
    assert torch.autograd.gradcheck(lambda f: wasserstein_distance(wanted)(moments(f)), f)


def test_wasserstein_has_a_finite_gradient_where_channels_are_silent_or_alike():
    f, g = normal(1, 4, 12), normal(1, 4, 20, seed=1)
    f[:, 1] = 0
    f[:, 2] = f[:, 3]
    g[:, 3] = 0
    f.requires_grad_()
    wasserstein_distance(moments(g))(moments(f)).sum().backward()
    assert f.grad.isfinite().all()
    flat = torch.zeros(1, 4, 12, dtype=torch.float64, requires_grad=True)
    wasserstein_distance(moments(g))(moments(flat)).sum().backward()
    assert flat.grad.isfinite().all()


@pytest.mark.parametrize("name", [*OF_SUMS, *OF_FEATURES])
def test_every_statistic_is_zero_at_the_style_itself_wherever_its_positions_are(name):
    style = normal(1, 5, 24).abs()
    shuffled = style[..., torch.randperm(24, generator=torch.Generator().manual_seed(0))]
    of_sums = name in OF_SUMS
    distance = OF_SUMS[name](moments(style)) if of_sums else OF_FEATURES[name](style)
    found = distance(moments(shuffled) if of_sums else shuffled)
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-9, rtol=0)
    other = normal(1, 5, 24, seed=3)
    assert distance(moments(other) if of_sums else other).item() > 0.1


def test_statistics_of_sums_take_sums_of_any_precision():
    found, wanted = (Moments(*(part.float() for part in moments(normal(1, 3, 20, seed=i)))) for i in (0, 1))
    for statistic in OF_SUMS.values():
        assert statistic(wanted)(found).dtype == torch.float32
