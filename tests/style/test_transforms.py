"""Features moved to a style's statistics: what they have afterwards, by formulas written loop by loop in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.style.moments import added, blended, moments
from phosphene.style.transforms import adain, exact_moments, power, transformed, transport, wct
from tests.small import noise, normal


def features(channels=4, positions=60, seed=0):
    """Correlated ones, with means of their own."""
    mixed = normal(channels, channels, seed=seed) @ normal(channels, positions, seed=seed + 1)
    return mixed[None] + 3 * normal(channels, 1, seed=seed + 2)


def statistics(x):
    """Mean and covariance, position by position."""
    x = x[0].numpy()
    mean, covariance = np.zeros(len(x)), np.zeros((len(x), len(x)))
    for position in x.T:
        mean += position / x.shape[1]
    for position in x.T:
        covariance += np.outer(position - mean, position - mean) / x.shape[1]
    return mean, covariance


def slow_root(matrix, exponent):
    """By Newton's iterations for the square root (Denman & Beavers 1976), without eigenvectors."""
    y, z = matrix.copy(), np.eye(len(matrix))
    for _ in range(60):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    return y if exponent > 0 else z


CONTENT, STYLE = features(), features(positions=45, seed=7)


@pytest.mark.parametrize("method", [wct, transport])
def test_whitened_and_coloured_features_have_the_styles_mean_and_covariance(method):
    mean, covariance = statistics(method(moments(CONTENT), moments(STYLE))(CONTENT))
    wanted_mean, wanted = statistics(STYLE)
    assert np.abs(mean - wanted_mean).max() < 1e-9
    assert np.abs(covariance - wanted).max() < 1e-9


def test_wct_is_equations_1_and_2_of_the_paper():
    (mean, own), (wanted_mean, wanted) = statistics(CONTENT), statistics(STYLE)
    found = wct(moments(CONTENT), moments(STYLE))(CONTENT)[0].numpy()
    for at, position in enumerate(CONTENT[0].numpy().T):
        slow = slow_root(wanted, 0.5) @ slow_root(own, -0.5) @ (position - mean) + wanted_mean
        np.testing.assert_allclose(found[:, at], slow, rtol=0, atol=1e-9)


def test_optimal_transport_is_the_map_of_its_paper_and_moves_features_less_than_wct():
    own, wanted = statistics(CONTENT)[1], statistics(STYLE)[1]
    root, inverse = slow_root(own, 0.5), slow_root(own, -0.5)
    found = transport(moments(CONTENT), moments(STYLE))
    np.testing.assert_allclose(found.matrix[0], inverse @ slow_root(root @ wanted @ root, 0.5) @ inverse, atol=1e-9)
    around = CONTENT - CONTENT.mean(2, keepdim=True)
    far, near = (
        (method(moments(CONTENT), moments(STYLE)).matrix @ around - around).square().sum()
        for method in (wct, transport)
    )
    assert near < 0.95 * far


def test_adain_gives_each_channel_the_styles_mean_and_deviation_and_is_its_formula():
    found = adain(moments(CONTENT), moments(STYLE))(CONTENT)
    for channel in range(4):
        own, wanted = CONTENT[0, channel].numpy(), STYLE[0, channel].numpy()
        slow = [wanted.std() * (value - own.mean()) / own.std() + wanted.mean() for value in own]
        np.testing.assert_allclose(found[0, channel], slow, rtol=0, atol=1e-12)
        assert found[0, channel].mean().item() == pytest.approx(wanted.mean(), abs=1e-12)
        assert found[0, channel].std(correction=0).item() == pytest.approx(wanted.std(), rel=1e-12)


