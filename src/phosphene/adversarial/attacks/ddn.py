"""Decoupling direction and norm: steps along the gradient, then a length that follows from whether it fools.

The change d is moved along the normalized gradient, and only its direction is kept; its length is eps, which shrinks
where the goal is reached at d and grows where it is not (Rony, Hafemann, Oliveira, Ben Ayed, Sabourin & Granger 2019,
arXiv:1811.09600, algorithm 1):

    d <- d - alpha_k grad L / |grad L|_2,    eps <- eps (1 - gamma) or eps (1 + gamma),    d <- eps d / |d|_2, clipped

alpha falls from 1 to .01 along a cosine. Four things differ from the paper. L is the goal's margin and not the cross
entropy, whose gradient on the boundary between two classes still points away from a third. The first direction is
DeepFool's, towards the nearest of some boundaries, and the first length the distance there, not 1. In the end the way
to the nearest point is searched. The authors round to the grid of 8 bits; here a victim that reads rounded pictures
does so (`Victim(through=...)`).
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.nearest import begun, cosine, unit
from phosphene.adversarial.norms import size, usual_radius
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words


@attack("l2", minimal=True)
def ddn(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 100,
    first_length: Annotated[
        float | None, Bounds(1e-6, 1e6), Words("of the change; by default as far as the nearest boundary seems to be")
    ] = None,
    gamma: Annotated[float, Bounds(1e-6, 0.999), Words("by which part the length changes")] = 0.05,
    candidates: Annotated[int, Bounds(2, 1000), Words("so many of the likeliest classes are compared at first")] = 10,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change, its direction apart from its length (DDN, Rony et al. 2019)."""
    nearest, aim = begun(problems, candidates)
    rows, x = problems.rows, problems.x
    usual = usual_radius("l2", x[0].numel()) * problems.width
    eps = torch.where(aim.length.isfinite(), aim.length, usual)
    if first_length is not None:
        eps = torch.full_like(eps, first_length)
    points = _at(problems, aim.change, eps, rows)
    objective = problems.objective(problems.margin)
    yield nearest.step(0, rows[nearest.going(rows)])
    for index in range(1, steps + 1):
        going = nearest.going(rows)
        rows, points = rows[going], points[going]
        if not len(rows):
            break
        seen = objective(points, rows, problems.key.at(index))
        reached = nearest.see(points, rows, seen.outputs[problems.goal.layer])
        yield nearest.step(index, rows[nearest.going(rows)])
        alpha = problems.width * cosine(1.0, 0.01, (index - 1) / max(1, steps - 1))
        change = points - x[rows] - alpha * unit(seen.gradients, rows, problems.key.at(index))
        eps[rows] = torch.where(reached, (1 - gamma) * eps[rows], (1 + gamma) * eps[rows])
        points = _at(problems, change, eps[rows], rows)
    yield from nearest.between(steps)


def _at(
    problems: Problems, change: Float[Tensor, "m c h w"], eps: Float[Tensor, " m"], rows: Int[Tensor, " m"]
) -> Float[Tensor, "m c h w"]:
    """The inputs, changed by so much in this direction, within the bounds."""
    length = size(change, "l2").clamp(min=torch.finfo(change.dtype).tiny)
    return problems.box(problems.x[rows] + (eps / length).view(-1, 1, 1, 1) * change, rows)
