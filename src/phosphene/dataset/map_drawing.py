"""A map drawn as one picture: every image in its cell, or every image as a dot coloured by its class."""

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64
from PIL import Image, ImageDraw, ImageFont

from phosphene.core.index.classes import short_names
from phosphene.core.pictures.colours import PALETTE
from phosphene.core.pictures.eight_bit import fraction
from phosphene.core.pictures.plates import Marks, plate
from phosphene.core.pictures.typesetting import (
    GAP,
    INK,
    LEADING,
    MARGIN,
    SOFT,
    TEXT_SIZE,
    TITLE_SIZE,
    width_of,
    wrapped,
    write,
)
from phosphene.dataset.map_tiles import Pixels
from phosphene.dataset.maps import Map

SIDE, FINER = 1200, 2  # px of the scatter's field; drawn so much larger, then reduced
EDGE = 0.02  # of the field stays free at each side
LEGEND = 24  # classes that a legend names
PLAIN = "#7a8594"  # a dot without a class


def colours(classes: Sequence[int]) -> dict[int, str]:
    """A colour for each class, as far from the next ones as may be.

    Few classes have those that people with any colour vision tell apart; more have hues around the circle, by turns
    lighter and darker.
    """
    few = [f"#{colour}" for name, colour in PALETTE if name not in ("grey", "yellow")]
    if len(classes) <= len(few):
        return dict(zip(classes, few, strict=False))
    found = {}
    for i, one in enumerate(classes):
        red, green, blue = colorsys.hls_to_rgb(i / len(classes), (0.42, 0.62)[i % 2], (0.75, 0.6)[i % 2])
        found[one] = f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
    return found


def class_name(classes: Mapping[int, str], number: int) -> str:
    """What a class is called, in a word or two."""
    return short_names(classes).get(number) or str(number)


def present(labels: Int64[np.ndarray, " n"]) -> list[int]:
    """The classes that images have."""
    return [int(one) for one in np.unique(labels) if one >= 0]


def square(points: Float64[np.ndarray, "n 2"], among: Float64[np.ndarray, "m 2"]) -> Float64[np.ndarray, "n 2"]:
    """Points in [0, 1]^2, with one scale for both axes: the map of `among` in the middle.

    Args:
        points: those, or others, which may lie outside.
    """
    low, high = among.min(0), among.max(0)
    longest = max(float((high - low).max()), np.finfo(float).tiny)
    return (points - (low + high) / 2) / longest * (1 - 2 * EDGE) + 0.5


def scatter(shown: Map) -> Image.Image:
    """Every image as a dot, coloured by its class; photographs that were placed there as rings with their names."""
    field = Image.new("RGB", (SIDE * FINER, SIDE * FINER), "white")
    pen, dot = ImageDraw.Draw(field), FINER * min(7.0, max(2.0, 130 / len(shown.ids) ** 0.5))
    classes = present(shown.labels)
    by_class = colours(classes)
    at = square(shown.points, shown.points) * SIDE * FINER
    order = np.random.default_rng(0).permutation(len(at))  # otherwise the last class would hide the others
    for x, y, label in zip(at[order, 0], at[order, 1], shown.labels[order].tolist(), strict=True):
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=by_class.get(label, PLAIN))
    for one in shown.placed:
        x, y = square(np.array([one.point]), shown.points)[0].clip(0.01, 0.99) * SIDE * FINER
        ring = 11 * FINER
        pen.ellipse((x - ring, y - ring, x + ring, y + ring), outline=INK, width=3 * FINER)
        font = ImageFont.load_default(18 * FINER)
        side, anchor = (-1, "rm") if x > SIDE * FINER * 0.7 else (1, "lm")
        words = wrapped(one.name, 18 * FINER, SIDE * FINER // 4, 1)[0]
        pen.text((x + side * 1.4 * ring, y), words, fill=INK, font=font, anchor=anchor, stroke_width=3 * FINER,
                 stroke_fill="white")  # fmt: skip
    named = [(class_name(shown.classes, one), by_class[one]) for one in classes] if len(classes) <= LEGEND else []
    return _sheet(shown, field.reduce(FINER), named)


def _sheet(shown: Map, field: Image.Image, named: Sequence[tuple[str, str]]) -> Image.Image:
    """The field with a title above, a legend and words below."""
    width = field.width + 2 * MARGIN
    heading = wrapped(shown.title, TITLE_SIZE, field.width)
    words = wrapped(shown.words, TEXT_SIZE, field.width, 3)
    line = round(TEXT_SIZE * LEADING)
    places: list[tuple[int, int]] = []
    x = y = 0
    for name, _ in named:
        wide = round(width_of(name, TEXT_SIZE)) + 40
        if x and x + wide > field.width:
            x, y = 0, y + line
        places.append((x, y))
        x += wide
    under = y + line + GAP // 2 if named else 0
    top = MARGIN + round(len(heading) * TITLE_SIZE * LEADING) + GAP // 2
    foot = top + field.height + GAP // 2
    page = Image.new("RGB", (width, foot + under + len(words) * line + MARGIN), "white")
    pen = ImageDraw.Draw(page)
    write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    page.paste(field, (MARGIN, top))
    for (name, colour), (x, y) in zip(named, places, strict=True):
        left, middle = MARGIN + x, foot + y + line // 2
        pen.ellipse((left, middle - 6, left + 12, middle + 6), fill=colour)
        pen.text((left + 20, middle), wrapped(name, TEXT_SIZE, field.width, 1)[0], fill=SOFT,
                 font=ImageFont.load_default(TEXT_SIZE), anchor="lm")  # fmt: skip
    write(pen, (MARGIN, foot + under), words, TEXT_SIZE, SOFT)
    return page


def picture(shown: Map, pixels: Pixels) -> Image.Image:
    """Every image in its cell, with a title and words.

    Args:
        pixels: the grid.
    """
    tensor = fraction(torch.from_numpy(pixels).permute(2, 0, 1)[None], 255)
    return plate(tensor, shown.title, [shown.words], None, Marks())
