"""The basic iterative method: the fast gradient, again and again (Kurakin et al. 2017, arXiv:1607.02533, section 2.2).

x_0 = x, x_(t+1) = P(x_t + step sign(gradient of the loss)): PGD without its random start, and with the paper's numbers.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Unpack

from torch import Tensor

from phosphene.adversarial.norms import USUAL, steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.errors import Mistake
from phosphene.core.optimization.constraints import Radius
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.optimizers import along
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step, best
from phosphene.core.options import Bounds, Words


def _length(options: Mapping[str, Any]) -> int:
    eps, steps = options.get("eps") or USUAL["linf"], options["steps"]
    return usual_steps(eps, options["step_size"]) if steps is None else steps


@attack("linf", length=_length)
def bim(
    problems: Problems,
    *,
    steps: Annotated[
        int | None, Bounds(0, 100_000), Words("how many steps; by default as many as eps has levels, and a few")
    ] = None,
    step_size: Annotated[float, Bounds(1e-6, 1e6), Words("length of a step")] = 1 / 255,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK with steps of one level each (basic iterative method, Kurakin et al. 2017); the best one is kept.

    The paper takes min(eps + 4, 1.25 eps) steps, with eps in steps, rounded up here.
    """
    path = argmin(
        Pixels(problems.x),
        problems.objective(),
        optimizer=along(lambda gradient: steepest(gradient, problems.norm), step_size),
        constraint=problems.project,
        steps=usual_steps(problems.eps, step_size) if steps is None else steps,
        key=problems.key,
        stop=problems.stop,
        last=problems.last(),
    )
    return path if problems.until_fooled else best(path)


def usual_steps(eps: Radius, step_size: float) -> int:
    """The least whole number that is not below min(eps + 4, 1.25 eps), with eps in steps.

    Raises:
        Mistake: each problem has a radius of its own, so that one number would be another for some of them alone.
    """
    if isinstance(eps, Tensor):
        raise Mistake("bim's number of steps follows from eps; where each input has its own, give steps as well")
    levels = eps / step_size
    return math.ceil(min(levels + 4, 1.25 * levels) - 1e-6)
