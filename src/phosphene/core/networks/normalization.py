"""From RGB in [0, 1] to what a model wants."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """(rgb - mean) / std, and the order of the channels.

    Attributes:
        mean, std: one number for each channel, or one for all.
        bgr: blue comes first.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False

    def __call__(self, x: Float[Tensor, "n c h w"], grey: bool = False) -> Float[Tensor, "n wanted h w"]:
        """Normalize RGB in [0, 1], or the mean of the three channels where the model wants one."""
        if grey:
            x = x.mean(1, keepdim=True)
        if any(self.mean) or any(s != 1 for s in self.std):
            mean, std = (torch.tensor(v, dtype=x.dtype, device=x.device).view(-1, 1, 1) for v in (self.mean, self.std))
            x = (x - mean) / std
        return x.flip(1) if self.bgr else x