def test_where_channels_have_nothing_to_do_with_one_another_all_three_are_one():
    """Orthogonal ones, so that covariances are diagonal to the last bit but rounding."""
    waves = torch.stack([torch.cos(2 * torch.pi * k * torch.arange(32, dtype=torch.float64) / 32) for k in (1, 2, 3)])
    content, style = waves[None] * torch.tensor([[[1.0], [2], [3]]]), waves[None] * torch.tensor([[[5.0], [1], [4]]])
    found = [method(moments(content), moments(style))(content) for method in (adain, wct, transport)]
    for one in found:
        torch.testing.assert_close(one, style, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", [adain, wct, transport])
def test_a_style_of_its_own_changes_nothing(method):
    torch.testing.assert_close(method(moments(CONTENT), moments(CONTENT))(CONTENT), CONTENT, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", [adain, wct, transport])
def test_channels_that_are_silent_in_the_picture_get_the_styles_mean_and_nothing_is_infinite(method):
    silent = CONTENT.clone()
    silent[:, 1:3] = 0.25
    found = method(moments(silent), moments(STYLE))(silent)
    assert found.isfinite().all()
    torch.testing.assert_close(found.mean(2), STYLE.mean(2), rtol=0, atol=1e-9)
    if method is adain:
        assert (found[0, 1:3] - STYLE[0, 1:3].mean(1, keepdim=True)).abs().max() < 1e-9


def test_more_channels_than_positions_are_no_trouble():
    few = features(channels=12, positions=5)
    for method in (adain, wct, transport):
        found = method(exact_moments(few), exact_moments(features(channels=12, seed=4)))(few)
        assert found.isfinite().all() and found.abs().max() < 1e3


@given(st.integers(0, 10_000), st.sampled_from([0.5, -0.5]))
def test_powers_turn_with_what_they_are_powers_of(seed, exponent):
    """So no choice of eigenvectors, nor of their signs, is left in them."""
    half = normal(5, 5, seed=seed)
    covariance = (half @ half.T + torch.eye(5))[None]
    turn = torch.linalg.qr(normal(5, 5, seed=seed + 1))[0]
    turned = turn @ power(covariance, exponent) @ turn.T
    torch.testing.assert_close(power(turn @ covariance @ turn.T, exponent), turned, rtol=1e-9, atol=1e-9)


def test_strength_goes_from_the_features_as_they_are_to_the_styles():
    map_to = wct(moments(CONTENT), moments(STYLE))
    assert torch.equal(transformed(CONTENT, [(map_to, None)], 0.0), CONTENT)
    half = transformed(CONTENT, [(map_to, None)], 0.5)
    torch.testing.assert_close(half, (CONTENT + map_to(CONTENT)) / 2)
    torch.testing.assert_close(transformed(CONTENT, [(map_to, None)]), map_to(CONTENT))


def test_each_region_gets_the_statistics_of_its_own_style_and_a_soft_edge_lies_between():
    hard = (torch.arange(60) < 25).double()
    styles = [STYLE, features(seed=20)]
    maps = [
        wct(moments(CONTENT, weight), moments(style)) for weight, style in zip((hard, 1 - hard), styles, strict=True)
    ]
    found = transformed(CONTENT, [(maps[0], hard), (maps[1], 1 - hard)])
    for part, style in zip((found[..., :25], found[..., 25:]), styles, strict=True):
        for one, other in zip(statistics(part), statistics(style), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    soft = torch.full((60,), 0.25).double()
    between = transformed(CONTENT, [(maps[0], soft), (maps[1], 1 - soft)])
    torch.testing.assert_close(between, 0.25 * maps[0](CONTENT) + 0.75 * maps[1](CONTENT))


def test_several_styles_and_several_frames_are_sums_of_moments():
    both = blended([moments(STYLE), moments(features(seed=20))], [1.0, 1.0])
    found = exact_moments(wct(moments(CONTENT), both)(CONTENT))
    torch.testing.assert_close(found.mean, both.mean)
    torch.testing.assert_close(found.covariance, both.covariance)
    frames = [CONTENT[..., :20], CONTENT[..., 20:]]
    pooled = wct(added([moments(one) for one in frames]), moments(STYLE))
    torch.testing.assert_close(
        torch.cat([pooled(one) for one in frames], 2), wct(moments(CONTENT), moments(STYLE))(CONTENT)
    )


def test_a_small_deviation_beside_a_large_mean_is_not_lost_to_rounding():
    x = (100 + 0.01 * noise(1, 2, 400)).float()
    found = adain(exact_moments(x), exact_moments(STYLE[:, :2]))(x.double())
    torch.testing.assert_close(found.std(2, correction=0), STYLE[:, :2].std(2, correction=0), rtol=1e-6, atol=0)
