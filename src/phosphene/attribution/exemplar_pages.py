"""Exemplars on a page: ten in a row with what is traced back below, or three by three beside it.

Springenberg et al. 2015 (arXiv:1412.6806, figure 3) and Zeiler & Fergus 2014 (arXiv:1311.2901, figure 2). Whoever has
found photographs and positions in another way draws them alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageColor
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.pictures.colours import heat, signed_picture
from phosphene.core.pictures.plates import Marks, plate
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.typesetting import ACCENT
from phosphene.core.units.exemplars import Exemplar

# ------------------------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True)
class Block:
    """A unit's exemplars as one picture.

    Attributes:
        picture: it.
        rows: what each of its rows shows, from the top, if it has such.
        columns: what is to be said below each of its columns, if it has such.
    """

    picture: Float[Tensor, "1 3 h w"]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()


GAP = 4  # px between pictures
FRAME = 2  # px around what a unit sees


def tile(picture: Float[Tensor, "1 c h w"], side: int, outside: float) -> Float[Tensor, "1 c side side"]:
    """A picture in a square: smoothly scaled, or with its pixels as squares if they grow to 3 px and more.

    Values are not clipped, so that signed ones can be scaled too.
    """
    scale = side / max(picture.shape[2:])
    height, width = (max(1, round(scale * length)) for length in picture.shape[2:])
    if scale >= 3:
        scaled = F.interpolate(picture, (height, width), mode="nearest-exact")
    else:
        scaled = F.interpolate(picture, (height, width), mode="bicubic", antialias=True)
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(scaled, (left, side - width - left, top, side - height - top), value=outside)


def _crops(exemplars: Sequence[Exemplar], side: int) -> Float[Tensor, "n 3 side side"]:
    return torch.cat([_framed(exemplar, tile(exemplar.crop, side, 1.0).clamp(0, 1)) for exemplar in exemplars])


def _framed(exemplar: Exemplar, shown: Float[Tensor, "1 3 side side"]) -> Float[Tensor, "1 3 side side"]:
    """With a frame around what the unit sees, where more is shown."""
    if exemplar.marked is None:
        return shown
    side, (height, width) = shown.shape[2], exemplar.crop.shape[2:]
    high, wide = (max(1, round(side / max(height, width) * length)) for length in (height, width))
    above, before = (side - high) // 2, (side - wide) // 2
    top, left, bottom, right = exemplar.marked
    rows = [above + round(min(max(part, 0), 1) * high) for part in (top, bottom)]
    columns = [before + round(min(max(part, 0), 1) * wide) for part in (left, right)]
    inside = torch.zeros(side, side, dtype=torch.bool)
    inside[rows[0] : rows[1], columns[0] : columns[1]] = True
    inside[rows[0] + FRAME : rows[1] - FRAME, columns[0] + FRAME : columns[1] - FRAME] = False
    colour = torch.tensor(ImageColor.getrgb(ACCENT)).view(1, 3, 1, 1) / 255
    return torch.where(inside, colour, shown)


def _traced(exemplars: Sequence[Exemplar], rule: str, side: int) -> Float[Tensor, "n 3 side side"]:
    """Around grey, each on its own scale: that of what is shown, as large pictures lose contrast when made small.

    Relevance is one number a pixel, for the class red and against it blue.
    """
    if rule == RELEVANCE:
        return heat(
            torch.cat([tile(one.traced[rule].sum(1, keepdim=True), side, 0.0)[:, 0] for one in exemplars]), True
        )
    return signed_picture(torch.cat([tile(exemplar.traced[rule], side, 0.0) for exemplar in exemplars]))


RELEVANCE = "relevance"
"""What of a photograph a class owes to a channel, among what is traced back."""

CALLED: Mapping[str, str] = {
    "gradient": "gradient", "deconvnet": "deconvnet", "guided": "guided backprop", RELEVANCE: RELEVANCE,
}  # fmt: skip

Synthetic = Float[Tensor, "1 3 size size"]


def ten_rows(
    exemplars: Sequence[Exemplar], side: int = 128, synthetic: Synthetic | None = None, many: int = 0
) -> Block:
    """A column for each photograph; from the top what the unit sees, and below what each rule traces back.

    Args:
        exemplars: at least one.
        side: of each picture, in px.
        synthetic: a painted picture of the unit, before the photographs.
        many: so many columns for photographs, where there are fewer.
    """
    rules, empty = list(exemplars[0].traced), max(0, many - len(exemplars))
    rows = [_crops(exemplars, side), *(_traced(exemplars, rule, side) for rule in rules)]
    columns = [exemplar.peak.short for exemplar in exemplars] + [""] * empty
    if empty:
        rows = [torch.cat([row, row.new_ones(empty, 3, side, side)]) for row in rows]
    if synthetic is not None:
        before = [tile(synthetic, side, 1.0).clamp(0, 1), *(torch.ones(1, 3, side, side) for _ in rules)]
        rows = [torch.cat([first, row]) for first, row in zip(before, rows, strict=True)]
        columns = ["synthetic", *columns]
    names = ["photograph", *(CALLED[rule] for rule in rules)] if rules else []
    return Block(grid(torch.cat(rows), len(columns), GAP), names, columns)


def nines(exemplars: Sequence[Exemplar], rule: str, side: int = 80, synthetic: Synthetic | None = None) -> Block:
    """What a rule traces back, three by three, beside the crops that it was traced back to.

    Args:
        synthetic: a painted picture of the unit, before them.
    """
    exemplars = list(exemplars)
    pictures = [grid(_full(part, side), 3, GAP) for part in (_traced(exemplars, rule, side), _crops(exemplars, side))]
    if synthetic is not None:
        pictures.insert(0, tile(synthetic, pictures[0].shape[2], 1.0).clamp(0, 1))
    gap = pictures[0].new_ones(1, 3, pictures[0].shape[2], 2 * GAP)
    return Block(torch.cat([part for picture in pictures for part in (gap, picture)][1:], 3))


def _full(pictures: Float[Tensor, "n 3 side side"], side: int) -> Float[Tensor, "9 3 side side"]:
    """Nine of them, white where there are fewer."""
    return torch.cat([pictures, pictures.new_ones(9 - len(pictures), 3, side, side)])


def album(
    chapters: Sequence[tuple[str, Sequence[tuple[str, Block]]]], title: str, words: Sequence[str], columns: int
) -> Image.Image:
    """Blocks of one size on one page, so many beside one another, with a heading for each chapter.

    Args:
        chapters: headings, and captions with blocks.
    """
    _, _, height, width = chapters[0][1][0][1].picture.shape
    apart, line, head = 28, 24, 40  # px: between blocks, for what is said below one, for a heading
    columns = min(columns, max(len(blocks) for _, blocks in chapters))
    rows, below, above, placed, y = [], [], [], [], 0
    whole = columns * (width + apart) - apart
    for heading, blocks in chapters:
        y += head
        above.append((0, y - 8, whole, heading))
        for i, (caption, block) in enumerate(blocks):
            x = i % columns * (width + apart)
            if i and i % columns == 0:
                y += height + line + GAP
            placed.append((x, y, block.picture))
            if x == 0:
                step = (height + GAP) / max(len(block.rows), 1)
                rows += [(y + (k + 0.5) * step - GAP / 2, name) for k, name in enumerate(block.rows)]
            if block.columns:
                step = (width + GAP) / len(block.columns)
                below += [(x + k * step, y + height, step - GAP, name) for k, name in enumerate(block.columns)]
            elif caption:
                below.append((x, y + height, width, caption))
        y += height + line
    sheet = torch.ones(1, 3, y, whole)
    for x, top, picture in placed:
        sheet[..., top : top + height, x : x + width] = picture
    return plate(sheet, title, words, None, Marks(rows=rows, below=below, above=above))
