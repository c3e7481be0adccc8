"""A style in one step: features moved so that they have the style's statistics, by an affine map of every position,

    f -> A (f - m) + m*

m is the mean of the picture's features, m* that of the style's. What A is depends on how much of a style is matched:

    adain       the deviation of each channel by itself (Huang & Belongie 2017, arXiv:1703.06868, eq. 8)
    wct         the covariance of the channels, whitened and coloured (Li et al. 2017, arXiv:1705.08086, eq. 1 and 2)
    transport   the covariance, by the map that moves the features least (Lu et al. 2019, arXiv:1906.00668)

All follow from `Moments`, so pictures, regions, several styles and the frames of a film are sums of those.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from phosphene.style.moments import Moments, moments

LEAST = 1e-12
"""Directions in which features vary by less than this share of the most are none: rounding errors, silent channels."""


class Transform(NamedTuple):
    """What becomes of features, at each position by itself.

    Attributes:
        matrix: A.
        before, after: m and m*.
    """

    matrix: Float64[Tensor, "n c c"]
    before: Float64[Tensor, "n c"]
    after: Float64[Tensor, "n c"]

    def __call__(self, features: Float[Tensor, "n c p"]) -> Float[Tensor, "n c p"]:
        matrix, before, after = (one.to(features) for one in self)
        return matrix @ (features - before[:, :, None]) + after[:, :, None]


Method = Callable[[Moments, Moments], Transform]
"""From the picture's moments and the style's, in float64, to what becomes of features."""


def adain(content: Moments, style: Moments) -> Transform:
    """A = diag(s* / s): each channel gets the style's deviation; one that does not vary stays so."""
    own, wanted = (_variances(one).sqrt() for one in (content, style))
    return Transform(torch.diag_embed(torch.where(own > 0, wanted / own, 0)), content.mean, style.mean)


def _variances(of: Moments) -> Float64[Tensor, "n c"]:
    """Of each channel; zero where it is no more than the rounding error of its mean square."""
    squares = of.gram.diagonal(dim1=1, dim2=2)
    variance = squares - of.mean.square()
    return torch.where(variance > LEAST * squares, variance, 0)


def wct(content: Moments, style: Moments) -> Transform:
    """A = C*^(1/2) C^(-1/2) of the covariances: whitened, then coloured.

    The square roots are symmetric, E D^(1/2) E^T, so the signs of the eigenvectors, which nobody can know, cancel.
    """
    return Transform(power(style.covariance, 0.5) @ power(content.covariance, -0.5), content.mean, style.mean)


def transport(content: Moments, style: Moments) -> Transform:
    """A = C^(-1/2) (C^(1/2) C* C^(1/2))^(1/2) C^(-1/2): of all that end there, the map that moves features least."""
    root, inverse = (power(content.covariance, exponent) for exponent in (0.5, -0.5))
    return Transform(inverse @ power(root @ style.covariance @ root, 0.5) @ inverse, content.mean, style.mean)


def power(covariance: Float[Tensor, "n c c"], exponent: float) -> Float64[Tensor, "n c c"]:
    """E D^exponent E^T of C = E D E^T, in float64; directions without any variance stay so, whatever the exponent."""
    covariance = covariance.double()
    values, vectors = torch.linalg.eigh((covariance + covariance.mT) / 2)
    there = values > LEAST * values.amax(1, keepdim=True)
    return (vectors * torch.where(there, values.clamp(min=0) ** exponent, 0)[:, None]) @ vectors.mT


def transformed(
    features: Float[Tensor, "n c p"],
    regions: Sequence[tuple[Transform, Float[Tensor, " p"] | None]],
    strength: float = 1.0,
) -> Float[Tensor, "n c p"]:
    """Between features and what becomes of them: (1 - strength) f + strength sum over regions r of w_r T_r(f).

    Args:
        regions: what becomes of them, each with the weight of every position, which add up to 1; None where it is all.
        strength: 0 gives them back as they are.
    """
    if not strength:
        return features
    parts = (transform(features) if weight is None else transform(features) * weight for transform, weight in regions)
    return features.lerp(torch.stack(list(parts)).sum(0), strength)


def exact_moments(features: Float[Tensor, "n c p"], weight: Float[Tensor, " p"] | None = None) -> Moments:
    """The moments in float64: of a large mean and a small deviation, float32 leaves nothing of the latter."""
    return moments(features.double(), None if weight is None else weight.double())
