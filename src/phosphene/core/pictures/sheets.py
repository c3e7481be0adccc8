"""Pictures of pictures: grids, and figures with words for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import single, to_pil
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.typesetting import (
    CAPTION_GAP,
    GAP,
    HAIRLINE,
    INK,
    LEADING,
    MARGIN,
    NIGHT,
    NIGHT_ACCENT,
    NIGHT_INK,
    NIGHT_SOFT,
    SOFT,
    TEXT_SIZE,
    TITLE_SIZE,
    text_height,
    wrapped,
    write,
)

CHECK = 8  # px of a square of the checkerboard behind transparent pictures


# Pictures of pictures


def grid(pictures: Float[Tensor, "n c h w"], columns: int | None = None, gap: int = 2) -> Float[Tensor, "1 c gh gw"]:
    """All pictures in one, row by row, `gap` px apart; about square unless `columns` says otherwise.

    Between them it is white, or where they have alpha, nothing.
    """
    n, channels, h, w = pictures.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = pictures.new_ones(1, channels, rows * (h + gap) - gap, columns * (w + gap) - gap)
    sheet[:, 3:] = 0
    for i, picture in enumerate(pictures):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[0, :, top : top + h, left : left + w] = picture
    return sheet


# Pictures for people


@dataclass(frozen=True)
class Strip:
    """One row of a figure or a contact sheet: a heading, and captioned pictures side by side."""

    heading: str
    panels: Sequence[tuple[str, Float[Tensor, "*one c _ _"]]]


def figure(
    panels: Sequence[tuple[str, Float[Tensor, "*one c _ _"]]],
    title: str = "",
    columns: int | None = None,
    side: int = 320,
) -> Image.Image:
    """Pictures with a caption below each and a title above all, on white.

    Args:
        panels: (caption, picture); captions break into at most three lines beside those that begin anew. Small pictures
            (a third of `side` and less) keep their pixels as squares, others are scaled smoothly.
        columns: at most four unless given.
        side: the width of a panel in px; a tall picture is narrower.
    Raises:
        Mistake: there are no panels.
    """
    if not panels:
        raise Mistake("a figure needs at least one panel, (caption, picture)")
    columns = min(len(panels), columns or math.ceil(len(panels) / math.ceil(len(panels) / 4)))
    return rows([Strip("", panels[i : i + columns]) for i in range(0, len(panels), columns)], title, side=side)


def rows(strips: Sequence[Strip], title: str = "", words: str = "", columns: int = 1, side: int = 320) -> Image.Image:
    """A figure whose rows are given, each with a heading above it or none.

    Args:
        words: a few lines below the title.
        columns: it is wide enough for at least so many panels.
        side: the width of a panel in px.
    """
    images = [[panel(single(picture), side) for _, picture in strip.panels] for strip in strips]
    captions = [
        [wrapped(caption, TEXT_SIZE, side, 3 + caption.count("\n")) for caption, _ in strip.panels] for strip in strips
    ]
    width = 2 * MARGIN + max(columns, *map(len, images)) * (side + GAP) - GAP
    heading = wrapped(title, TITLE_SIZE, width - 2 * MARGIN)
    under = wrapped(words, TEXT_SIZE, width - 2 * MARGIN, 3)
    first = MARGIN + round(len(heading) * TITLE_SIZE * LEADING)  # px from the top: the words below the title
    top = first + (text_height([under]) if under else 0) + (GAP - CAPTION_GAP if heading else 0)
    above = [text_height([[strip.heading]]) if strip.heading else 0 for strip in strips]
    heights = [
        up + max(image.height for image in row) + text_height(below)
        for up, row, below in zip(above, images, captions, strict=True)
    ]
    sheet = Image.new("RGB", (width, top + sum(heights) + (len(strips) - 1) * GAP + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    write(pen, (MARGIN, first), under, TEXT_SIZE, SOFT)
    for strip, up, row, below, height in zip(strips, above, images, captions, heights, strict=True):
        write(pen, (MARGIN, top), wrapped(strip.heading, TEXT_SIZE, width - 2 * MARGIN, 1), TEXT_SIZE, INK)
        foot = top + up + max(image.height for image in row)
        for column, (image, caption) in enumerate(zip(row, below, strict=True)):
            left = MARGIN + column * (side + GAP)
            corner = (left, foot - image.height)
            sheet.paste(image, corner)
            pen.rectangle((left - 1, corner[1] - 1, left + image.width, foot), outline=HAIRLINE)
            write(pen, (left, foot + CAPTION_GAP), caption, TEXT_SIZE, SOFT)
        top += height + GAP
    return sheet


def contact(
    strips: Sequence[Strip], title: str = "", words: str = "", width: int = 1600, highest: int = 340
) -> Image.Image:
    """Many pictures on one dark sheet to share: strips that fill the width, each with a heading, captions below.

    Args:
        words: a line below the title.
        highest: px; a strip with few pictures does not grow beyond it, and begins at the left.
    Raises:
        Mistake: there are no pictures.
    """
    strips = [strip for strip in strips if strip.panels]
    if not strips:
        raise Mistake("a contact sheet needs at least one picture")
    margin, gap, heading_size, caption_size, title_size = 64, 16, 26, 19, 52
    inner = width - 2 * margin
    heading, under = wrapped(title, title_size, inner), wrapped(words, heading_size, inner)
    top = margin + round(len(heading) * title_size * 1.2) + round(len(under) * heading_size * LEADING) + 24
    placed = []
    y = top
    for strip in strips:
        shapes = [single(picture).shape[2:] for _, picture in strip.panels]
        aspects = [w / h for h, w in shapes]
        high = min(highest, (inner - gap * (len(aspects) - 1)) / sum(aspects))
        sides = [(max(1, round(high)), max(1, round(high * aspect))) for aspect in aspects]
        captions = [wrapped(c, caption_size, w) for (c, _), (_, w) in zip(strip.panels, sides, strict=True)]
        placed.append((strip, y, sides, captions))
        lines = max(len(caption) for caption in captions)
        y += round(heading_size * 1.6) + round(high) + round(lines * caption_size * LEADING) + 52
    sheet = Image.new("RGB", (width, y + margin - 52), NIGHT)
    pen = ImageDraw.Draw(sheet)
    write(pen, (margin, margin), heading, title_size, NIGHT_INK)
    write(pen, (margin, margin + round(len(heading) * title_size * 1.25)), under, heading_size, NIGHT_SOFT)
    for strip, y, sides, captions in placed:
        write(pen, (margin, y), wrapped(strip.heading, heading_size, inner, 1), heading_size, NIGHT_ACCENT)
        x, y = margin, y + round(heading_size * 1.6)
        for (_, picture), (h, w), caption in zip(strip.panels, sides, captions, strict=True):
            sheet.paste(scaled(single(picture), (h, w)), (x, y))
            write(pen, (x, y + h + 8), caption, caption_size, NIGHT_SOFT)
            x += w + gap
    return sheet


def scaled(picture: Float[Tensor, "1 c h w"], size: tuple[int, int]) -> Image.Image:
    """Scaled smoothly; pictures that grow to three times their size and more keep their pixels as squares."""
    picture = picture.detach().float()
    large = size[0] >= 3 * picture.shape[2] and picture.shape[2] < 48
    return opaque(to_pil(F.interpolate(picture, size, mode="nearest-exact") if large else resize(picture, size)))


def panel(picture: Float[Tensor, "1 c h w"], side: int) -> Image.Image:
    """Scaled to `side` px wide, or to half as much again in height if that comes first."""
    picture, (h, w) = picture.detach().float(), picture.shape[2:]
    scale = min(side / w, 1.5 * side / h)
    size = (max(1, round(scale * h)), max(1, round(scale * w)))
    return opaque(to_pil(F.interpolate(picture, size, mode="nearest-exact") if scale >= 3 else resize(picture, size)))


def opaque(image: Image.Image) -> Image.Image:
    """What is transparent over a light checkerboard of 8 px; other pictures as they are."""
    if image.mode != "RGBA":
        return image
    y, x = np.indices((image.height, image.width)) // CHECK
    board = Image.fromarray(np.where((x + y) % 2, 225, 250).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(board, image).convert("RGB")


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two drawings side by side on white, tops aligned."""
    sheet = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    return sheet
