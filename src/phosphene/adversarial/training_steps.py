"""What a robust training is made of: one sign step, one cycle of the learning rate, an average, and a measurement."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.adversarial.attacks.pgd import pgd
from phosphene.adversarial.training_pictures import Examples, resized
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.keys import Key

STEP = 1.25  # of the radius
RISE, START_RATE, END_RATE, MOMENTA = 0.25, 1 / 25, 1 / 250_000, (0.85, 0.95)  # as PyTorch's OneCycleLR has them
STEPS = 20  # of the attack that measures, of a quarter of the radius each


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

    `torch.optim` does the same, and loads a compiler first. A parameter without a gradient stays.

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


def one_step(
    loss: Callable[[Tensor], Tensor], x: Float[Tensor, "n c h w"], radius: float, noise: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n c h w"]:
    """The pictures after one sign step of 1.25 radii, up the loss, from a random place in the ball; in ball and box.

    Args:
        loss: of all of them, one number.
        x: pictures in [0, 1].
        noise: where in the ball to begin, uniform in [-1, 1].
    """
    start = (x + radius * noise).clamp(0, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(start), start)
    moved = start.detach() + STEP * radius * gradient.sign()
    return linf(x, radius)(moved, torch.arange(len(x)))


def accuracy(network: Network, examples: Examples, radius: float, *, side: int, seed: int = 0) -> tuple[float, float]:
    """The share of pictures that are named rightly, as they are, and at every step of PGD-20 with a random start.

    Args:
        radius: in the l-inf norm; 0 for as they are alone, both numbers are that then.
        side: at which they are shown.
    """
    right = stood = 0
    for part in torch.arange(len(examples.labels)).split(128):
        x, y = resized(examples.pictures[part], side).to(network.device, working_dtype(network)), examples.labels[part]
        if radius:
            key, step = Key(seed).of(part.tolist()), radius / 4
            found = pgd.attack(network, x, y, eps=radius, key=key, steps=STEPS, step_size=step).outcome
            right, stood = right + int((~found.before).sum()), stood + int((~found.before & ~found.success).sum())
        else:
            with torch.no_grad():
                right += int(network.head.holds(network.read(x, ["logits"])["logits"], y).sum())
    many = len(examples.labels)
    return right / many, (stood if radius else right) / many


def collapsed(robust: Sequence[float], held: int) -> bool:
    """Whether the last of these shares fell under half of the best before, and further than chance explains.

    Chance: two standard deviations of a share of so many pictures.
    """
    best = max(robust[:-1], default=0.0)
    chance = 2 * math.sqrt(best * (1 - best) / held)
    return len(robust) > 1 and robust[-1] < min(best / 2, best - chance)


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
