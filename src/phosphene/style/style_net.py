"""A network from a picture to the same picture in a style (Johnson, Alahi & Fei-Fei 2016, arXiv:1603.08155).

One pass, where an optimization takes hundreds. It halves the picture twice, works on it in residual blocks, and doubles
it again by repeating pixels before a convolution, which leaves no grid behind (Odena, Dumoulin & Olah 2016,
doi:10.23915/distill.00003). Between convolutions stands instance normalization (Ulyanov, Vedaldi & Lempitsky 2016,
arXiv:1607.08022),

    gain (x - m) / s + shift ,

whose m and s are the mean and the deviation of each channel, of each picture by itself, or given ones: those of a small
copy make parts of a large picture fit together (Chen et al. 2021, arXiv:2103.11784), and those of a whole shot keep its
frames alike. A network without halvings makes pictures larger: the paper's super-resolution.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FIRST, LAST = 5, 5
"""Sides of the first and the last convolution; the paper's are 9, and cost three times as much."""

SMALL = 1e-5
"""Added to variances; PyTorch's."""


class Statistic(NamedTuple):
    """Of the channels that go into one normalization."""

    mean: Float[Tensor, "n c 1 1"]
    deviation: Float[Tensor, "n c 1 1"]


Statistics = Sequence[Statistic]
"""Of every normalization, in order."""


class Shape(NamedTuple):
    """What a style network is like.

    Attributes:
        width: channels of its blocks; half as many for each doubling behind them.
        blocks: how many.
        halvings: of the picture's sides, before the blocks.
        doublings: behind them.
    """

    width: int = 48
    blocks: int = 4
    halvings: int = 2
    doublings: int = 2

    @property
    def upscale(self) -> int:
        """How many times as large what it makes is."""
        return 2 ** (self.doublings - self.halvings)

    @property
    def halo(self) -> int:
        """How many pixels of the input around a place what it makes there can depend on, at most, in whole cells."""
        cell = 2**self.halvings
        reach = FIRST // 2 + sum(2**k for k in range(1, self.halvings)) + (2 * self.blocks + 2) * cell + LAST // 2
        return -(-reach // cell) * cell


class Normalization(nn.Module):
    """gain (x - m) / s + shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "n c h w"], by: Statistic) -> Float[Tensor, "n c h w"]:
        scale = self.gain[:, None, None] / by.deviation
        return torch.addcmul(self.shift[:, None, None] - by.mean * scale, x, scale)


def own(x: Float[Tensor, "n c h w"]) -> Statistic:
    """Of each picture by itself."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return Statistic(mean, (variance + SMALL).sqrt())


def pooled(x: Float[Tensor, "n c h w"]) -> Statistic:
    """Of all pictures together."""
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    return Statistic(mean, (variance + SMALL).sqrt())


class StyleNet(nn.Module):
    """Pictures (n, 3, h, w) in [0, 1] to pictures in [0, 1] of `upscale` times their sides.

    A convolution of 5 x 5, and 3 x 3 for each further halving; blocks of two of 3 x 3 around which the input goes
    along; for each doubling nearest neighbours and 3 x 3; 5 x 5 to colours. All have replicated borders, all but the
    last are normalized, and rectified where no block ends. A sigmoid makes colours of it; where it makes pictures
    larger, it is what is added to bicubic interpolation.
    """

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        down = [max(shape.width // 2**k, 8) for k in range(max(shape.halvings - 1, 0), -1, -1)]
        up = [max(shape.width // 2**k, 8) for k in range(1, shape.doublings + 1)]
        first = _convolution(3, down[0], FIRST, min(shape.halvings, 1) + 1)
        further = [_convolution(a, b, 3, 2) for a, b in pairwise(down)]
        self.down = nn.ModuleList([first, *further])
        self.blocks = nn.ModuleList(_convolution(shape.width, shape.width) for _ in range(2 * shape.blocks))
        self.up = nn.ModuleList(_convolution(a, b) for a, b in pairwise([shape.width, *up]))
        self.norms = nn.ModuleList(
            Normalization(one.out_channels)
            for one in [*self.down, *self.blocks, *self.up]
            if isinstance(one, nn.Conv2d)
        )
        self.colours = _convolution([shape.width, *up][-1], 3, LAST)

    def forward(
        self, x: Float[Tensor, "n 3 h w"], fixed: Statistics | None = None
    ) -> Float[Tensor, "n 3 height width"]:
        """What it makes of pictures.

        Args:
            fixed: of the normalizations; by default each picture's own.
        """
        given = iter(() if fixed is None else fixed)
        return self._made(x, own if fixed is None else lambda _: next(given))

    @torch.no_grad()
    def statistics(self, x: Float[Tensor, "n 3 h w"]) -> Statistics:
        """Those of the normalizations, of all of these pictures together."""
        found: list[Statistic] = []

        def noted(features: Tensor) -> Statistic:
            found.append(pooled(features))
            return found[-1]

        self._made(x, noted)
        return found

    def _made(self, x: Float[Tensor, "n 3 h w"], statistic: Callable[[Tensor], Statistic]) -> Tensor:
        height, width = x.shape[2:]
        cell, times = 2**self.shape.halvings, self.shape.upscale
        padded = F.pad(x, (0, -width % cell, 0, -height % cell), mode="replicate")
        norms = iter(self.norms)

        def normalized(step: nn.Module, features: Tensor) -> Tensor:
            features = step(features)
            return next(norms)(features, statistic(features))

        y = padded
        for step in self.down:
            y = normalized(step, y).relu()
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            y = y + normalized(second, normalized(first, y).relu())
        for step in self.up:
            y = normalized(step, F.interpolate(y, scale_factor=2, mode="nearest")).relu()
        colours = self.colours(y)[..., : times * height, : times * width]
        if times == 1:
            return colours.sigmoid()
        return (larger(x, times) + colours).clamp(0, 1)


def laid_out(net: StyleNet, device: torch.device | str, dtype: torch.dtype) -> StyleNet:
    """The network on a device, its weights as convolutions take them best: channels side by side."""
    net = net.to(device, dtype)
    for weight in (one for one in net.parameters() if one.dim() == 4):
        weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return net


def larger(x: Float[Tensor, "n 3 h w"], times: int) -> Float[Tensor, "n 3 height width"]:
    """By bicubic interpolation (Keys 1981, doi:10.1109/TASSP.1981.1163711, a = -3/4), clipped."""
    return F.interpolate(x, scale_factor=times, mode="bicubic", align_corners=False).clamp(0, 1)


def _convolution(channels: int, made: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, made, side, stride, side // 2, padding_mode="replicate")
