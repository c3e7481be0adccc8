"""An untrained convolutional network as a picture: the deep image prior (Ulyanov et al. 2018, arXiv:1711.10925)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, check_range
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.traced import Traced


def convolved(x: Float[Tensor, "n c h w"], weight: Float[Tensor, "n o c k k"], stride: int = 1) -> Tensor:
    """Every row with its own kernels, mirrored at the border: one grouped convolution."""
    n, out, _, side, _ = weight.shape
    if side > 1:
        x = F.pad(x, (side // 2,) * 4, mode="reflect")
    y = F.conv2d(x.flatten(0, 1)[None], weight.flatten(0, 1), stride=stride, groups=n)
    return y.unflatten(1, (n, out))[0]


def normalized(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Mean 0 and deviation 1 of every channel of every row: what batch normalization is for a batch of one."""
    return (x - x.mean((2, 3), keepdim=True)) * (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).rsqrt()


class DeepPrior(Traced):
    """A small hourglass of convolutions for each problem: fixed noise goes in, its weights are what is optimized.

    Down `scales` times (3 x 3 with stride 2, 3 x 3), up again (bilinear, beside a 1 x 1 skip, 3 x 3), 1 x 1 to colours,
    sigmoid; each convolution but the last normalized, biased, leaky (.2). The architecture of Ulyanov et al. 2018
    (arXiv:1711.10925), smaller: 4 scales and 32 channels for its 5 and 128, one convolution for its two on the way up.
    The noise is uniform in [0, .1); weights start as N(0, 1 / inputs).

    Args:
        problems: the identity of each picture for the noise and the random start.
        size: (height, width), at least 2^(scales + 1) px.
        scales, channels, skip: how often the picture is halved, and the channels of each scale and of its skip.
    Raises:
        Mistake: the picture is too small; or a start, for which there are no weights to be had but by optimization.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        start: Float[Tensor, "n 3 h w"] | None = None,
        scales: int = 4,
        channels: int = 32,
        skip: int = 4,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if start is not None:
            raise Mistake("a DeepPrior can't start from a picture, for which it has no weights; Fourier can")
        check_range("the number of scales", scales, 1)
        height, width = size
        if min(size) < 2 ** (scales + 1):
            least, most = 2 ** (scales + 1), int(math.log2(max(min(size), 1))) - 1
            fewer = f", or scales={most}" if most > 0 else ""
            raise Mistake(f"a DeepPrior of {scales} scales is too deep for {height} x {width}; give {least} px{fewer}")
        key, rows = Key(seed, problems), torch.arange(len(problems))
        self.scales = scales
        self.noise = (0.1 * key.uniform(rows, channels, height, width)).to(device, dtype)
        down = [(skip, channels, 1), (channels, channels, 3), (channels, channels, 3)]
        shapes = scales * down + scales * [(channels, channels + skip, 3)] + [(3, channels, 1)]
        self.parameters = []
        for index, (out, inputs, side) in enumerate(shapes):
            weight = key.child(index).normal(rows, out, inputs, side, side) / math.sqrt(inputs * side * side)
            bias = torch.zeros(len(rows), out, 1, 1, dtype=dtype, device=device)
            self.parameters += [weight.to(device, dtype).requires_grad_(), bias.requires_grad_()]

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        layers = zip(self.parameters[::2], self.parameters[1::2], strict=True)

        def layer(x: Tensor, stride: int = 1) -> Tensor:
            weight, bias = next(layers)
            return F.leaky_relu(normalized(convolved(x, weight, stride)) + bias, 0.2)

        x, skips = self.noise, []
        for _ in range(self.scales):
            skips.append(layer(x))
            x = layer(layer(x, stride=2))
        for beside in reversed(skips):
            x = layer(torch.cat([F.interpolate(x, beside.shape[2:], mode="bilinear"), beside], 1))
        weight, bias = next(layers)
        return (convolved(x, weight) + bias).sigmoid()

    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Impossible: weights for a given picture can be searched for, not computed.

        Raises:
            Mistake: always.
        """
        raise Mistake("a DeepPrior can't be set to given pictures, for which it has no weights; Fourier can")
