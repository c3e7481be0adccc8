"""Projected gradient descent within the l-inf ball (Madry et al. 2018, arXiv:1706.06083, section 2.1).

x_0 anywhere in the ball, x_(t+1) = P(x_t + step sign(gradient of the loss)): many small steps of the fast gradient
sign, each projected back to the nearest picture of the ball.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.goals import Labels, loss, prepared, when_fooled
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import check_range
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, best
from phosphene.core.options import Bounds, Steps, Words


@attack
def pgd(
    victim: Victim | Network | Classifier,
    x: Float[Tensor, "n c h w"],
    labels: Labels,
    radius: float = 8 / 255,
    targeted: bool = False,
    until_fooled: bool = True,
    key: Key = Key(),
    *,
    steps: Annotated[Steps, Words("how many steps")] = 40,
    step_size: Annotated[
        float | None, Bounds(1e-6, 1), Words("length of a step, in [0, 1]; by default a tenth of eps")
    ] = None,
    random_start: Annotated[bool, Words("begin anywhere in the ball")] = True,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with many small steps inside the ball of radius EPS (Madry et al. 2018); the best one is kept.

    Args:
        victim: the network to fool.
        x: pictures in [0, 1].
        labels: what they shall not be taken for any more; targeted, what they shall be taken for.
        radius: how far a pixel may move.
        targeted: go towards the labels.
        until_fooled: a picture that fools leaves the batch; otherwise all take all steps, and of each the picture with
            the best loss so far is shown.
        key: the seed and the identity of each picture, for the random start.
    Raises:
        Mistake: pictures, labels or numbers that make no sense.
    """
    who, labels = prepared(victim, x, labels, radius)
    check_range("steps", steps, 0)
    check_range("step-size", step_size, 1e-6, 1)
    start = x
    if random_start:
        noise = key.uniform(torch.arange(len(x)), *x.shape[1:])
        start = (x + radius * (2 * noise.to(x) - 1)).clamp(0, 1)
    path = argmin(
        Pixels(start), who.objective(loss(labels, targeted, who.head)), optimizer=sign(step_size or radius / 10),
        constraint=linf(x, radius), steps=steps, key=key,
        stop=when_fooled(labels, targeted, who.head) if until_fooled else None,
    )  # fmt: skip
    return path if until_fooled else best(path)
