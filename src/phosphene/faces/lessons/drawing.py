"""The charts of the lessons, and their pictures."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.linear import expected_radius
from phosphene.adversarial.linearity import Walk
from phosphene.core.pictures.charts import Curve, Ticks, chart
from phosphene.core.pictures.colours import PALETTE
from phosphene.core.pictures.typesetting import ACCENT, INK
from phosphene.core.pictures.writing import png_bytes
from phosphene.faces.tour.guide import Shown

COLOURS = [f"#{colour}" for name, colour in PALETTE if name != "yellow"]
"""Of lines; yellow is too light on white."""

STEPS = (1, 2, 5, 10)
"""Distances between round numbers, times a power of ten."""


def pictured(caption: str, picture: Float[Tensor, "... c h w"]) -> Shown:
    """A picture of the page, which has no file of its own."""
    return Shown(caption, "", png_bytes(picture))


def rounds(low: float, high: float, many: int = 5) -> list[float]:
    """About so many round numbers, evenly from low to high."""
    rough = (high - low) / many
    scale = 10 ** math.floor(math.log10(rough))
    step = next(scale * one for one in STEPS if scale * one >= rough * (1 - 1e-9))
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def lines(walk: Walk, names: Sequence[str]) -> Float[Tensor, "1 3 h w"]:
    """Scores along a walk, and the tangents as far as they stay in the picture."""
    low, high = (float(end) for end in walk.scores.aminmax())
    room = 0.08 * (high - low) or 1.0
    low, high = low - room, high + room
    eps = (255 * walk.eps).tolist()
    solid, dashed = [], []
    for i, name in enumerate(names):
        colour = COLOURS[i % len(COLOURS)]
        solid.append(Curve(name, list(zip(eps, walk.scores[:, i].tolist(), strict=True)), colour))
        start, slope = float(walk.start[i]), float(walk.tangents[i]) / 255
        meets = sorted(((low - start) / slope, (high - start) / slope)) if slope else (eps[0], eps[-1])
        ends = (max(eps[0], meets[0]), min(eps[-1], meets[1]))
        dashed.append(Curve("", [(x, start + slope * x) for x in ends], colour, dashed=True))
    marks = [eps[-1] * part for part in (-1, -0.5, 0, 0.5, 1)]
    across = Ticks((eps[0], eps[-1]), [(x, f"{x:g}") for x in marks], "eps, in levels of 255")
    return chart([*solid, *dashed], across, Ticks((low, high), [(y, f"{y:g}") for y in rounds(low, high)]))


def falling(measured: Mapping[int, Float[Tensor, " models"]]) -> Float[Tensor, "1 3 h w"]:
    """Radii over dimensions, beside the formula; both axes are logarithmic."""
    ends = (min(measured), max(measured))
    radii = torch.stack(list(measured.values())).mean(1)
    points = [(math.log10(d), math.log10(float(r))) for d, r in zip(measured, radii, strict=True)]
    formula = [(math.log10(d), math.log10(expected_radius(d))) for d in ends]
    low, high = math.floor(formula[1][1]), math.ceil(formula[0][1])
    powers = range(math.ceil(math.log10(ends[0])), math.floor(math.log10(ends[1])) + 1)
    across = Ticks((math.log10(ends[0]) - 0.15, math.log10(ends[1]) + 0.15), [(p, f"{10**p:,}") for p in powers],
                   "numbers in the input")  # fmt: skip
    up = Ticks((low, high), [(p, f"{10.0**p:g}") for p in range(low, high + 1)])
    dots = [Curve("measured" if i == 0 else "", [point], ACCENT, dots=True) for i, point in enumerate(points)]
    return chart([*dots, Curve("sqrt(pi / 2d)", formula, INK, dashed=True)], across, up)
