"""A method of attribution, as somebody would write it: tests copy it to `phosphene.attribution.methods.flat`."""

from typing import Annotated, Unpack

from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Maps
from phosphene.attribution.question import Pictures, Question
from phosphene.core.options import Bounds, Words


@explains("the same everywhere", "contribution", "heat")
def flat(
    asked: Question,
    pictures: Pictures,
    *,
    tilt: Annotated[float, Bounds(-1, 1), Words("how much more at the right")] = 0.0,
    **common: Unpack[Common],
) -> Maps:
    """Show every pixel as important as the next."""
    ramp = pictures.new_ones(pictures.shape[3]).cumsum(0) * tilt + 1
    return Maps(ramp.expand(len(pictures), *pictures.shape[2:]))
