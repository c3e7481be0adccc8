"""Pictures with alpha: their formula, backgrounds behind them, and what an objective that likes holes leaves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.parameterizations import Fourier, Phase, Pixels, Transparent, decorrelated
from phosphene.core.optimization.parameterizations.colours import uncoloured
from phosphene.core.optimization.priors import opacity
from phosphene.core.optimization.terms import Reading, channel
from phosphene.core.optimization.transforms import compose, over_noise, shake
from tests.core.slow import set_to, slow_coloured, slow_falling, slow_inverse, spectrum_of
from tests.small import convnet, noise, normal


def transparent(size=(6, 5), problems=(0, 1), **options):
    return Transparent(Fourier(problems, size, dtype=torch.float64), **options)


def seen(x, transform, rows=None, step=0):
    rows = torch.arange(len(x)) if rows is None else rows
    return transform(x, rows, Key(0, list(range(9)), step=step))[0]


# ----------------------------------------------------------------------------------------------- the parameterization


def test_the_colours_are_the_wrapped_ones_and_alpha_starts_even():
    image = transparent(opacity=0.3)
    assert torch.equal(image()[:, :3], image.image())
    torch.testing.assert_close(image()[:, 3], torch.full((2, 6, 5), 0.3, dtype=torch.float64))
    assert Transparent(Fourier([0], (6, 5)))().dtype == torch.float32


def test_alpha_equals_its_formula():
    image = transparent(decay=1.5)
    set_to(image, [p.detach() + normal(*p.shape) for p in image.parameters])
    coefficients = image.parameters[-1]
    for row in range(2):
        spectrum = spectrum_of(coefficients[row, 0]) * slow_falling(6, 5, 1.5) / 4
        alpha = torch.from_numpy(1 / (1 + np.exp(-slow_inverse(spectrum, 6, 5))))
        torch.testing.assert_close(image()[row, 3].detach(), alpha)


def test_pixels_with_alpha_come_back():
    image, x = transparent(), 0.01 + 0.98 * noise(2, 4, 6, 5)
    image.assign(x[[1]], torch.tensor([0]))
    torch.testing.assert_close(image()[0].detach(), x[1], rtol=1e-9, atol=1e-9)
    assert torch.allclose(image()[1, 3], torch.tensor(0.5, dtype=torch.float64))
    with pytest.raises(Mistake, match="a Phase can't be set"):
        Transparent(Phase([0], (6, 5), dtype=torch.float64)).assign(x[[0]], torch.tensor([0]))


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_what_the_sigmoid_never_reaches_is_refused(wrong):
    with pytest.raises(Mistake, match=r"\d is not a valid value for opacity: it must be 0.002 to 0.998"):
        transparent(opacity=wrong)


# ----------------------------------------------------------------------------------------------------- backgrounds


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_what_is_opaque_hides_the_background_and_alpha_mixes_evenly(step):
    x = noise(2, 4, 6, 8, seed=step)
    opaque, gone = x.clone(), x.clone()
    opaque[:, 3], gone[:, 3] = 1, 0
    background = seen(gone, over_noise(), step=step)
    torch.testing.assert_close(seen(opaque, over_noise(), step=step), x[:, :3])
    assert torch.equal(background, seen(gone * 0, over_noise(), step=step))
    mixed = x[:, 3:] * x[:, :3] + (1 - x[:, 3:]) * background
    torch.testing.assert_close(seen(x, over_noise(), step=step), mixed)


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_the_background_equals_its_formula(decay):
    spectra = spectrum_of(Key(0, [0, 1], step=4).normal(torch.tensor([1]), 3, 4, 3, 2)[0]) * slow_falling(4, 5, decay)
    flat = np.stack([slow_inverse(spectrum, 4, 5) for spectrum in spectra])
    expected = slow_coloured(2.0 * flat / np.sqrt((flat**2).sum() / flat.size))
    empty = torch.zeros(1, 4, 4, 5, dtype=torch.float64)
    found = seen(empty, over_noise(2.0, decay), torch.tensor([1]), step=4)
    torch.testing.assert_close(found[0], torch.from_numpy(expected))


def test_every_problem_has_its_own_background_and_every_step_another():
    empty = torch.zeros(3, 4, 6, 6, dtype=torch.float64)
    backgrounds = seen(empty, over_noise())
    torch.testing.assert_close(backgrounds[[2]], seen(empty[:1], over_noise(), torch.tensor([2])))
    assert (backgrounds[0] - backgrounds[1]).abs().max() > 0.05
    assert (backgrounds - seen(empty, over_noise(), step=1)).abs().amax((1, 2, 3)).min() > 0.05


def test_coarse_structures_of_the_background_are_the_stronger_ones():
    flat = uncoloured(seen(torch.zeros(8, 4, 32, 32).double(), over_noise()), decorrelated(torch.float64))
    power = torch.fft.rfft2(flat).abs().square().mean((0, 1))
    assert 8 < power[2, 2] / power[8, 8] < 32  # (4 times the frequency)^2, give or take


# -------------------------------------------------------------------------------------------------------- objectives


def test_opacity_is_the_mean_of_alpha():
    x = noise(2, 4, 6, 5)
    at = torch.arange(2)
    torch.testing.assert_close(opacity().of(Reading(x, at, x[:, :3], at)), x[:, 3].mean((1, 2)))


def test_pictures_without_alpha_are_refused():
    x = noise(2, 3, 6, 5)
    at = torch.arange(2)
    with pytest.raises(Mistake, match="opacity needs pictures with alpha, 4 channels, not 3"):
        opacity().of(Reading(x, at, x, at))
    with pytest.raises(Mistake, match="over_noise needs pictures with alpha, 4 channels, not 3"):
        seen(x, over_noise())


def test_where_nothing_is_asked_a_picture_becomes_transparent_and_elsewhere_it_does_not():
    def path(*terms):
        transform = compose(over_noise(), shake(pad=1, jitter=2))
        objective = gradient(convnet(), sum(terms[1:], terms[0]), transform)
        return list(argmin(transparent((16, 16)), objective, optimizer=adam(0.1), steps=12))

    holes = path(opacity())
    alpha = [step.pictures[:, 3].mean((1, 2)) for step in holes]
    assert torch.equal(holes[-1].values, alpha[-1]) and (alpha[-1] < 0.9 * alpha[0]).all()
    kept = path(-channel("conv3", [0, 3]), 0.01 * opacity())
    assert (kept[-1].pictures[:, 3].mean((1, 2)) > alpha[-1]).all()


def test_a_row_with_alpha_is_the_problem_alone():
    def path(problems):
        objective = gradient(convnet(), -channel("conv3", [0] * len(problems)) + opacity(), over_noise())
        image = transparent((12, 12), problems)
        return list(argmin(image, objective, optimizer=adam(0.1), steps=3, key=Key(0, problems)))[-1].pictures

    torch.testing.assert_close(path([4, 6])[[1]], path([6]), rtol=1e-9, atol=1e-9)


def test_pixels_may_have_alpha_too():
    x = noise(1, 4, 6, 5)
    assert torch.equal(Pixels(x)(), x)
