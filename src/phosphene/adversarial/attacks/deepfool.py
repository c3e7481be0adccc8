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

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.nearest import Nearest
from phosphene.adversarial.norms import size
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

    def likeliest(answers: Tensor, rows: Tensor) -> Tensor:
        ways = problems.ways(answers, rows)
        return ways.topk(min(candidates, max(2, ways.shape[1])) - 1, 1, largest=False).values

    for index in range(steps + 1):
        if index == steps:
            answers = problems.answers(points, rows)
            nearest.see(points, rows, answers)
            yield nearest.step(index, rows[:0])
            return
        answers, values, gradients = problems.victim.gradients(points, rows, likeliest, problems.goal.layer)
        left = ~nearest.see(points, rows, answers).cpu()
        left &= gradients.flatten(1).any(1).cpu()  # without a gradient it would stay where it is
        yield nearest.step(index, rows[left])
        if not left.any():
            return
        going = left.nonzero().flatten()
        rows, points = rows[going], points[going]
        step = _nearest_step(problems, points, values[going] * (1 + overshoot), gradients[going])
        points = problems.box(points + step, rows)


def _nearest_step(
    problems: Problems, points: Float[Tensor, "m c h w"], values: Float[Tensor, "m k"], gradients: Tensor
) -> Float[Tensor, "m c h w"]:
    """The smallest of the steps onto k boundaries; where none can be reached, the one that comes closest."""
    k = values.shape[1]
    every, left = crossing(
        points.repeat_interleave(k, 0), gradients.flatten(0, 1), values.flatten(), problems.norm, problems.low,
        problems.high,
    )  # fmt: skip
    far, left = size(every, problems.norm).view(-1, k), left.view(-1, k)
    least = torch.where((left == 0).any(1, keepdim=True), torch.where(left == 0, far, torch.inf), left).argmin(1)
    return every.unflatten(0, (-1, k))[torch.arange(len(points), device=points.device), least]
