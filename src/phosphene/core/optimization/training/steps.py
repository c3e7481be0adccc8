"""The steps of a training: one cycle of the learning rate, two ways down the gradient, and an average of the weights.

`torch.optim` does the same, and loads a compiler first; and what these remember is a list, which a checkpoint holds.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

RISE, START_RATE, END_RATE, MOMENTA = 0.25, 1 / 25, 1 / 250_000, (0.85, 0.95)  # as PyTorch's OneCycleLR has them


def one_cycle(step: int, steps: int) -> tuple[float, float]:
    """The learning rate, as a share of its peak, and the momentum: up and down along cosines, the momentum against it.

    Args:
        step: from 0 to steps - 1.
    """
    top = max(RISE * steps - 1, 0.0)
    rising = step <= top
    at = (step / top if top else 1.0) if rising else (step - top) / (steps - 1 - top)
    height = (1 - math.cos(math.pi * at)) / 2 if rising else (1 + math.cos(math.pi * at)) / 2
    low, high = MOMENTA
    lowest = START_RATE if rising else END_RATE
    return lowest + (1 - lowest) * height, high - (high - low) * height


@torch.no_grad()
def nesterov(
    parameters: Sequence[Tensor], velocities: Sequence[Tensor], rate: float, momentum: float, decay: float
) -> None:
    """One step down the gradients, with weight decay and Nesterov's momentum (Sutskever et al. 2013).

        g <- g + decay w,    v <- momentum v + g,    w <- w - rate (g + momentum v)

    A parameter without a gradient stays.

    Args:
        velocities: v of each parameter, 0 at first; changed in place.
    """
    some = [(w, w.grad, v) for w, v in zip(parameters, velocities, strict=True) if w.grad is not None]
    weights, gradients, speeds = ([one[i] for one in some] for i in range(3))
    slopes = torch._foreach_add(gradients, weights, alpha=decay)
    torch._foreach_mul_(speeds, momentum)
    torch._foreach_add_(speeds, slopes)
    torch._foreach_add_(slopes, speeds, alpha=momentum)
    torch._foreach_add_(weights, slopes, alpha=-rate)


@torch.no_grad()
def adam(
    parameters: Sequence[Tensor], firsts: Sequence[Tensor], seconds: Sequence[Tensor], step: int, rate: float,
    betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8,
) -> None:  # fmt: skip
    """One step of Adam down the gradients (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).

        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   w <- w - rate m' / (sqrt(v') + eps),

    m' = m / (1 - b1^t), v' = v / (1 - b2^t) with t = step + 1. All parameters have a gradient.

    Args:
        firsts, seconds: m and v of each parameter, 0 at first; changed in place.
        step: from 0.
    """
    weights, gradients = list(parameters), [w.grad for w in parameters if w.grad is not None]
    torch._foreach_lerp_(list(firsts), gradients, 1 - betas[0])
    torch._foreach_mul_(list(seconds), betas[1])
    torch._foreach_addcmul_(list(seconds), gradients, gradients, value=1 - betas[1])
    scales = torch._foreach_div(list(seconds), 1 - betas[1] ** (step + 1))
    torch._foreach_sqrt_(scales)
    torch._foreach_add_(scales, eps)
    torch._foreach_addcdiv_(weights, list(firsts), scales, value=-rate / (1 - betas[0] ** (step + 1)))


@torch.no_grad()
def averaged_in(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move an average of weights and statistics towards those of a model: average <- decay average + (1 - decay) model.

    Whole numbers, which count, are taken over.
    """
    pairs = [
        *zip(average.parameters(), model.parameters(), strict=True),
        *zip(average.buffers(), model.buffers(), strict=True),
    ]
    for mean, value in pairs:
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
