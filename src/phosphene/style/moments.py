"""Moments: what a style is of a layer's features, as sums over positions.

Gram matrices (Gatys et al. 2015, arXiv:1508.06576), means and deviations, covariances: all follow from how many
positions there are, the sum of their features, and the sum of the features' products with one another. Sums add up
over the parts of a picture, which is why a large one can be looked at part by part (Galerne et al. 2022,
arXiv:2212.13459), over regions of a picture, and over several pictures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 1e-8
"""Added to variances, whose root has no slope at 0."""


class Moments(NamedTuple):
    """Sums over the positions of a layer.

    Attributes:
        weight: the sum of the positions' weights; how many there are, where each counts once.
        total: the weighted sum of their features.
        products: the weighted sum of their features' products, f f^T.
    """

    weight: Float[Tensor, " n"]
    total: Float[Tensor, "n c"]
    products: Float[Tensor, "n c c"]

    @property
    def mean(self) -> Float[Tensor, "n c"]:
        """Of each channel over the positions."""
        return self.total / self.weight[:, None]

    @property
    def gram(self) -> Float[Tensor, "n c c"]:
        """The mean product of each two channels."""
        return self.products / self.weight[:, None, None]

    @property
    def covariance(self) -> Float[Tensor, "n c c"]:
        """Of each two channels."""
        return self.gram - self.mean[:, :, None] * self.mean[:, None]

    @property
    def deviation(self) -> Float[Tensor, "n c"]:
        """The standard deviation of each channel."""
        variance = self.gram.diagonal(dim1=1, dim2=2) - self.mean.square()
        return (variance.clamp(min=0) + SMALL).sqrt()


def moments(features: Float[Tensor, "n c p"], weight: Float[Tensor, " p"] | None = None) -> Moments:
    """The sums over the positions p of each picture.

    Args:
        weight: how much each position counts, from 0 on: a region, with soft edges where it has some.
    """
    weighted = features if weight is None else features * weight
    count = features.new_full((len(features),), features.shape[2]) if weight is None else weight.sum().expand(
        len(features)
    )  # fmt: skip
    return Moments(count, weighted.sum(2), weighted @ features.mT)


def added(parts: Sequence[Moments]) -> Moments:
    """The sums over the positions of all parts."""
    return Moments(*(torch.stack(every).sum(0) for every in zip(*parts, strict=True)))


def blended(several: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Between several styles: the weighted mean of what each has for a position, whatever its size."""
    whole = sum(weights)
    return added([
        Moments(torch.full_like(one.weight, w / whole), one.mean * (w / whole), one.gram * (w / whole))
        for one, w in zip(several, weights, strict=True)
    ])  # fmt: skip


def gram_distance(found: Moments, wanted: Moments) -> Float[Tensor, " n"]:
    """|G - G*|^2 / |G*|^2 (Gatys et al. 2015, their E, divided by what makes layers and networks comparable)."""
    target = wanted.gram
    return (found.gram - target).flatten(1).square().sum(1) / target.flatten(1).square().sum(1)


def spread_distance(found: Moments, wanted: Moments) -> Float[Tensor, " n"]:
    """(|m - m*|^2 + |s - s*|^2) / (|m*|^2 + |s*|^2) of the channels' means m and deviations s.

    Beside Gram matrices it keeps patches from being washed out or oversaturated (Galerne et al. 2022,
    arXiv:2212.13459).
    """
    apart = (found.mean - wanted.mean).square().sum(1) + (found.deviation - wanted.deviation).square().sum(1)
    return apart / (wanted.mean.square().sum(1) + wanted.deviation.square().sum(1))
