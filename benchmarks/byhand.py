"""What one would write by hand, for one network and one objective: the loop that the engine is compared with.

The same coordinates, transforms and optimizer as `visualize`, but nothing that a program needs: no names of layers, no
other objectives, no check of any kind, no stop, no borrowed model that has to be given back.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations import decorrelated
from phosphene.core.optimization.transforms import lucid


def fourier(many: int, side: int) -> tuple[Tensor, Callable[[], Tensor]]:
    """Coefficients, and the pictures as a function of them."""
    rows, columns = torch.fft.fftfreq(side), torch.fft.rfftfreq(side)
    scale = 1 / torch.hypot(rows[:, None], columns).clamp(min=1 / side) / 4
    parameter = 0.01 * torch.randn(many, 3, side, side // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
    parameter.requires_grad_()
    colour = decorrelated()

    def pictures() -> Tensor:
        flat = torch.fft.irfft2(torch.view_as_complex(parameter) * scale, s=(side, side), norm="ortho")
        return torch.einsum("dc,nchw->ndhw", colour, flat).sigmoid()

    return parameter, pictures


def channels_by_hand(
    forward: Callable[[Tensor], Tensor],
    units: Sequence[int],
    *,
    side: int,
    steps: int,
    mean: Sequence[float],
    std: Sequence[float],
    tick: Callable[[], None],
) -> None:
    """Climb these channels of what `forward` returns, all in one batch."""
    parameter, pictures = fourier(len(units), side)
    optimizer = torch.optim.Adam([parameter], lr=0.05)
    middle, spread = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    wanted, rows, transform = torch.tensor(units), torch.arange(len(units)), lucid()
    tick()
    for step in range(steps):
        optimizer.zero_grad()
        views, _ = transform(pictures(), rows, Key(0, units, step=step))
        y = forward(((views - middle) / spread).contiguous(memory_format=torch.channels_last))
        (-y[rows, wanted].mean((1, 2)).sum()).backward()
        optimizer.step()
        tick()


def forward_and_backward(forward: Callable[[Tensor], Tensor], x: Tensor, steps: int, tick: Callable[[], None]) -> None:
    """Nothing but the network: the mean of what `forward` returns, differentiated with respect to x."""
    tick()
    for _ in range(steps):
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(forward(leaf).mean(), leaf)
        tick()


def folded(model: nn.Module) -> nn.Module:
    """A copy of torchvision's GoogLeNet with batch normalization folded into the convolutions."""
    model = copy.deepcopy(model).eval()
    for block in [m for m in model.modules() if hasattr(m, "conv") and hasattr(m, "bn")]:
        block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    return model


def frozen(model: nn.Module) -> nn.Module:
    """In eval mode, without gradients of its weights."""
    return model.eval().requires_grad_(False)
