"""How much of a change of a picture its code can't see: the part of it in the null space of the code's Jacobian.

To first order a layer's code changes by J d when the picture changes by d. What can be had back from J d is the
shortest change with the same effect, J^+ J d, the projection of d onto what the code sees; the rest leaves no trace.
"""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel  # the faster ones have no second derivative

from phosphene.core.networks.network import Network


def unseen(
    network: Network,
    layer: str,
    picture: Float[Tensor, "1 3 h w"],
    changes: Float[Tensor, "n 3 h w"],
    iterations: int = 24,
) -> Float[Tensor, " n"]:
    """|d - J^+ J d|^2 / |d|^2 of each change d, J the Jacobian of the layer at the picture; 0 where nothing changes.

    J^+ J d is found by conjugate gradients on the least squares |J x - J d| from x = 0 (CGLS, Hestenes & Stiefel 1952),
    whose x comes nearer to it with every iteration: after as many as J has different singular values it is exact. In a
    deep network what is not found by then are changes that the code hardly sees; they count as unseen.
    """
    network = network.planned("reading")
    with sdpa_kernel(SDPBackend.MATH), torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
        x = picture.detach().clone().expand(len(changes), -1, -1, -1).contiguous().requires_grad_()
        y = network.read(x, [layer], until=until)[layer]
        probe = torch.zeros_like(y).requires_grad_()
        (pulled,) = torch.autograd.grad(y, x, probe, create_graph=True)  # J^T probe, whose own gradient is J again

        def forward(d: Tensor) -> Tensor:
            return torch.autograd.grad(pulled, probe, d, retain_graph=True)[0]

        def back(r: Tensor) -> Tensor:
            return torch.autograd.grad(y, x, r, retain_graph=True)[0]

        whole = changes.detach().to(x)
        found = _least_squares(forward, back, forward(whole), whole, iterations)
    size = _square(whole)
    share = _square(whole - found) / torch.where(size > 0, size, 1.0)
    return share.flatten().clamp(0, 1).to(changes.dtype)


def _least_squares(
    forward: Callable[[Tensor], Tensor],
    back: Callable[[Tensor], Tensor],
    wanted: Tensor,
    like: Float[Tensor, "n 3 h w"],
    iterations: int,
) -> Float[Tensor, "n 3 h w"]:
    """CGLS, row by row."""
    found, residual = torch.zeros_like(like), wanted
    down = direction = back(residual)
    size = first = _square(down)
    tiny = torch.finfo(like.dtype).eps ** 2 * first
    for _ in range(iterations):
        going = size > tiny
        if not going.any():
            break
        moved = forward(direction)
        step = torch.where(going, size / _square(moved, like.dim()).clamp(min=torch.finfo(like.dtype).tiny), 0.0)
        found = found + step * direction
        residual = residual - step.view(-1, *[1] * (residual.dim() - 1)) * moved
        down = back(residual)
        before, size = size, _square(down)
        direction = down + torch.where(going, size / torch.where(before > 0, before, 1.0), 0.0) * direction
    return found


def _square(x: Tensor, dim: int = 4) -> Tensor:
    """The sum of squares of each row, (n, 1, 1, 1)."""
    return x.flatten(1).square().sum(1).view(-1, *[1] * (dim - 1))
