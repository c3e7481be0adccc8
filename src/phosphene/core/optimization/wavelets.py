"""Orthonormal wavelets: a picture as a coarse picture and details of every scale, of which natural ones have few.

Two filters of 2 N taps, low and high, go over rows and columns, and every second number is kept (Mallat 1989,
doi:10.1109/34.192463). Daubechies' filters (1988, doi:10.1002/cpa.3160410705) have the most vanishing moments, N, for
their length: details of a polynomial of degree below N are 0. N = 1 is Haar's.
"""

from functools import cache
from math import comb
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Wavelet = Literal["haar", "db2", "db3", "db4"]
Border = Literal["symmetric", "periodic"]
MOMENTS: dict[Wavelet, int] = {"haar": 1, "db2": 2, "db3": 3, "db4": 4}


@cache
def scaling_filter(moments: int) -> tuple[float, ...]:
    """The low-pass filter with so many vanishing moments: 2 N numbers, sum sqrt 2, sum of squares 1, the first large.

    |H|^2 is (cos^2)^N P(sin^2) with P(y) = sum over k < N of C(N - 1 + k, k) y^k; of the roots z, 1 / z that belong to
    each y = (2 - z - 1 / z) / 4, the one inside the unit circle is taken (minimum phase).
    """
    roots = np.roots([comb(moments - 1 + k, k) for k in reversed(range(moments))])
    middle = 1 - 2 * roots.astype(complex)
    apart = np.sqrt(middle**2 - 1)
    inside = np.where(abs(middle + apart) < 1, middle + apart, middle - apart)
    taps = np.real(np.poly([-1.0] * moments + list(inside)))
    return tuple((taps * np.sqrt(2) / taps.sum()).tolist())


def places(length: int, taps: int, border: Border) -> Int[Tensor, " m"]:
    """Which numbers of a row the filters go over, the border continued: mirrored with its edge repeated, or around.

    A row of odd length that goes around has its last number twice.
    """
    if border == "periodic":
        even = length + length % 2
        return (torch.arange(1 - taps // 2, even + taps // 2 - 1) % even).clamp(max=length - 1)
    at = torch.arange(2 - taps, 2 * ((length + taps - 1) // 2)) % (2 * length)
    return torch.minimum(at, 2 * length - 1 - at)


def split(
    pictures: Float[Tensor, "n c h w"], wavelet: Wavelet = "db2", border: Border = "symmetric"
) -> tuple[Float[Tensor, "n c hh ww"], Float[Tensor, "n c 3 hh ww"]]:
    """Pictures at half their size, and the details that are lost: along columns, along rows, along both."""
    low = torch.tensor(scaling_filter(MOMENTS[wavelet]), dtype=torch.float64)
    taps = len(low)
    high = low.flip(0) * (-1.0) ** torch.arange(taps)
    pair = torch.stack([low, high]).to(pictures)
    x = pictures.flatten(0, 1)[:, None]
    rows, columns = (places(side, taps, border).to(x.device) for side in x.shape[2:])
    x = F.conv2d(x[..., columns], pair[:, None, None], stride=(1, 2))
    x = F.conv2d(x[:, :, rows], pair.repeat(2, 1)[:, None, :, None], stride=(2, 1), groups=2)
    parts = x.unflatten(0, pictures.shape[:2])  # low across: low and high down; high across: low and high down
    return parts[:, :, 0], parts[:, :, 1:]


def decomposed(
    pictures: Float[Tensor, "n c h w"], wavelet: Wavelet = "db2", levels: int = 4, border: Border = "symmetric"
) -> tuple[Float[Tensor, "n c hh ww"], list[Float[Tensor, "n c 3 _ _"]]]:
    """What is left after so many levels, and the details of each, the finest first; it ends early at one pixel."""
    details = []
    for _ in range(levels):
        if min(pictures.shape[2:]) < 2:
            break
        pictures, detail = split(pictures, wavelet, border)
        details.append(detail)
    return pictures, details
