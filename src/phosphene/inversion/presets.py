"""How codes are inverted: the settings by name, each of them to be overridden one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns, Size
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.terms import Term, weighted

PresetName = Literal["default", "mahendran", "plain", "deep-prior"]

AnyPreset = PresetName | Settings
"""A preset by name, or, in Python, settings of one's own."""

ENERGY = 0.073
"""The mean square of a value of a photograph less its mean, values in [0, 1]: (27098 / 255)^2 / (3 227^2), of their
x_0. Mahendran & Vedaldi 2015 (arXiv:1412.0035) multiply the code's error by the sum of those squares of values to 255;
here everything is divided by it, so that the error itself is what is made small, and sums become means."""

SMOOTHNESS = (0.5 / ENERGY, 5 / ENERGY, 50 / ENERGY)
"""Their weights of total variation (beta 2), for the first, the middle and the last third of a network's layers."""

_PLAIN = Settings(steps=400)

PRESETS: dict[PresetName, Settings] = {
    "default": Settings(steps=400, parameterization="natural", deviation=0.15, optimizer="lbfgs", tv=0.2),
    # Mahendran & Vedaldi 2015, arXiv:1412.0035, section 3, and their code: an alpha-norm of 6 with 4e-10 for values to
    # 255, momentum .9 with three rates, from noise as strong as a photograph. Values stay in [0, 1], where theirs are
    # held by the norm alone
    "mahendran": Settings(
        steps=400, parameterization="pixels", deviation=ENERGY**0.5, optimizer="momentum", schedule="tenths",
        rate=0.004, l6=4e-10 * 255**4 / ENERGY,
    ),
    # the bare loop: Adam on Fourier coefficients in decorrelated colours, nothing else
    "plain": _PLAIN,
    # Ulyanov et al. 2018, arXiv:1711.10925, stopped by itself; they take 3000 steps and more at the same rate
    "deep-prior": Settings(steps=2000, parameterization="deep-prior", optimizer="adam", rate=0.01),
}  # fmt: skip

RESTARTS = {"mahendran": 4}
"""From how many starts a preset begins, where that is more than one."""


@dataclass(frozen=True)
class Setup:
    """How problems are searched for.

    Attributes:
        settings: of the ascent.
        nouns: in place of settings, with a prior whose weight is each problem's own.
    """

    settings: Settings
    nouns: Nouns


def restarts_of(preset: AnyPreset) -> int:
    """From how many starts it begins unless somebody says."""
    return RESTARTS.get(preset, 1) if isinstance(preset, str) else 1


def setup(
    preset: str | Settings, given: Mapping[str, Any], network: Network, layers: Sequence[str], size: Size
) -> Setup:
    """A preset's settings for pictures of a size, with every value that was given in place of its own.

    Args:
        layers: the code of each problem.
    Raises:
        Mistake: there is no such preset, or a value is out of range.
    """
    nouns = Nouns.among(given)
    if isinstance(preset, Settings):
        return Setup(preset.but(given).aligned, nouns)
    if preset not in PRESETS:
        raise Mistake(f"no preset '{preset}'{did_you_mean(preset, PRESETS)} (there are {', '.join(PRESETS)})")
    settings = PRESETS[preset]
    if preset == "mahendran":
        # theirs moves values to 255 down the sum of squares: of a mean, in [0, 1], it is so many times as much
        settings = replace(settings, rate=settings.rate * 3 * size[0] * size[1] * ENERGY)
        prior = _smooth(network, layers)
        nouns = nouns.besides(prior)
    return Setup(settings.but(given).aligned, nouns)


def _smooth(network: Network, layers: Sequence[str]) -> Term:
    """Total variation, the more the deeper a problem's layer is."""
    names = list(network.layers)
    depths = [names.index(one) / len(names) if one in network.layers else 1.0 for one in layers]
    return weighted([SMOOTHNESS[min(2, int(3 * depth))] for depth in depths], total_variation(2))
