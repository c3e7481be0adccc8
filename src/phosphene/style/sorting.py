"""Distances of distributions by sorting: in one dimension, sorted values are matched with sorted values.

The Wasserstein distance of two distributions on a line is that of their quantiles. Channel by channel it is a histogram
match; along many directions through all channels it is the sliced Wasserstein distance, which is 0 only where the whole
distributions are the same (Heitz et al. 2021, arXiv:2006.07229).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.optimization.keys import Key

MOST = 128
"""Directions: as many as there are channels (Heitz et al. 2021), and no more than this."""


def quantiles(values: Float[Tensor, "n d p"], many: int) -> Float[Tensor, "n d many"]:
    """The sorted values, or so many between them: the quantiles (i + .5) / many, linearly interpolated."""
    ordered = values.sort(2).values
    return ordered if values.shape[2] == many else F.interpolate(ordered, size=many, mode="linear")


def _matched(wanted: Float[Tensor, "1 d q"]) -> Callable[[Float[Tensor, "n d p"]], Float[Tensor, " n"]]:
    """The mean square distance of quantiles, over the mean square of the wanted ones."""
    ordered, size = wanted.sort(2).values, wanted.square().mean()

    def distance(found: Float[Tensor, "n d p"]) -> Float[Tensor, " n"]:
        target = quantiles(ordered, found.shape[2])
        return (found.sort(2).values - target).square().mean((1, 2)) / size

    return distance


def histogram_distance(wanted: Float[Tensor, "1 c q"]) -> Callable[[Float[Tensor, "n c p"]], Float[Tensor, " n"]]:
    """How far each channel's histogram is from the style's (Risser et al. 2017, arXiv:1701.08893, without bins)."""
    return _matched(wanted)


def sliced_distance(wanted: Float[Tensor, "1 c q"]) -> Callable[[Float[Tensor, "n c p"]], Float[Tensor, " n"]]:
    """The same along directions that are drawn once: a step that looks for its length needs them to stay as they are.

    Heitz et al. draw new ones at every step, which Adam can do with.
    """
    channels = wanted.shape[1]
    drawn = Key(0, [channels]).normal(torch.zeros(1, dtype=torch.long), min(channels, MOST), channels)[0]
    directions = F.normalize(drawn, dim=1).to(wanted)
    apart = _matched(directions @ wanted)
    return lambda found: apart(directions @ found)
