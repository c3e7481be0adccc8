"""Exemplars on a page: ten in a row with what is traced back below, or three by three beside it.

Springenberg et al. 2015 (arXiv:1412.6806, figure 3) and Zeiler & Fergus 2014 (arXiv:1311.2901, figure 2). Whoever has
found photographs and positions in another way draws them alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.rectifiers import Rule
from phosphene.core.pictures.colours import signed_picture
from phosphene.core.pictures.plates import Marks, plate
from phosphene.core.pictures.sheets import grid
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


def tile(picture: Float[Tensor, "1 3 h w"], side: int, outside: float) -> Float[Tensor, "1 3 side side"]:
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
    return torch.cat([tile(exemplar.crop, side, 1.0).clamp(0, 1) for exemplar in exemplars])


def _traced(exemplars: Sequence[Exemplar], rule: Rule, side: int) -> Float[Tensor, "n 3 side side"]:
    """Around grey, each on its own scale: that of what is shown, as large pictures lose contrast when made small."""
    return signed_picture(torch.cat([tile(exemplar.traced[rule], side, 0.0) for exemplar in exemplars]))


CALLED: Mapping[Rule, str] = {"gradient": "gradient", "deconvnet": "deconvnet", "guided": "guided backprop"}


def ten_rows(exemplars: Sequence[Exemplar], side: int = 128) -> Block:
    """A column for each photograph; from the top what the unit sees, and below what each rule traces back."""
    rules = list(exemplars[0].traced)
    cells = torch.cat([_crops(exemplars, side), *(_traced(exemplars, rule, side) for rule in rules)])
    names = ["photograph", *(CALLED[rule] for rule in rules)]
    return Block(grid(cells, len(exemplars), GAP), names, [exemplar.peak.short for exemplar in exemplars])


def nines(exemplars: Sequence[Exemplar], rule: Rule, side: int = 80) -> Block:
    """What a rule traces back, three by three, beside the crops that it was traced back to."""
    left, right = grid(_traced(exemplars, rule, side), 3, GAP), grid(_crops(exemplars, side), 3, GAP)
    return Block(torch.cat([left, left.new_ones(1, 3, left.shape[2], 2 * GAP), right], 3))


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
