"""Photographs and how near one is to another, in 8-bit levels."""

from functools import partial

import numpy as np
import torch

from tests import small

LEVEL = 1 / 255

noise = partial(small.noise, dtype=torch.float32)


def close(a, b, levels: float) -> bool:
    """The same size, and on average within so many of 255 levels."""
    return a.shape == b.shape and (a - b).abs().mean().item() <= levels * LEVEL


def as_picture(grey: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(grey / np.float32(255)).expand(1, 3, *grey.shape)
