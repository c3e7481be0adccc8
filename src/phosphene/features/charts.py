"""Drawings of numbers: bars of probabilities, and a network as a funnel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw

from phosphene.core.errors import Mistake
from phosphene.core.pictures.typesetting import (
    ACCENT,
    BAR,
    BLOCK_LIGHT,
    CAPTION_GAP,
    GAP,
    INK,
    LEADING,
    MARGIN,
    SOFT,
    TEXT_SIZE,
    TITLE_SIZE,
    TRACK,
    _drawable,
    _ending,
    width_of,
    wrapped,
    write,
)


def bars(rows: Sequence[tuple[str, float]], width: int = 480, highlight: int | None = None) -> Image.Image:
    """Probabilities as horizontal bars: label, bar, percentage; a full bar is 100 %.

    Args:
        rows: (label, probability in [0, 1]), from the top.
        width: px of the whole chart.
        highlight: the row to set off by colour, from 0.
    Raises:
        Mistake: there are no rows, or a number is not in [0, 1].
    """
    if not rows or not all(0 <= p <= 1 for _, p in rows):
        raise Mistake(f"bars need probabilities from 0 to 1, got {[p for _, p in rows]}")
    return _rows(rows, [_percent(p) for _, p in rows], (0.0, 1.0), width, highlight)


def numbers(rows: Sequence[tuple[str, float]], width: int = 480, highlight: int | None = None) -> Image.Image:
    """Plain numbers as horizontal bars from 0, to the left where they are negative: label, bar, number.

    Args:
        rows: (label, number), from the top.
        width, highlight: as of `bars`.
    Raises:
        Mistake: there are no rows, or a number is not finite.
    """
    if not rows or not all(math.isfinite(value) for _, value in rows):
        raise Mistake(f"bars need finite numbers, got {[value for _, value in rows]}")
    values = [value for _, value in rows]
    low, high = min(0.0, *values), max(0.0, *values)
    return _rows(rows, [f"{value:.4g}" for value in values], (low, high if high > low else low + 1), width, highlight)


def _rows(
    rows: Sequence[tuple[str, float]],
    said: Sequence[str],
    scale: tuple[float, float],
    width: int,
    highlight: int | None,
) -> Image.Image:
    """A bar a row, from 0, on a track from one end of the scale to its other; what is `said` of it stands behind."""
    line = 30
    number = math.ceil(max(width_of(text, TEXT_SIZE) for text in ("100.0 %", *said)))
    longest = max(width_of(_drawable(label), TEXT_SIZE) for label, _ in rows)
    label_width = min(math.ceil(longest), int(0.45 * width))
    start, stop = MARGIN // 2 + label_width + 12, width - MARGIN // 2 - number - 12
    sheet = Image.new("RGB", (width, len(rows) * line + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)

    def at(value: float) -> float:
        return start + (value - scale[0]) / (scale[1] - scale[0]) * (stop - start)

    for i, ((label, value), text) in enumerate(zip(rows, said, strict=True)):
        top, strong = MARGIN // 2 + i * line, i == highlight
        ink = INK if strong else SOFT
        write(pen, (MARGIN // 2, top + 5), wrapped(label, TEXT_SIZE, label_width, 1), TEXT_SIZE, ink)
        pen.rectangle((start, top + 7, stop, top + line - 8), fill=TRACK)
        if value:
            left, right = sorted((at(0), at(value)))
            pen.rectangle((left, top + 7, right, top + line - 8), fill=ACCENT if strong else BAR)
        write(pen, (width - MARGIN // 2 - round(width_of(text, TEXT_SIZE)), top + 5), [text], TEXT_SIZE, ink)
    return sheet


@dataclass(frozen=True)
class Block:
    """One stage of a network, as it is drawn.

    Attributes:
        name, kind, words: the three lines beside it.
        number: at the end of the first line.
        side: how many places there are along one side: the block's width.
        channels: the block's height and colour.
    """

    name: str
    kind: str
    words: str
    number: str
    side: float
    channels: int


def funnel(blocks: Sequence[Block], title: str = "", foot: str = "", width: int = 560) -> Image.Image:
    """A network from top to bottom: one block a row, as wide as its picture, as high and dark as it has channels.

    Both are on a logarithmic scale, so that 7 px can be seen beside 224 px. The letters are large enough for a phone.

    Raises:
        Mistake: there are no blocks.
    """
    if not blocks:
        raise Mistake("a network needs at least one stage to be drawn")
    margin, drawn, row, name_size, text_size = 24, 132, 84, 20, 17
    heading = wrapped(title, TITLE_SIZE, width - 2 * margin)
    ending = wrapped(foot, text_size, width - 2 * margin)
    top = margin + (round(len(heading) * TITLE_SIZE * LEADING) + CAPTION_GAP if heading else 0)
    below = round(len(ending) * text_size * LEADING) + CAPTION_GAP if ending else 0
    sheet = Image.new("RGB", (width, top + len(blocks) * row + below + margin), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (margin, margin), heading, TITLE_SIZE, INK)

    wide = _shares([block.side for block in blocks])
    many = _shares([block.channels for block in blocks])
    middle, boxes = margin + drawn / 2, []
    for i, (w, c) in enumerate(zip(wide, many, strict=True)):
        half, high = (8 + (drawn - 8) * w) / 2, 8 + 40 * c
        centre = top + (i + 0.5) * row
        boxes.append((middle - half, centre - high / 2, middle + half, centre + high / 2))
    for (left, _, right, foot_of), (next_left, next_top, next_right, _) in pairwise(boxes):
        pen.polygon([(left, foot_of), (right, foot_of), (next_right, next_top), (next_left, next_top)], fill=TRACK)
    x = margin + drawn + GAP
    for i, (block, box, c) in enumerate(zip(blocks, boxes, many, strict=True)):
        pen.rounded_rectangle(box, 3, fill=_between(BLOCK_LIGHT, ACCENT, c * c))
        y = round(top + i * row + (row - (name_size + 2 * text_size) * LEADING) / 2)
        end = width - margin - round(width_of(block.number, name_size))
        write(pen, (x, y), [_ending(block.name, name_size, end - x - 12)], name_size, INK)
        write(pen, (end, y), [block.number], name_size, INK)
        lines = [*wrapped(block.kind, text_size, width - margin - x, 1)]
        lines += wrapped(block.words, text_size, width - margin - x, 1)
        write(pen, (x, round(y + name_size * LEADING)), lines, text_size, SOFT)
    write(pen, (margin, top + len(blocks) * row + CAPTION_GAP), ending, text_size, SOFT)
    return sheet


def _shares(numbers: Sequence[float]) -> list[float]:
    """Each number's logarithm as a part of the largest one's: 0 for 1, 1 for the largest."""
    largest = math.log(max(max(numbers), 2))
    return [math.log(max(n, 1)) / largest for n in numbers]


def _between(light: str, dark: str, share: float) -> tuple[int, ...]:
    pairs = zip(bytes.fromhex(light[1:]), bytes.fromhex(dark[1:]), strict=True)
    return tuple(round(a + share * (b - a)) for a, b in pairs)


def _percent(p: float) -> str:
    return "< 0.1 %" if 0 < p < 0.0005 else f"{100 * p:.1f} %"
