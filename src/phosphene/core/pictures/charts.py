"""A few lines over one axis, drawn small: for the panel of a figure, beside pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.pictures.typesetting import HAIRLINE, INK, SOFT

WIDTH, HEIGHT = 640, 640  # px: twice a figure's panel, so that it can be looked at by itself
FINER = 2  # drawn so much larger, then reduced: Pillow's lines have no smooth edges
LETTERS, LINE, DOT = 25, 4, 6  # px

Colour = tuple[int, int, int] | str
Point = tuple[float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: for the legend; "" is left out of it.
        points: (x, y), from left to right.
        colour: of the line.
        dashed: whether it is broken.
        dots: whether its points are marked.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: Colour
    dashed: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Ticks:
    """One axis: from its lowest to its highest number, the numbers written beside it, and what they are."""

    ends: tuple[float, float]
    marks: Sequence[tuple[float, str]]
    words: str = ""


@dataclass(frozen=True)
class _Frame:
    """Where the plot is on its sheet, in the sheet's px, and what its axes count."""

    left: float
    top: float
    right: float
    foot: float
    across: Ticks
    up: Ticks

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies; beyond the ends of the upright axis, at its end."""
        (first, last), (low, high) = self.across.ends, self.up.ends
        share, height = (x - first) / (last - first), (min(max(y, low), high) - low) / (high - low)
        return self.left + share * (self.right - self.left), self.foot - height * (self.foot - self.top)


def chart(curves: Sequence[Curve], across: Ticks, up: Ticks) -> Float[Tensor, "1 3 h w"]:
    """Lines, a hairline at each number of the upright axis, the legend above, as a picture.

    Args:
        across: the level axis, its words below it.
        up: the upright one; its words are left to the caption.
    Raises:
        Mistake: an axis has no length, or a number is not finite.
    """
    for low, high in (across.ends, up.ends):
        if not low < high:
            raise Mistake(f"an axis goes from a lower to a higher number, not from {low:g} to {high:g}")
    if not all(math.isfinite(number) for curve in curves for point in curve.points for number in point):
        raise Mistake("a chart's lines need finite numbers")
    k = FINER
    sheet = Image.new("RGB", (WIDTH * k, HEIGHT * k), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS * k)
    below = _legend(pen, font, [curve for curve in curves if curve.name])
    label = max((font.getlength(words) for _, words in up.marks), default=0)
    last = font.getlength(across.marks[-1][1]) if across.marks else 0
    foot = (HEIGHT - LETTERS * (3 if across.words else 2) + 4) * k
    frame = _Frame(label + 20 * k, below + LETTERS * k // 2, (WIDTH - 12) * k - last / 2, foot, across, up)
    _axes(pen, font, frame)
    for curve in reversed(curves):  # the first one lies on top
        _drawn(pen, [frame.at(*point) for point in curve.points], curve)
    pixels = np.asarray(sheet.reduce(k))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def _axes(pen: ImageDraw.ImageDraw, font: Font, frame: _Frame) -> None:
    k = FINER
    for y, words in frame.up.marks:
        height = frame.at(frame.across.ends[0], y)[1]
        pen.line((frame.left, height, frame.right, height), fill=HAIRLINE, width=2 * k)
        pen.text((frame.left - 10 * k, height), words, fill=SOFT, font=font, anchor="rm")
    for x, words in frame.across.marks:
        pen.text((frame.at(x, frame.up.ends[0])[0], frame.foot + 8 * k), words, fill=SOFT, font=font, anchor="ma")
    if frame.across.words:
        middle = (frame.left + frame.right) / 2
        pen.text((middle, HEIGHT * k - 4 * k), frame.across.words, fill=SOFT, font=font, anchor="md")


def _legend(pen: ImageDraw.ImageDraw, font: Font, curves: Sequence[Curve]) -> int:
    """A sample of each line and its name, in as many rows as they need; where they end."""
    k, x, y = FINER, 8.0 * FINER, 4 * FINER
    for curve in curves:
        wide = 44 * k + font.getlength(curve.name) + 26 * k
        if x + wide > (WIDTH + 20) * k and x > 8 * k:
            x, y = 8.0 * k, y + round(1.25 * LETTERS * k)
        middle = y + LETTERS * k / 2 + 2 * k
        _drawn(pen, [(x, middle), (x + 36 * k, middle)], curve)
        pen.text((x + 44 * k, middle), curve.name, fill=INK, font=font, anchor="lm")
        x += wide
    return y + round(1.4 * LETTERS * k) if curves else 0


def _drawn(pen: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], curve: Curve) -> None:
    k = FINER
    if curve.dashed:
        for piece in _dashes(points, 12 * k, 9 * k):
            pen.line(piece, fill=curve.colour, width=LINE * k)
    elif len(points) > 1:
        pen.line(list(points), fill=curve.colour, width=LINE * k, joint="curve")
    if curve.dots:
        for x, y in points:
            pen.ellipse((x - DOT * k, y - DOT * k, x + DOT * k, y + DOT * k), fill=curve.colour)


def _dashes(points: Sequence[Point], on: float, off: float) -> list[tuple[Point, Point]]:
    """The pieces of a broken line, `on` px long and `off` px apart along its way."""
    pieces: list[tuple[Point, Point]] = []
    along = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        length, done = math.hypot(x1 - x0, y1 - y0), 0.0
        while done < length:
            phase = along % (on + off)
            step = min((on if phase < on else on + off) - phase, length - done)
            if phase < on:
                begin, end = ((x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (done / length, (done + step) / length))
                pieces.append((begin, end))
            done, along = done + max(step, 1e-6), along + max(step, 1e-6)
    return pieces
