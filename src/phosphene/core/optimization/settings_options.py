"""The settings as keywords of recipes, `**settings: Unpack[SettingsOptions]`, for editors and mypy.

Made from `Settings` by `python -m tests.house.settings_options`: don't edit. What is no plain number or word is given
in place of settings (`ascent.Nouns`), in Python alone.
"""

from typing import Annotated, TypedDict

from phosphene.core.optimization.ascent import Factory
from phosphene.core.optimization.engine import Constraint, Operator, Optimizer
from phosphene.core.optimization.settings import (
    Border,
    OptimizerName,
    ParameterizationName,
    Robustness,
    Schedule,
    Settings,
    Transparency,
)
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import Transform
from phosphene.core.optimization.wavelets import Wavelet
from phosphene.core.options import Words, options_of


class FurtherOptions(TypedDict, total=False):
    """All settings but those that some recipes spell themselves."""

    robustness: Annotated[Robustness, Words("all transforms at once: strong, lucid's, or none")]
    prior: Annotated[Term, Words("a term that is made small besides, on the picture as it is")]
    transform: Annotated[Transform, Words("what a picture has to survive, instead of the settings")]
    operator: Annotated[Operator, Words("what is done to pictures after every move, instead of the settings")]
    constraint: Annotated[Constraint, Words("where pictures may be")]
    tv_beta: float
    l2: float
    l6: float
    high_pass: float
    bilateral: float
    wavelets: float
    wavelet: Wavelet
    parameterization: ParameterizationName | Factory
    decay: float
    deviation: float
    optimizer: OptimizerName | Optimizer
    schedule: Schedule
    momentum: float
    pad: float
    smallest: float
    largest: float
    rotate: float
    border: Border
    channel_reach: float
    crop_from: float
    crop_to: float
    views: int
    noise: float
    shrink: float
    blur_width: float
    blur_every: int
    small_norm: float
    small_contribution: float
    natural: float
    natural_match: float
    natural_layer: str


class SettingsOptions(FurtherOptions, total=False):
    """All settings."""

    tv: float
    steps: int
    rate: float
    jitter: float
    transparency: Transparency
    opacity: float
    until: float
    stretch: bool


options_of(FurtherOptions, Settings, leave_out=tuple(SettingsOptions.__annotations__))
options_of(SettingsOptions, Settings)
