"""What a robust training is made of besides: one sign step, and a measurement."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.attacks.pgd import pgd
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.training.pictures import Examples, resized

STEP = 1.25  # of the radius
STEPS = 20  # of the attack that measures, of a quarter of the radius each


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
