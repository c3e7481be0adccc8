"""Nearest neighbours: every position is to look like the one of the style that it is most like already.

Nearest-neighbour feature matching (Kolkin et al. 2022, arXiv:2203.13215): what a place shows is made of real strokes of
the style, where statistics are content with averages of them. Features are compared by their cosine, less their mean.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MOST = 4096
"""Positions of the style: of more, as many evenly apart."""

AT_ONCE = 2**24
"""Cosines at a time: 64 MiB."""


def directions(features: Float[Tensor, "n c p"]) -> Float[Tensor, "n c p"]:
    """Features less their mean over positions, of length 1."""
    return F.normalize(features - features.mean(2, keepdim=True), dim=1)


@torch.no_grad()
def nearest(found: Float[Tensor, "c p"], wanted: Float[Tensor, "c q"]) -> Int[Tensor, " p"]:
    """Of each position the index of the wanted one whose cosine is largest; by brute force, some at a time."""
    size = max(1, AT_ONCE // wanted.shape[1])
    return torch.cat([(part.mT @ wanted).argmax(1) for part in found.split(size, 1)])


def nearest_distance(wanted: Float[Tensor, "1 c q"]) -> Callable[[Float[Tensor, "n c p"]], Float[Tensor, " n"]]:
    """The mean over positions of 1 - the largest cosine: 0 where everything looks as somewhere in the style."""
    many = wanted.shape[2]
    some = torch.linspace(0, many - 1, min(many, MOST), dtype=torch.float64).round().long().to(wanted.device)
    style = directions(wanted)[0][:, some]

    def distance(found: Float[Tensor, "n c p"]) -> Float[Tensor, " n"]:
        own = directions(found)
        like = torch.stack([style[:, nearest(one, style)] for one in own.detach()])
        return (1 - (own * like).sum(1)).mean(1)

    return distance
