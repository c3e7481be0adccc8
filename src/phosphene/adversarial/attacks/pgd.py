"""Projected gradient descent within a ball (Madry et al. 2018, arXiv:1706.06083, section 2.1).

x_0 anywhere in the ball, x_(t+1) = P(x_t + step direction(gradient of the loss)): many small steps of the fast
gradient, each projected back to the nearest picture of the ball.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

from phosphene.adversarial.norms import steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.optimizers import along
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, best
from phosphene.core.options import Bounds, Steps, Words


@attack("linf", "l2", "l1")
def pgd(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 40,
    step_size: Annotated[float | None, Bounds(1e-6, 1e6), Words("length of a step; by default a tenth of eps")] = None,
    random_start: Annotated[bool, Words("begin anywhere in the ball")] = True,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK with many small steps inside the ball of radius EPS (Madry et al. 2018); the best one is kept."""
    path = argmin(
        Pixels(problems.anywhere() if random_start else problems.x),
        problems.objective(),
        optimizer=along(lambda gradient: steepest(gradient, problems.norm), step_size or problems.eps / 10),
        constraint=problems.project,
        steps=steps,
        key=problems.key,
        stop=problems.stop,
        last=problems.last(),
    )
    return path if problems.until_fooled else best(path)
