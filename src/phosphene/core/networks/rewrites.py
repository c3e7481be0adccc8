"""Exact rewrites: other calls with the same result, up to rounding, which take less time."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """`F.local_response_norm` of (n, c, h, w) with the sum over channels as a banded 1x1 convolution.

    The same number (1e-15 in float64); PyTorch's goes through avg_pool3d and takes 42 % of a GoogLeNet step.
    """
    channels = x.shape[1]
    band = torch.ones(channels, channels, dtype=x.dtype, device=x.device)
    band = band.triu(-(size // 2)).tril((size - 1) // 2) * (alpha / size)
    total = F.conv2d(x * x, band[:, :, None, None], x.new_full((channels,), k))
    return x * (total.rsqrt() if beta == 0.5 else total.pow(-beta))


def rewritten(function: Callable, args: tuple, kwargs: dict) -> Tensor | None:
    """The result of an exact rewrite of this call, or None where there is none."""
    if function is F.local_response_norm and (args[0] if args else kwargs["input"]).dim() == 4:
        return local_response_norm(*args, **{("x" if name == "input" else name): v for name, v in kwargs.items()})
    return None
