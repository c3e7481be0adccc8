"""A sheet of many small pictures with a legend and marks at its edge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.typesetting import (
    CAPTION_GAP,
    GAP,
    HAIRLINE,
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


@dataclass(frozen=True)
class Legend:
    """What colours mean: a bar from the lowest to the highest value, zero in the middle, and the words at its ends."""

    bar: Float[Tensor, "1 3 1 w"]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Marks:
    """Words beside a sheet, each with where it belongs in px of the sheet.

    Attributes:
        rows, columns: (where, what), at the left and on top.
        below: (left, top, width, name), below parts of it.
        above: (left, bottom, width, heading), above parts of it.
    """

    rows: Sequence[tuple[float, str]] = ()
    columns: Sequence[tuple[float, str]] = ()
    below: Sequence[tuple[float, float, float, str]] = ()
    above: Sequence[tuple[float, float, float, str]] = ()


def plate(
    sheet: Float[Tensor, "1 3 h w"],
    title: str,
    words: Sequence[str],
    legend: Legend | None,
    marks: Marks,
) -> Image.Image:
    """One picture, pixel for pixel, with numbers along its sides, words and a legend below, a title above, on white.

    Args:
        words: paragraphs.
        legend: what its colours mean, where the words do not say it.
    """
    small, line = 13, round(13 * LEADING)
    labels = [wrapped(text, small, 150, 1)[0] for _, text in marks.rows]
    left = MARGIN + (math.ceil(max(width_of(text, small) for text in labels)) + 8 if labels else 0)
    foot = line + 4 if marks.below else 0
    width = max(left + sheet.shape[3] + MARGIN, 600)
    heading = wrapped(title, TITLE_SIZE, width - 2 * MARGIN)
    paragraphs = [text for part in words for text in wrapped(part, TEXT_SIZE, width - 2 * MARGIN, 3)]
    top = MARGIN + round(len(heading) * TITLE_SIZE * LEADING) + GAP - CAPTION_GAP + (line if marks.columns else 0)
    under = top + sheet.shape[2] + foot + GAP // 2
    ending = under + round(len(paragraphs) * TEXT_SIZE * LEADING) + (44 if legend else 0)
    page = Image.new("RGB", (width, ending + MARGIN), "white")
    pen = ImageDraw.Draw(page)
    write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    page.paste(to_pil(sheet), (left, top))
    for (y, _), text in zip(marks.rows, labels, strict=True):
        pen.text((left - 8, top + y), text, fill=SOFT, font=ImageFont.load_default(small), anchor="rm")
    for x, text in marks.columns:
        pen.text((left + x, top - 4), text, fill=SOFT, font=ImageFont.load_default(small), anchor="mb")
    for x, y, wide, name in marks.below:
        write(pen, (round(left + x), round(top + y + 4)), wrapped(name, small, round(wide), 1), small, SOFT)
    for x, y, wide, name in marks.above:
        heading = wrapped(name, TEXT_SIZE, round(wide), 1)
        write(pen, (round(left + x), round(top + y - TEXT_SIZE * LEADING)), heading, TEXT_SIZE, INK)
    write(pen, (MARGIN, under), paragraphs, TEXT_SIZE, SOFT)
    if legend is None:
        return page
    start, y, long = MARGIN, ending - 34, legend.bar.shape[3]
    page.paste(to_pil(legend.bar.expand(1, 3, 14, -1)), (start, y))
    pen.rectangle((start - 1, y - 1, start + long, y + 14), outline=HAIRLINE)
    for x, text, anchor in ((0, legend.ends[0], "la"), (long / 2, "0", "ma"), (long, legend.ends[1], "ra")):
        pen.text((start + x, y + 18), text, fill=SOFT, font=ImageFont.load_default(small), anchor=anchor)
    return page
