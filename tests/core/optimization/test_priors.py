"""Priors against their formulas, pixel by pixel."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.operators import bilateral_filtered, blurred
from phosphene.core.optimization.priors import (
    PriorWeights,
    bilateral,
    high_pass,
    l_alpha,
    opacity,
    power,
    total_variation,
    wavelet_sparsity,
    weighted_priors,
)
from phosphene.core.optimization.terms import Reading
from phosphene.core.optimization.wavelets import MOMENTS, split
from tests.foreign import foreign
from tests.small import noise


def reading(x):
    at = torch.arange(len(x))
    return Reading(x, at, x, at)


def picture(n=1, channels=3, height=6, width=6):
    return noise(n, channels, height, width)


def slow_total_variation(x, beta):
    """Equation 4 of arXiv:1412.0035, pixel by pixel, as a mean over pixels; the border is replicated."""
    n, channels, height, width = x.shape
    values = torch.zeros(n, dtype=torch.float64)
    for a in range(n):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    here = x[a, c, i, j]
                    right = x[a, c, i, min(j + 1, width - 1)] - here
                    down = x[a, c, min(i + 1, height - 1), j] - here
                    values[a] += (right**2 + down**2) ** (beta / 2) / (channels * height * width)
    return values


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_total_variation_equals_its_formula(beta):
    x = picture(2, 3, 5, 4)
    torch.testing.assert_close(total_variation(beta).of(reading(x)), slow_total_variation(x, beta))


def test_a_step_edge_costs_its_height_once():
    x = torch.zeros(1, 3, 4, 4)
    x[..., 2:] = 0.5
    assert total_variation().of(reading(x)).item() == pytest.approx(4 * 0.5 / 16)


@given(st.floats(0.1, 3), st.floats(0.1, 10))
def test_total_variation_is_homogeneous(beta, scale):
    x, tv = picture(), total_variation(beta).of
    torch.testing.assert_close(tv(reading(scale * x)), scale**beta * tv(reading(x)))


@given(st.floats(0.1, 3), st.floats(-1, 1))
def test_total_variation_does_not_see_brightness(beta, shift):
    x, tv = picture(), total_variation(beta).of
    torch.testing.assert_close(tv(reading(x + shift)), tv(reading(x)))


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0])
def test_a_flat_picture_has_a_finite_gradient(beta):
    x = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(total_variation(beta).of(reading(x)).sum(), x)
    assert not gradient.any()


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_the_gradient_of_total_variation_is_right(beta):
    x = picture(2, 3, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total_variation(beta).of(reading(x)), x)


@pytest.mark.parametrize("beta", [0, -1.0])
def test_total_variation_refuses_a_power_that_is_not_positive(beta):
    with pytest.raises(ValueError, match=f"needs beta > 0, got {beta}"):
        total_variation(beta)


@given(st.floats(0.1, 3), st.floats(0.01, 100))
def test_power_is_the_power_and_has_its_gradient(exponent, x):
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = power(at, exponent)
    assert y.item() == pytest.approx(x**exponent)
    assert torch.autograd.grad(y, at)[0].item() == pytest.approx(exponent * x ** (exponent - 1))


@pytest.mark.parametrize("alpha", [1.0, 2.0, 2.5, 6.0])
def test_l_alpha_equals_its_formula(alpha):
    x, center = picture(2, 3, 3, 4), (0.1, 0.4, 0.7)
    slow = [
        sum(abs(x[n, c, i, j].item() - center[c]) ** alpha for c in range(3) for i in range(3) for j in range(4)) / 36
        for n in range(2)
    ]
    torch.testing.assert_close(l_alpha(alpha, center).of(reading(x)), torch.tensor(slow, dtype=torch.float64))


def test_the_gradient_of_the_high_pass_energy_is_what_a_blur_takes_away():
    x = picture(2, 3, 8, 9).requires_grad_()
    (gradient,) = torch.autograd.grad(high_pass(1.0).of(reading(x)).sum(), x)
    torch.testing.assert_close(gradient * (3 * 8 * 9), (x - blurred(x, 1.0)).detach())


def test_the_gradient_of_the_bilateral_energy_is_what_a_bilateral_filter_takes_away():
    x = picture(2, 3, 8, 9).requires_grad_()
    (gradient,) = torch.autograd.grad(bilateral(1.0, 0.2).of(reading(x)).sum(), x)
    torch.testing.assert_close(gradient * (3 * 8 * 9), (x - bilateral_filtered(x, 1.0, 0.2)).detach())


def test_the_bilateral_energy_is_half_the_mean_square_of_what_the_filter_takes_away():
    x = picture(2, 3, 8, 9)
    expected = ((x - bilateral_filtered(x, 1.5, 0.1)) ** 2).flatten(1).mean(1) / 2
    torch.testing.assert_close(bilateral().of(reading(x)), expected)


@pytest.mark.parametrize("wavelet", MOMENTS)
def test_wavelet_sparsity_is_the_sum_of_all_details_level_by_level(wavelet):
    x = picture(2, 3, 9, 8)
    total, coarse = torch.zeros(2, dtype=torch.float64), x
    for _ in range(3):
        coarse, details = split(coarse, wavelet)
        for n in range(2):
            total[n] += sum(abs(number) for number in details[n].flatten().tolist()) / (3 * 9 * 8)
    torch.testing.assert_close(wavelet_sparsity(wavelet, 3).of(reading(x)), total)


def test_a_step_edge_between_blocks_costs_haar_nothing_and_one_within_them_its_height():
    x = torch.zeros(1, 3, 4, 4)
    x[..., 2:] = 0.5
    assert wavelet_sparsity("haar", 1).of(reading(x)).item() == pytest.approx(0, abs=1e-7)
    x[..., 1] = 0.5  # in two blocks of each colour two pairs that differ by .5: details of .5 * 2 / 2
    assert wavelet_sparsity("haar", 1).of(reading(x)).item() == pytest.approx(2 * 0.5 / 16)


def test_total_variation_is_that_of_deepinv():
    optim = foreign("deepinv.optim")
    x = picture(2, 3, 7, 6)
    nabla = optim.TVPrior().nabla(x)
    for beta in (1.0, 2.0):
        theirs = nabla.square().sum(-1).pow(beta / 2).mean((1, 2, 3))
        torch.testing.assert_close(total_variation(beta).of(reading(x)), theirs)
    torch.testing.assert_close(total_variation().of(reading(x)), optim.TVPrior().fn(x).flatten() / (3 * 7 * 6))


PRIORS = {
    "tv1": total_variation(), "tv2": total_variation(2.0), "l2": l_alpha(), "l6": l_alpha(6, (0.4, 0.5, 0.6)),
    "haar": wavelet_sparsity("haar"), "db2": wavelet_sparsity("db2"), "db4": wavelet_sparsity("db4", 1),
}  # fmt: skip


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_the_gradient_of_a_prior_equals_differences(prior):
    x = picture(1, 3, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: prior.of(reading(x)), x)


@pytest.mark.parametrize("prior", [total_variation, high_pass, l_alpha, bilateral])
def test_an_exponent_or_deviation_of_zero_is_refused(prior):
    with pytest.raises(ValueError, match="needs"):
        prior(0)


def test_wavelets_without_a_level_and_a_filter_without_a_contrast_are_refused():
    with pytest.raises(ValueError, match="needs at least 1 level, got 0"):
        wavelet_sparsity("haar", 0)
    with pytest.raises(ValueError, match="bilateral needs deviations above 0, got 1 pixels and 0 of contrast"):
        bilateral(1, 0)


def test_the_shape_of_a_prior_is_a_setting_beside_its_weight():
    x = picture(2)
    for settings, formula in (
        ({"tv": 2.0, "tv_beta": 1.5}, total_variation(1.5)),
        ({"wavelets": 2.0, "wavelet": "db3"}, wavelet_sparsity("db3")),
        ({"wavelets": 2.0}, wavelet_sparsity("db2", 4)),
    ):
        (term,) = weighted_priors(PriorWeights(**settings), (0.5,))
        torch.testing.assert_close(term.of(reading(x)), 2 * formula.of(reading(x)))


def test_weighted_priors_are_those_with_a_weight():
    x = noise(1, 3, 4, 4)
    terms = list(weighted_priors(PriorWeights(tv=2.0, l6=0.5), (0.4, 0.5, 0.6)))
    expected = [2 * total_variation(), 0.5 * l_alpha(6, (0.4, 0.5, 0.6))]
    assert len(terms) == 2
    for one, other in zip(terms, expected, strict=True):
        torch.testing.assert_close(one.of(reading(x)), other.of(reading(x)))


FLAT = {"tv": 0.0, "l2": 0.5**2, "l6": 0.5**6, "high_pass": 0.0, "bilateral": 0.0, "wavelets": 0.0}


def test_the_weights_of_a_flat_picture_are_powers_of_its_distance_from_the_mean_colour():
    x, center = torch.full((1, 3, 6, 6), 0.75, dtype=torch.float64), (0.25, 0.25, 0.25)
    for name, value in FLAT.items():
        (term,) = weighted_priors(PriorWeights(**{name: 3.0}), center)
        assert term.of(reading(x)).item() == pytest.approx(3 * value, abs=1e-12)


def test_at_zero_powers_from_one_on_have_their_gradient_and_smaller_ones_none():
    for exponent, expected in ((0.3, 0.0), (0.99, 0.0), (1, 1.0), (1.5, 0.0), (2, 0.0)):
        at = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        y = power(at, exponent)
        (gradient,) = torch.autograd.grad(y.sum(), at)
        assert not y.any() and gradient.tolist() == [expected, expected]


def test_what_is_left_out_is_the_usual_choice():
    x = picture(2)
    for usual, told in (
        (total_variation(), total_variation(1.0)),
        (l_alpha(), l_alpha(2.0, (0.5,))),
        (l_alpha(6), l_alpha(6, (0.5, 0.5, 0.5))),
        (high_pass(), high_pass(1.0)),
    ):
        assert torch.equal(usual.of(reading(x)), told.of(reading(x))) and usual.name == told.name


def test_a_prior_says_what_it_is():
    priors = total_variation(), l_alpha(), l_alpha(2.5), high_pass(), bilateral(), wavelet_sparsity("haar"), opacity()
    assert [prior.name for prior in priors] == [
        "total variation",
        "L2 norm",
        "L2.5 norm",
        "high-pass energy",
        "bilateral energy",
        "haar wavelet sparsity",
        "opacity",
    ]


def test_the_high_pass_energy_is_half_the_mean_square_of_what_a_blur_takes_away():
    x = picture(2, 3, 8, 9)
    for deviation in (0.7, 1.0, 2.0):
        expected = ((x - blurred(x, deviation)) ** 2).flatten(1).mean(1) / 2
        torch.testing.assert_close(high_pass(deviation).of(reading(x)), expected)


@pytest.mark.parametrize("prior", [total_variation, l_alpha, high_pass])
def test_a_prior_of_colours_does_not_look_at_alpha(prior):
    x = picture(2, 4)
    assert torch.equal(prior(1.5).of(reading(x)), prior(1.5).of(reading(x[:, :3])))


def test_opacity_is_the_mean_of_alpha():
    x = picture(2, 4, 5, 6)
    torch.testing.assert_close(opacity().of(reading(x)), x[:, 3].flatten(1).mean(1))
    with pytest.raises(Mistake, match=r"^opacity needs pictures with alpha, 4 channels, not 3; see Transparent$"):
        opacity().of(reading(x[:, :3]))


@pytest.mark.parametrize(
    ("prior", "sentence"),
    [
        (total_variation, "total_variation needs beta > 0, got {}; 1 keeps edges, 2 smooths"),
        (l_alpha, "l_alpha needs alpha > 0, got {}; 2 is the usual decay, 6 bounds the values"),
        (high_pass, "high_pass needs a deviation above 0 pixels, got {}"),
    ],
)
def test_what_is_not_positive_is_refused_in_a_sentence(prior, sentence):
    for value in (0, -1.5):
        with pytest.raises(ValueError, match=f"^{sentence.format(value)}$"):
            prior(value)
    assert prior(0.5).of(reading(picture())).isfinite()


def test_the_weight_of_each_prior_is_that_of_its_formula():
    x, center = picture(2), (0.4, 0.5, 0.6)
    formulas = {
        "tv": total_variation(), "l2": l_alpha(2, center), "l6": l_alpha(6, center), "high_pass": high_pass(),
        "bilateral": bilateral(), "wavelets": wavelet_sparsity(),
    }  # fmt: skip
    for name, formula in formulas.items():
        (term,) = weighted_priors(PriorWeights(**{name: 3.0}), center)
        torch.testing.assert_close(term.of(reading(x)), 3 * formula.of(reading(x)))
    assert not list(weighted_priors(PriorWeights(), center))
