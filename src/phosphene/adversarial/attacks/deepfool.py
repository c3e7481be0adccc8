"""DeepFool: to the nearest linearized boundary, again and again until it is crossed.

At x_k the goal's margins against the likeliest other classes are taken for linear; the one whose boundary is nearest is
chosen, and the step goes onto it and a little beyond, 1.02 times as far (Moosavi-Dezfooli, Fawzi & Frossard 2016,
arXiv:1511.04599, algorithm 2):

    l2: d = v / |w|_2^2 w,    l-inf: d = v / |w|_1 sign(w),    v the margin at x_k, w its gradient

Here a step minds the bounds: it is the smallest one within them, and the classes are compared by it. Nothing looks for
a nearer point once one fools: it is quick, and among minimal attacks it is the coarsest.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

from phosphene.adversarial.nearest import Nearest, aimed
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words


@attack("l2", "linf", minimal=True)
def deepfool(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps at most")] = 50,
    candidates: Annotated[int, Bounds(2, 1000), Words("so many of the likeliest classes are compared")] = 10,
    overshoot: Annotated[float, Bounds(0, 1), Words("by which part a step goes beyond the boundary")] = 0.02,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK by steps onto its nearest linearized boundary (DeepFool, Moosavi-Dezfooli et al. 2016)."""
    nearest, rows, points = Nearest(problems), problems.rows, problems.x
    for index in range(steps):
        aim = aimed(problems, points, rows, candidates - 1)
        left = ~nearest.see(points, rows, aim.answers).cpu()
        left &= aim.change.flatten(1).any(1).cpu()  # without a gradient it would stay where it is
        rows, points = rows[left], problems.box(points + (1 + overshoot) * aim.change, rows)[left]
        yield nearest.step(index, rows)
        if not len(rows):
            return
    nearest.see(points, rows, problems.answers(points, rows))
    yield nearest.step(steps, rows[:0])
