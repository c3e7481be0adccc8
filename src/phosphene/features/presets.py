"""How a picture is climbed to: the settings of the papers by name, each of them to be overridden one by one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from phosphene.core.errors import Mistake, check_range, did_you_mean

Parameterization = Literal["fourier", "pixels", "laplacian", "cppn", "phase", "deep-prior", "shared"]
Optimizer = Literal["adam", "nadam", "steepest", "normalized"]
Robustness = Literal["strong", "lucid", "none"]
Border = Literal["grey", "reflect"]
Transparency = Literal["none", "learned", "gradient"]
Preset = Literal[
    "default", "best", "lucid", "maco", "accentuation", "simonyan", "yosinski-a", "yosinski-b", "yosinski-c",
    "yosinski-d", "plain",
]  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """One way to climb; lengths are fractions of the picture's side where nothing else is said.

    Attributes:
        steps: how many moves.
        parameterization: what is moved: Fourier coefficients in decorrelated colours, pixels, a Laplacian pyramid, a
            network from coordinates to colours, phases under a natural spectrum, an untrained convolutional network,
            or Fourier coefficients with a part that all pictures share.
        decay: how much low frequencies are preferred (fourier).
        deviation: of the starting noise, in the parameterization's own units; pixels start at the mean colour.
        optimizer, rate: how far a move goes: Adam's and NAdam's step; for "steepest" what the gradient is multiplied
            by; for "normalized" the mean change of a parameter.
        pad, jitter, smallest, largest, rotate, border: random shifts, scalings (from `smallest` to `largest`) and
            rotations (degrees) that it has to survive, with a border of grey, or mirrored.
        channel_reach: for units of layers with rows and columns shifts, scalings and rotations have this part of their
            reach: a texture has a scale and a direction of its own, a class has not.
        crop_from, crop_to: the network is shown square parts with these sides instead of the whole picture (0: whole).
        views: how many at random in each step.
        noise: deviation of the noise added to each view.
        tv, l2, l6, high_pass: weights of the priors (total variation; |x - mean colour|^2 and ^6; what a blur removes).
        shrink: part of the way to the mean colour that every pixel goes after a move.
        blur_width, blur_every: a Gaussian blur (pixels) after every so many moves.
        small_norm, small_contribution: percentiles of the pixels that are set to the mean colour after a move.
        transparency: none; learned (an alpha channel over random backgrounds); or from the gradients passed on the way.
        opacity: weight of the mean alpha, where it is learned.
        until: stop a picture when its unit passes this value (0: go on).
        stretch: show pictures with their full contrast, as papers print them: about the mean colour, until 1 % of the
            values are at an end.
    """

    steps: int = 256
    parameterization: Parameterization = "fourier"
    decay: float = 1.0
    deviation: float = 0.01
    optimizer: Optimizer = "adam"
    rate: float = 0.05
    pad: float = 0.0
    jitter: float = 0.0
    smallest: float = 1.0
    largest: float = 1.0
    rotate: float = 0.0
    border: Border = "grey"
    channel_reach: float = 1.0
    crop_from: float = 0.0
    crop_to: float = 0.0
    views: int = 1
    noise: float = 0.0
    tv: float = 0.0
    l2: float = 0.0
    l6: float = 0.0
    high_pass: float = 0.0
    shrink: float = 0.0
    blur_width: float = 0.0
    blur_every: int = 1
    small_norm: float = 0.0
    small_contribution: float = 0.0
    transparency: Transparency = "none"
    opacity: float = 1.0
    until: float = 0.0
    stretch: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (
            ("steps", 0, math.inf), ("decay", 0, 10), ("deviation", 0, math.inf), ("rate", 0, math.inf),
            ("pad", 0, 4), ("jitter", 0, 1), ("smallest", 0.01, 100), ("largest", 0.01, 100), ("rotate", 0, 180),
            ("channel_reach", 0, 1),
            ("crop_from", 0, 4), ("crop_to", 0, 4), ("views", 1, 10_000), ("noise", 0, 10), ("shrink", 0, 1),
            ("blur_width", 0, 100), ("blur_every", 1, math.inf), ("small_norm", 0, 100), ("small_contribution", 0, 100),
        ):  # fmt: skip
            check_range(name.replace("_", "-"), getattr(self, name), least, most)
        if self.smallest > self.largest:
            raise Mistake(f"smallest {self.smallest:g} is above largest {self.largest:g}; exchange them")


def _transforms(**given: Any) -> dict[str, Any]:
    """Every setting of the transforms, those that are not given at rest."""
    names = "pad jitter smallest largest rotate border channel_reach crop_from crop_to views noise".split()
    return {name: given.get(name, getattr(Settings(), name)) for name in names}


ROBUSTNESS: dict[str, dict[str, Any]] = {
    "strong": _transforms(
        pad=0.1, jitter=0.15, smallest=0.6, largest=1.6, rotate=20.0, border="reflect", channel_reach=0.25
    ),
    # lucid `transform.py`, for its 128 px; it shifts twice and draws scales from a list, here the shift is one
    "lucid": _transforms(pad=12 / 128, jitter=12 / 128, smallest=0.9, largest=1.1, rotate=10.0),
    "none": _transforms(),
}
"""Transforms by name: strong (pictures made under them are recognized best by other networks), lucid's, none."""

