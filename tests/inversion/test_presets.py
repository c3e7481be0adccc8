"""Presets of inversion: the published numbers in this program's units."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.priors import l_alpha, total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.terms import Reading
from phosphene.inversion.presets import ENERGY, PRESETS, SMOOTHNESS, restarts_of, setup
from tests.small import convnet, noise


def reading(x):
    return Reading(x, torch.arange(len(x)), x, torch.arange(len(x)))


@pytest.mark.parametrize(
    ("layer", "theirs"), [("conv1", 0.5), ("conv3", 5.0), ("fc", 50.0), ("log-probabilities", 50.0)]
)
def test_mahendrans_priors_are_their_sums_over_values_to_255(layer, theirs):
    """lambda_a sum |x|^6 + lambda_tv sum ((dx)^2 + (dy)^2), over the energy of a picture, of mean-subtracted values."""
    network, size = convnet(), (9, 11)
    x = noise(1, 3, *size)
    how = setup("mahendran", {}, network, [layer], size)
    values, mean = 255 * x, 255 * 0.5
    right, down = values.diff(dim=3, append=values[..., -1:]), values.diff(dim=2, append=values[:, :, -1:])
    energy = ENERGY * 255**2 * x.numel()
    smooth = theirs * (right.square() + down.square()).sum() / energy
    bounded = 4e-10 * (values - mean).abs().pow(6).sum() / energy
    assert how.nouns.prior.of(reading(x)).item() == pytest.approx(smooth.item())
    ours = how.settings.l6 * l_alpha(6, network.mean).of(reading(x))
    assert ours.item() == pytest.approx(bounded.item())


def test_mahendrans_step_is_theirs_in_values_to_255():
    """x <- x - .004 d/dx (energy E), x to 255, is the same move in [0, 1]."""
    size = (9, 11)
    how = setup("mahendran", {}, convnet(), ["conv1"], size)
    x = noise(1, 3, *size)
    prior = total_variation(2)
    slope = gradient(convnet(), prior)(x, torch.arange(1), Key()).gradients
    energy = ENERGY * 255**2 * x.numel()
    theirs = 0.004 * energy * slope / 255  # d/d(255 x)
    torch.testing.assert_close(how.settings.rate * slope, theirs / 255)
    assert how.settings.momentum == 0.9 and how.settings.schedule == "tenths"
    assert restarts_of("mahendran") == 4 and restarts_of("default") == 1


def test_what_is_given_comes_before_a_preset():
    how = setup("plain", {"tv": 0.5, "steps": 7, "rate": None}, convnet(), ["conv1"], (16, 16))
    assert (how.settings.tv, how.settings.steps, how.settings.rate) == (0.5, 7, PRESETS["plain"].rate)


def test_settings_are_a_preset_of_ones_own():
    assert setup(Settings(steps=3), {"tv": 0.5}, convnet(), ["conv1"], (16, 16)).settings == Settings(steps=3, tv=0.5)


def test_another_name_is_told_with_the_nearest():
    with pytest.raises(Mistake, match="mahendran"):
        setup("mahendra", {}, convnet(), ["conv1"], (16, 16))
    assert SMOOTHNESS[2] == 100 * SMOOTHNESS[0]
