"""How a large picture is cut into blocks: along which lines, with which margins, for how much memory.

Margins are read twice, so the grid of blocks is the one with the least pixels in all among those whose blocks are no
larger than memory allows; at the picture's own borders there are no margins.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.footprint import bytes_a_pixel, free_memory
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.terms import energy
from phosphene.core.optimization.tiles import belonging, cut_along, reach

Size = tuple[int, int]
"""(height, width), or rows and columns."""

Span = tuple[slice, slice]
"""Along an axis: what is read of the picture, and those of its pixels whose positions count."""

Block = tuple[Span, Span]
"""Down and across."""

BUDGET = 4.4e9
"""Bytes of a step at most, however many are free: the same photograph gives the same picture on all machines that have
so many. With the program and a network's weights a process stays below 6 GB."""

COPIES = 12
"""Of the picture that are there beside a block, where L-BFGS looks for the length of a step; with Adam they are 8."""

PER_BYTE = 2.0
"""What a block takes in all, for each byte that its layers keep for the way back; measured."""

FREE = 0.4
"""The part of free memory that is taken at most."""

MOST_EACH = 7_000
"""Bytes a pixel that no layer keeps; half as many are a DenseNet's. So nothing is counted for small pictures."""

MANY = 64
"""Blocks in a row or a column at most."""

CLOSE = 1e-3
"""By how much, of the largest number, a layer may differ in a block: rounding."""


class Margins(NamedTuple):
    """How far layers see, in pixels, each down and across.

    Attributes:
        beyond: their own places, on each side.
        unit: a multiple of their strides.
    """

    beyond: Size
    unit: Size


def pixels_of(block: Block) -> tuple:
    """What is read for a block, as an index of pictures."""
    return ..., block[0][0], block[1][0]


def blocks_of(size: Size, margins: Margins, pixels: float) -> list[Block]:
    """The blocks of a picture, each with its margins no larger than so many pixels; row by row.

    Raises:
        Mistake: there are none so small.
    """
    grids = [_grids(side, *along) for side, along in zip(size, zip(*margins, strict=True), strict=True)]
    sums = [[(max(lengths), sum(lengths), spans) for spans in grid for lengths in [_lengths(spans)]] for grid in grids]
    fitting = [(rows, columns) for rows in sums[0] for columns in sums[1] if rows[0] * columns[0] <= pixels]
    if not fitting:
        least = min(one[0] for one in sums[0]) * min(one[0] for one in sums[1])
        raise Mistake(
            f"the smallest block of a picture of {size[1]} x {size[0]} px has {least} pixels, and there is memory for "
            f"{int(pixels)}; take earlier layers, which see less, or a smaller network"
        )
    rows, columns = min(fitting, key=lambda one: one[0][1] * one[1][1])
    return [(down, across) for down in rows[2] for across in columns[2]]


def _lengths(spans: Sequence[Span]) -> list[int]:
    return [tile.stop - tile.start for tile, _ in spans]


def _grids(side: int, beyond: int, unit: int) -> list[list[Span]]:
    """The ways to cut a side into 1, 2, ... parts of about the same length; none is shorter than a unit."""
    lengths = dict.fromkeys(math.ceil(side / many / unit) * unit for many in range(1, MANY + 1))
    starts = [range(0, max(1, side - unit + 1), length) for length in lengths]
    return [list(cut_along(some, side, (beyond, beyond), unit)) for some in starts]


def affordable(network: Network, layers: Sequence[str], many: int, size: Size) -> float:
    """How many pixels a block of so many pictures may have."""
    copies = COPIES * 12 * many * size[0] * size[1]  # three colours in float32
    most = max(min(BUDGET, FREE * free_memory(network.device)) - copies, 0) / PER_BYTE
    if many * size[0] * size[1] * MOST_EACH <= most:
        return math.inf
    terms = [energy(layer) for layer in layers]
    return most / many / bytes_a_pixel(network, gradient(network, sum(terms[1:], start=terms[0])))


@torch.no_grad()
def margins_of(network: Network, layers: Sequence[str]) -> Margins | None:
    """How far these layers see beyond a block; None where what they say of it depends on all of the picture.

    That is tried once, on noise, which is dark outside of the block and what it sees. A network that pads odd lengths
    otherwise than even ones may see a stride further than on pictures of its own size.
    """
    shapes = [network.layer(name) for name in layers]
    if network.fixed or any(len(one.shape) != 3 or min(one.shape[1:]) <= 1 or one.channel_axis != 1 for one in shapes):
        return None
    fields = [network.receptive_field(name) for name in layers]
    (top, bottom, tall), (left, right, wide) = (reach([f.rows for f in fields]), reach([f.columns for f in fields]))
    down, across = max(top, bottom), max(left, right)
    for more in (0, 1):
        found = Margins((down + more * tall, across + more * wide), (tall, wide))
        if _alike(network.planned("reading"), layers, found):
            return found
    return None


def _alike(network: Network, layers: Sequence[str], margins: Margins) -> bool:
    """Whether a block says of its places what the whole picture says of them."""
    spans, sides = [], []
    for beyond, unit in zip(*margins, strict=True):
        start = math.ceil(beyond / unit + 1) * unit
        side = start + 2 * unit + beyond + 2 * unit + unit // 2
        sides.append(side)
        spans.append(list(cut_along([0, start, start + 2 * unit], side, (beyond, beyond), unit))[1])
    block = (spans[0], spans[1])
    x = 0.02 * network.anatomy.noise((sides[0], sides[1]), 1)
    x[pixels_of(block)] *= 50
    whole, part = network.read(x, layers), network.read(x[pixels_of(block)], layers)
    for name in layers:
        one, other, field = whole[name], part[name], network.receptive_field(name)
        for axis, along in enumerate((field.rows, field.columns)):
            (tile, square), side, length = spans[axis], sides[axis], other.shape[2 + axis]
            own = belonging(along.stride, tile, square, side, length)
            first, many = round(square.start / along.stride), own.stop - own.start
            one, other = one.narrow(2 + axis, first, many), other.narrow(2 + axis, own.start, many)
        if one.shape != other.shape or (one - other).abs().max() > CLOSE * one.abs().max():
            return False
    return True
