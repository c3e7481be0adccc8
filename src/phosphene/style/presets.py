"""How pictures are put into a style: what is made small and how, by name, each value to be overridden alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.optimization.settings import Settings
from phosphene.style.statistics import OF_FEATURES, OF_SUMS

PresetName = Literal["default", "fast", "adam", "gatys"]


@dataclass(frozen=True)
class Setup:
    """One way to put a picture into a style.

    Attributes:
        settings: of the ascents; its steps are those at each size up to 512 px.
        statistics: the weight of each, by name.
        content: the weight of the distance to the photograph's code.
        smallest: longer side of the first size in pixels; None where the last one is the only one.
        kept: the part of the steps that each size above 512 px takes of those before.
        begin: at the photograph, or at noise.
        betas: of Adam's two means.
        beta: how much of the average over steps stays at each, where it is the average that is shown; 0: the last.
    """

    settings: Settings
    statistics: Mapping[str, float] = field(default_factory=lambda: {"gram": 1.0, "spread": 1.0})
    content: float = 0.02
    smallest: int | None = 128
    kept: float = 0.6
    begin: Literal["photo", "noise"] = "photo"
    betas: tuple[float, float] = (0.9, 0.999)
    beta: float = 0.0


_PIXELS = Settings(parameterization="pixels", optimizer="lbfgs", steps=100, tv=0.002, tv_beta=2)

PRESETS: dict[PresetName, Setup] = {
    "default": Setup(_PIXELS),
    "fast": Setup(replace(_PIXELS, steps=40)),
    # crowsonkb, style-transfer-pytorch: Adam .02 with (.9, .99), whose means are carried to the next size, and an
    # average of .99; there a size takes 500 steps, and the first one 1000
    "adam": Setup(
        replace(_PIXELS, optimizer="adam", rate=0.02, steps=200), betas=(0.9, 0.99), beta=0.99,
    ),
    # Gatys et al. 2015, arXiv:1508.06576: Gram matrices alone, one size, from noise. Their weights of 1e3 / channels^2
    # make layers count alike, as terms do here that are divided by the style's own
    "gatys": Setup(
        replace(_PIXELS, steps=500, tv=0.0, deviation=0.25), {"gram": 1.0}, smallest=None, begin="noise",
    ),
}  # fmt: skip


def setup(preset: str, given: Mapping[str, Any]) -> Setup:
    """A preset, with every value that was given in place of its own.

    Args:
        given: settings, statistics and fields of `Setup` by name; None is not given.
    Raises:
        Mistake: there is no such preset, or nothing of the style is left.
    """
    if preset not in PRESETS:
        raise Mistake(f"no preset '{preset}'{did_you_mean(preset, PRESETS)} (there are {', '.join(PRESETS)})")
    chosen = PRESETS[preset]  # type checkers know the key by now
    told = {name: value for name, value in given.items() if value is not None}
    statistics = {**chosen.statistics, **{name: told[name] for name in [*OF_SUMS, *OF_FEATURES] if name in told}}
    own = {one.name: told[one.name] for one in fields(Setup) if one.name in ("content", "begin") and one.name in told}
    statistics = {name: weight for name, weight in statistics.items() if weight}
    if not statistics:
        raise Mistake("no statistic is left, so the style says nothing; give one of them a weight, as --gram 1")
    return replace(chosen, settings=chosen.settings.but(told).aligned, statistics=statistics, **own)
