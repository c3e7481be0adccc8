"""How pictures of units are made: the settings of the papers by name, each of them to be overridden one by one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.optimization.settings import ROBUSTNESS, Settings

Preset = Literal[
    "default", "best", "lucid", "maco", "accentuation", "simonyan", "yosinski-a", "yosinski-b", "yosinski-c",
    "yosinski-d", "plain",
]  # fmt: skip


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
    # Rate and lambda are not given and were chosen by looking, on Inception at 160 px: ostrich and bell pepper can be
    # named; with many more steps noise outgrows the shapes
    "simonyan": Settings(
        parameterization="pixels", deviation=0.0, optimizer="steepest", rate=0.03, l2=50_000.0, steps=40,
        stretch=True,
    ),
    # Yosinski et al. 2015, arXiv:1506.06579, table 1; the rate of b and c is 100 for values of 0 to 255, and does on
    # Inception what it did on CaffeNet. For a and d none is given (their program chooses one for each step, so that
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


AnyPreset = Preset | Settings
"""A preset by name, or, in Python, settings of one's own."""


def settings(preset: str | Settings, given: Mapping[str, Any]) -> Settings:
    """A preset's settings, with every value that was given in place of its own, `robustness` too.

    Raises:
        Mistake: there is no such preset, or a value is out of range.
    """
    if isinstance(preset, Settings):
        return preset.but(given)
    if preset not in PRESETS:
        raise Mistake(f"no preset '{preset}'{did_you_mean(preset, PRESETS)} (there are {', '.join(PRESETS)})")
    return PRESETS[preset].but(given)