_YOSINSKI = Settings(
    parameterization="pixels", deviation=10 / 255, optimizer="steepest", rate=100 / 255**2, stretch=True
)

PRESETS: dict[str, Settings] = {
    # chosen by `python -m benchmarks legibility`: the large end of the scalings matters most, as other networks see
    # the picture enlarged; then the mirrored border
    "default": Settings(**ROBUSTNESS["strong"]),
    "best": Settings(steps=512, **ROBUSTNESS["strong"]),
    # lucid `optvis/render.py`
    "lucid": Settings(steps=512, **ROBUSTNESS["lucid"]),
    # Fel et al. 2023, arXiv:2306.06805. Their parts have .05 to .5 of the sides (xplique `maco.py`; Horama .25 to .30),
    # but of pictures of 512 px and more; at 160 px things come out whole under parts of half the side and more
    "maco": Settings(
        parameterization="phase", optimizer="nadam", rate=1.0, crop_from=0.5, crop_to=1.0, views=8, noise=0.04,
        transparency="gradient",
    ),
    # Hamblin et al. 2024, arXiv:2402.10039: from a photograph, in its own coefficients
    "accentuation": Settings(
        steps=32, rate=0.03, crop_from=0.4, crop_to=1.0, views=2, noise=0.02, transparency="gradient"
    ),
    # Simonyan et al. 2014, arXiv:1312.6034: the logit minus an L2 norm, from the mean picture, by gradient ascent.
    # Rate and lambda are not told and were chosen by looking, on Inception at 160 px: ostrich and bell pepper can be
    # named; with many more steps noise outgrows the shapes
    "simonyan": Settings(
        parameterization="pixels", deviation=0.0, optimizer="steepest", rate=0.03, l2=50_000.0, steps=40,
        stretch=True,
    ),
    # Yosinski et al. 2015, arXiv:1506.06579, table 1; the rate of b and c is 100 for values of 0 to 255, and does on
    # Inception what it did on CaffeNet. For a and d none is told (their program chooses one for each step, so that
    # the unit should rise by the same amount), so steps of the same size were chosen by looking
    "yosinski-a": replace(
        _YOSINSKI, blur_width=0.5, blur_every=4, small_norm=50.0, steps=500, optimizer="normalized", rate=0.01
    ),
    "yosinski-b": replace(_YOSINSKI, shrink=0.3, small_norm=20.0, steps=750),
    "yosinski-c": replace(_YOSINSKI, shrink=1e-4, blur_width=1.0, blur_every=4, steps=1000),
    "yosinski-d": replace(
        _YOSINSKI, blur_width=0.5, blur_every=4, small_contribution=90.0, steps=1000, optimizer="normalized", rate=3e-4
    ),
    # the lectures' loop: add a small part of the gradient until the unit passes a value
    "plain": Settings(parameterization="pixels", optimizer="steepest", rate=0.01, until=100.0, steps=1000),
}  # fmt: skip


def settings(preset: str, robustness: str | None, given: Mapping[str, Any]) -> Settings:
    """A preset's settings, with the transforms of `robustness` and every value that was given in place of its own.

    Raises:
        Mistake: there is no such preset, or a value is out of range.
    """
    if preset not in PRESETS:
        raise Mistake(f"no preset '{preset}'{did_you_mean(preset, PRESETS)} (there are {', '.join(PRESETS)})")
    chosen = PRESETS[preset]
    names = {field.name for field in fields(Settings)}
    own = {name: value for name, value in given.items() if name in names and value is not None}
    return replace(chosen, **(ROBUSTNESS[robustness] if robustness else {}) | own)
