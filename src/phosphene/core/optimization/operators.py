"""What is done to a picture after every move: step operators, (pictures, rows, gradient, index) -> pictures.

Yosinski et al. 2015 (arXiv:1506.06579, section 3) regularize this way instead of by a term: a picture decays, is
blurred, or loses its unimportant pixels on its way. Operators are for parameterizations that can be assigned to.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.optimization.engine import Operator


def sequence(*operators: Operator) -> Operator:
    """One after the other."""

    def operate(pictures: Tensor, rows: Tensor, gradient: Tensor, index: int) -> Tensor:
        for one in operators:
            pictures = one(pictures, rows, gradient, index)
        return pictures

    return operate


def shrink(part: float, center: Sequence[float] = (0.5,)) -> Operator:
    """L2 decay: every pixel moves by `part` of its way to the colour `center` (Yosinski's theta_decay)."""

    def operate(pictures: Tensor, rows: Tensor, gradient: Tensor, index: int) -> Tensor:
        middle = colour(center, pictures)
        return middle + (1 - part) * (pictures - middle)

    return operate


def blur(deviation: float, every: int = 1) -> Operator:
    """Gaussian blur by `deviation` pixels after every so many moves (Yosinski's theta_b_width, theta_b_every)."""

    def operate(pictures: Tensor, rows: Tensor, gradient: Tensor, index: int) -> Tensor:
        return pictures if deviation == 0 or (index + 1) % every else blurred(pictures, deviation)

    return operate


def clip_norm(percentile: float, center: Sequence[float] = (0.5,)) -> Operator:
    """Pixels whose distance from the colour `center` is below this percentile of the picture become `center`."""

    def size(pictures: Tensor, gradient: Tensor) -> Tensor:
        return (pictures - colour(center, pictures)).norm(dim=1, keepdim=True)

    return _clip(size, percentile, center)


def clip_contribution(percentile: float, center: Sequence[float] = (0.5,)) -> Operator:
    """Pixels whose contribution |sum over colours of (x - center) gradient| is below this percentile become `center`.

    The linear estimate of how much the activation changes when the pixel is taken away (Yosinski's theta_c_pct).
    """

    def size(pictures: Tensor, gradient: Tensor) -> Tensor:
        return ((pictures - colour(center, pictures)) * gradient).sum(1, keepdim=True).abs()

    return _clip(size, percentile, center)


def _clip(size: Callable[[Tensor, Tensor], Tensor], percentile: float, center: Sequence[float]) -> Operator:
    def operate(
        pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], gradient: Float[Tensor, "n c h w"], index: int
    ) -> Float[Tensor, "n c h w"]:
        sizes = size(pictures, gradient)
        flat = sizes.flatten(1)
        rank = min(flat.shape[1], max(1, math.ceil(percentile / 100 * flat.shape[1])))
        limit = flat.kthvalue(rank, dim=1).values.view(-1, 1, 1, 1)
        return torch.where(sizes < limit, colour(center, pictures), pictures)

    return operate


def colour(center: Sequence[float], pictures: Tensor) -> Tensor:
    """A colour, (1 or 3 numbers in [0, 1]), as (c, 1, 1) beside these pictures."""
    return torch.tensor(center, dtype=pictures.dtype, device=pictures.device).view(-1, 1, 1)


def blurred(pictures: Float[Tensor, "n c h w"], deviation: float) -> Float[Tensor, "n c h w"]:
    """Pictures under a Gaussian of this standard deviation in pixels, cut off at 4 of them, the border mirrored."""
    radius = min(math.ceil(4 * deviation), min(pictures.shape[2:]) - 1)
    at = torch.arange(-radius, radius + 1, dtype=pictures.dtype, device=pictures.device)
    weights = torch.exp(-0.5 * (at / deviation).square())
    weights = weights / weights.sum()
    channels = pictures.shape[1]
    for axis, pad in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        kernel = weights.view([1, 1, -1, 1] if axis == 2 else [1, 1, 1, -1]).expand(channels, -1, -1, -1)
        pictures = F.conv2d(F.pad(pictures, pad, mode="reflect"), kernel, groups=channels)
    return pictures


def bilateral_filtered(
    pictures: Float[Tensor, "n c h w"], deviation: float, contrast: float
) -> Float[Tensor, "n c h w"]:
    """Every pixel as the mean of its neighbours, near ones of like colour most (Tomasi & Manduchi 1998).

    Weights exp(-|p - q|^2 / 2 deviation^2 - |x_p - x_q|^2 / 2 contrast^2), |x_p - x_q| over all colours together, in a
    square window of 2 deviations either way, the border mirrored.

    Args:
        deviation: in pixels.
        contrast: deviation of colours in [0, 1]; edges that are much higher stay.
    """
    radius = min(math.ceil(2 * deviation), min(pictures.shape[2:]) - 1)
    height, width = pictures.shape[2:]
    around = F.pad(pictures, (radius,) * 4, mode="reflect")
    total, sums = torch.zeros_like(pictures[:, :1]), torch.zeros_like(pictures)
    for down in range(2 * radius + 1):
        for across in range(2 * radius + 1):
            there = around[..., down : down + height, across : across + width]
            distance = ((down - radius) ** 2 + (across - radius) ** 2) / deviation**2
            unlike = (there - pictures).square().sum(1, keepdim=True) / contrast**2
            weight = torch.exp(-0.5 * (distance + unlike))
            total += weight
            sums += weight * there
    return sums / total
