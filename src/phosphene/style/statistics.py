"""Statistics: what of a layer's features a style is, and how far a picture's are from it.

Each is a function of the style that returns a function of the picture: what can be prepared is prepared once. Those of
`OF_SUMS` are told all that they need by sums over positions (`moments.py`), so a picture may be looked at block by
block; those of `OF_FEATURES` need the features of all positions at once. Each is divided by the same of the style, so
that weights mean much the same on every layer and network: 0 where the picture has the style's, about 1 where it has
nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.style.moments import Moments, gram_distance, spread_distance
from phosphene.style.nearest import nearest_distance
from phosphene.style.sorting import histogram_distance, sliced_distance

OfSums = Callable[[Moments], Callable[[Moments], Float[Tensor, " n"]]]
"""From the sums of a style to a function of the sums of pictures."""

OfFeatures = Callable[[Float[Tensor, "1 c q"]], Callable[[Float[Tensor, "n c p"]], Float[Tensor, " n"]]]
"""From the features of a style to a function of the features of pictures."""

LEAST = 1e-10
"""Eigenvalues below this part of the largest count as it: the root's gradient is infinite at 0."""


def _root(matrix: Float[Tensor, "n c c"]) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c c"]]:
    """The roots of a symmetric matrix's eigenvalues, clamped from below, and its eigenvectors, in float64."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    least = (LEAST * values[:, -1:]).clamp(min=torch.finfo(values.dtype).tiny)
    return values.clamp(min=least).sqrt(), vectors


class _Overlap(torch.autograd.Function):
    """tr (R S R)^(1/2) of symmetric R and S. With A = R S R its gradient for S is R A^(-1/2) R / 2.

    A gradient through the eigenvectors would divide by differences of eigenvalues, of which many are alike.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, root: Tensor) -> Tensor:
        values, vectors = _root(root @ covariance @ root)
        across = root @ vectors
        ctx.save_for_backward(across @ (across / values[:, None]).mT / 2)
        return values.sum(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        (half,) = ctx.saved_tensors
        return gradients[0][:, None, None] * half, None


def wasserstein_distance(wanted: Moments) -> Callable[[Moments], Float[Tensor, " n"]]:
    """W^2 = |m - m*|^2 + tr(S + S* - 2 (S*^(1/2) S S*^(1/2))^(1/2)), over |m*|^2 + tr S*.

    It is how far features would have to be carried if they were normally distributed, with means m and covariances S
    (Wasserstein-2; Olkin & Pukelsheim 1982, doi:10.1016/0024-3795(82)90112-4; for styles Vacher et al. 2020,
    arXiv:2006.11200). Computed in float64 on the CPU.
    """
    double = Moments(*(part.double().cpu() for part in wanted))
    values, vectors = _root(double.covariance)
    root, spread = (vectors * values[:, None]) @ vectors.mT, double.covariance.diagonal(dim1=1, dim2=2).sum(1)
    size = double.mean.square().sum(1) + spread

    def distance(found: Moments) -> Float[Tensor, " n"]:
        own = Moments(*(part.double().cpu() for part in found))
        many = len(own.weight)
        overlap = _Overlap.apply(own.covariance, root.expand(many, -1, -1))
        trace = own.covariance.diagonal(dim1=1, dim2=2).sum(1)
        apart = (own.mean - double.mean).square().sum(1) + trace + spread - 2 * overlap
        return (apart / size).to(found.total)

    return distance


OF_SUMS: Mapping[str, OfSums] = {
    "gram": lambda wanted: partial(gram_distance, wanted=wanted),
    "spread": lambda wanted: partial(spread_distance, wanted=wanted),
    "wasserstein": wasserstein_distance,
}

OF_FEATURES: Mapping[str, OfFeatures] = {
    "histogram": histogram_distance,
    "sliced": sliced_distance,
    "nearest": nearest_distance,
}
