"""The fast gradient: one step to where a linear loss is largest (Goodfellow et al. 2015, arXiv:1412.6572, section 4).

In the l-inf ball that is a corner, x + eps sign(gradient of the loss), and networks are linear enough for it to work;
in the l2 ball it is eps times the normalized gradient (Miyato et al. 2017, arXiv:1605.07725).
"""

from collections.abc import Iterator
from typing import Unpack

from phosphene.adversarial.norms import steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.optimizers import along
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step


@attack("linf", "l2", "l1")
def fgsm(problems: Problems, **common: Unpack[Within]) -> Iterator[Step]:
    """Fool NETWORK with one step of the gradient's sign (Goodfellow et al. 2015)."""
    return argmin(
        Pixels(problems.x),
        problems.objective(),
        optimizer=along(lambda gradient: steepest(gradient, problems.norm), problems.eps),
        constraint=problems.project,
        steps=1,
        stop=problems.stop,
    )
