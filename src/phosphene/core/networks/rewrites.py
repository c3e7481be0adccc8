"""Exact rewrites: other calls with the same result, up to rounding, which take less time."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from phosphene.core.networks.anatomy import Anatomy

FEW_CHANNELS = 4
"""As many as a picture has; PyTorch computes the gradient of a strided convolution of so few slowly."""


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """`F.local_response_norm` of (n, c, h, w) with the sum over channels as a banded 1x1 convolution.

    The same number (1e-15 in float64); PyTorch's goes through avg_pool3d and takes 42 % of a GoogLeNet step.
    """
    channels = x.shape[1]
    band = torch.ones(channels, channels, dtype=x.dtype, device=x.device)
    band = band.triu(-(size // 2)).tril((size - 1) // 2) * (alpha / size)
    total = F.conv2d(x * x, band[:, :, None, None], x.new_full((channels,), k))
    return x * (total.rsqrt() if beta == 0.5 else total.pow(-beta))


class StridedConvolution(torch.autograd.Function):
    """`F.conv2d` by equal strides, whose gradient with respect to the input is a convolution without strides.

    What comes out is PyTorch's to the last bit. Of the gradient, each s-th row and column from one on (its phase) is a
    convolution by each s-th weight; all s^2 phases are one convolution, whose s^2 times as many channels are then
    shuffled to where they belong. On two cores, PyTorch's gradient of a 7x7 convolution by 2 of three channels takes
    2.5 times as long, and of the 16x16 convolution by 16 that begins a ViT 3.5 times.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.size, ctx.dtype, ctx.stride, ctx.padding = x.shape[2:], x.dtype, stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None, None, None]:
        (weight,), (gradient,) = ctx.saved_tensors, above
        (height, width), stride = ctx.size, ctx.stride
        top, left = (-padding % stride for padding in ctx.padding)
        taps = [-(-(side + first) // stride) for side, first in zip(weight.shape[2:], (top, left), strict=True)]
        bottom, right = taps[0] * stride - top - weight.shape[2], taps[1] * stride - left - weight.shape[3]
        whole = F.pad(weight.to(gradient.dtype), (left, right, top, bottom))
        phases = F.pixel_unshuffle(whole, stride)
        full = F.pixel_shuffle(F.conv_transpose2d(gradient, phases), stride)
        y, x = (padding + first for padding, first in zip(ctx.padding, (top, left), strict=True))
        # rows and columns behind the last window have no gradient
        below, behind = max(0, y + height - full.shape[2]), max(0, x + width - full.shape[3])
        part = F.pad(full, (0, behind, 0, below))[:, :, y : y + height, x : x + width]
        return part.to(ctx.dtype), None, None, None, None


def is_strided(module: nn.Module) -> bool:
    """Whether this is a convolution whose gradient `StridedConvolution` computes faster."""
    return (
        type(module) is nn.Conv2d
        and module.in_channels <= FEW_CHANNELS
        and module.stride[0] == module.stride[1] > 1
        and module.groups == 1
        and module.dilation == (1, 1)
        and not isinstance(module.padding, str)
    )


def acted_on(anatomy: "Anatomy", rewrites: Collection[str]) -> dict[str, nn.Module]:
    """The modules whose own calls these rewrites take the place of, by name."""
    found = anatomy.callers(["local_response_norm"]) if "local_response_norm" in rewrites else {}
    if "strided_convolution" in rewrites and anatomy.device.type == "cpu":
        found |= {name: anatomy.model.get_submodule(name) for name in anatomy.native.strided}
    return found


def _convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor | None:
    """A call by nn.Conv2d; None where nobody asks for a gradient, or somebody for that of the weights."""
    wanted = torch.is_grad_enabled() and input.requires_grad and not weight.requires_grad
    if not wanted or (bias is not None and bias.requires_grad) or input.dim() != 4:
        return None
    convolved: Tensor = StridedConvolution.apply(input, weight, bias, stride[0], tuple(padding))
    return convolved


def rewritten(function: Callable, args: tuple, kwargs: dict, rewrites: Collection[str]) -> Tensor | None:
    """The result of one of these rewrites of this call, or None where there is none."""
    if function is F.local_response_norm and "local_response_norm" in rewrites:
        x, *rest = args if args else (kwargs["input"],)
        options = {name: value for name, value in kwargs.items() if name != "input"}
        return local_response_norm(x, *rest, **options) if x.dim() == 4 else None
    if function is torch.conv2d and "strided_convolution" in rewrites and len(args) == 7:
        return _convolution(*args)
    return None
