"""The fast gradient sign: one step to a corner of the ball (Goodfellow et al. 2015, arXiv:1412.6572, section 4).

x + eps sign(gradient of the loss) is the largest change of a linear loss within the l-inf ball, and networks are linear
enough for it to work.
"""

from collections.abc import Iterator
from typing import Unpack

from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.goals import Labels, loss, prepared, when_fooled
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step


@attack
def fgsm(
    victim: Victim | Network | Classifier,
    x: Float[Tensor, "n c h w"],
    labels: Labels,
    radius: float = 8 / 255,
    targeted: bool = False,
    until_fooled: bool = True,
    key: Key = Key(),
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with one step of the gradient's sign (Goodfellow et al. 2015).

    Args:
        victim: the network to fool.
        x: pictures in [0, 1].
        labels: what they shall not be taken for any more; targeted, what they shall be taken for.
        radius: how far a pixel may move.
        targeted: go towards the labels.
        until_fooled: a picture that fools already stays as it is.
        key: of random numbers, of which there are none.
    Raises:
        Mistake: pictures, labels or a radius that make no sense.
    """
    who, labels = prepared(victim, x, labels, radius)
    objective = who.objective(loss(labels, targeted, who.head))
    return argmin(
        Pixels(x),
        objective,
        optimizer=sign(radius),
        constraint=linf(x, radius),
        steps=1,
        stop=when_fooled(labels, targeted, who.head) if until_fooled else None,
    )
