"""Regions: which style is meant where.

Each style may have a mask of the photograph (where it is meant) and a mask of itself (what of it counts). Between
styles, where masks are grey, it is the *statistics* that are blended: pixels are sorted by the blend that they are
under, in steps of 1 / `STEPS`, and those of a blend are one region, whose target is the blend of the styles' sums. So
the middle of a soft edge is one look between two, instead of a mixture of patches of both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from phosphene.core.errors import Mistake

STEPS = 8
"""A style's share of a blend is a multiple of 1 / STEPS; finer ones would be regions of few positions."""


class Band(NamedTuple):
    """The pixels of a photograph that are under one blend of styles.

    Attributes:
        where: how much each pixel counts, 0 to 1.
        shares: of each style, together 1.
    """

    where: Float[Tensor, "h w"]
    shares: tuple[float, ...]


def bands(masks: Float[Tensor, "styles h w"], shares: Sequence[float]) -> list[Band]:
    """The regions that masks make of a photograph; where all are black, there is none.

    Args:
        masks: where each style is meant, 0 to 1.
        shares: how much of each style where all are.
    Raises:
        Mistake: they are black all over.
    """
    weighted = masks.double() * torch.tensor(list(shares), dtype=torch.float64)[:, None, None]
    whole, covered = weighted.sum(0), masks.sum(0).clamp(max=1)
    inside = whole > 0
    if not inside.any():
        raise Mistake("the masks are black all over, so no style is meant anywhere; white is where one is")
    steps = (STEPS * weighted[:, inside] / whole[inside]).round().long()
    largest = torch.nn.functional.one_hot(weighted[:, inside].argmax(0), len(steps)).T
    steps = torch.where(steps.sum(0) > 0, steps, largest)  # of very many styles every share would round to none
    blends, own = torch.unique(steps, dim=1, return_inverse=True)
    found = []
    for i, blend in enumerate(blends.T.tolist()):
        where = torch.zeros_like(covered)
        where[inside] = torch.where(own == i, covered[inside], 0)
        found.append(Band(where, tuple(step / sum(blend) for step in blend)))
    return found


def completed(masks: Sequence[Float[Tensor, "1 1 h w"]], styles: int) -> Float[Tensor, "styles h w"]:
    """A mask for each style: one that is missing is meant where no other is.

    Raises:
        Mistake: there are more of them than styles, or fewer by more than one, or they differ in shape.
    """
    if not styles - 1 <= len(masks) <= styles:
        raise Mistake(
            f"{len(masks)} masks for {styles} styles; give one for each, or for all but the last, which is then meant "
            "where no other is"
        )
    if len({one.shape for one in masks}) > 1:
        sizes = ", ".join(f"{one.shape[3]} x {one.shape[2]}" for one in masks)
        raise Mistake(f"masks of one photograph have one size, not {sizes}")
    joined = torch.cat([one[0] for one in masks])
    if len(masks) == styles:
        return joined
    return torch.cat([joined, 1 - joined.sum(0, keepdim=True).clamp(max=1)])


def at_positions(where: Float[Tensor, "h w"], rows: int, columns: int) -> Float[Tensor, " p"]:
    """How much each position of a layer counts: the mean over the pixels that it stands for."""
    return adaptive_avg_pool2d(where[None, None], (rows, columns)).flatten()
