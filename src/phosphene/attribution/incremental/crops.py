"""Crops of layers into which recomputed parts are pasted.

What an operation needs around a recomputed part is put together from the part and the clean layer around it: one
`index_select` over positions, each of which is a row of channels in channels last.
"""

import torch
from torch import Tensor

from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import SMALLEST
from phosphene.core.networks.sliding_windows import Pair


def rows_of(activation: Tensor) -> Tensor:
    """(n, ..., h, w) as (n h w, c): what is at one position lies together, as in channels last."""
    n, height, width = len(activation), *activation.shape[-2:]
    return activation.reshape(n, -1, height, width).permute(0, 2, 3, 1).reshape(n * height * width, -1)


def with_borders(rows: Tensor) -> Tensor:
    """Behind the rows of a layer one of zeros and one of -infinity, which are what may lie around it."""
    smallest = SMALLEST if rows.is_floating_point() else 0
    return torch.cat([rows, torch.zeros_like(rows[:1]), torch.full_like(rows[:1], smallest)])


def crops(
    clean: Tensor, layer: Pair, parts: Tensor, regions: Regions, top: Tensor, size: Pair, step: Pair = (1, 1),
    fill: float = 0.0,
) -> Tensor:  # fmt: skip
    """Crops (n, ..., *size) of a layer into which parts are pasted, in channels last.

    Args:
        clean: the layer's rows `with_borders`.
        layer: its height and width.
        parts: (n, ..., *regions.size).
        regions: where they are.
        top: (2, n) where the crops begin; may lie outside.
        size: of the crops.
        step: every so many rows and columns.
        fill: what lies outside, 0 or -infinity.
    """
    many, (height, width) = len(parts), layer
    at = [top[axis, :, None] + step[axis] * torch.arange(size[axis]) for axis in (0, 1)]
    within = [at[axis] - regions.top[axis, :, None] for axis in (0, 1)]
    in_layer = _both(*((a >= 0) & (a < end) for a, end in zip(at, layer, strict=True)))
    in_part = _both(*((a >= 0) & (a < end) for a, end in zip(within, regions.size, strict=True)))
    first = len(clean) + regions.size[0] * regions.size[1] * torch.arange(many)[:, None]
    outside = height * width + (fill != 0)
    index = torch.where(in_layer, (at[0] * width)[:, :, None] + at[1][:, None], outside)
    part_index = (first + within[0] * regions.size[1])[:, :, None] + within[1][:, None]
    index = torch.where(in_part, part_index, index)
    rows = torch.cat([clean, rows_of(parts)]).index_select(0, index.flatten().to(clean.device))
    return rows.view(many, *size, -1).permute(0, 3, 1, 2).reshape(many, *parts.shape[1:-2], *size)


def _both(rows: Tensor, columns: Tensor) -> Tensor:
    return rows[:, :, None] & columns[:, None]
