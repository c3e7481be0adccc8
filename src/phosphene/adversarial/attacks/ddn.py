"""Decoupling direction and norm: steps along the gradient, then a length that follows from whether it fools.

The change d is moved along the normalized gradient of the loss, and only its direction is kept; its length is eps,
which shrinks where the goal is reached at d and grows where it is not (Rony, Hafemann, Oliveira, Ben Ayed, Sabourin &
Granger 2019, arXiv:1811.09600, algorithm 1):

    d <- d - alpha_k grad L / |grad L|_2,    eps <- eps (1 - gamma) or eps (1 + gamma),    d <- eps d / |d|_2, clipped

alpha falls from 1 to .01 along a cosine. The authors round what comes out to the grid of 8 bits; here a victim that
reads rounded pictures does so (`Victim(through=...)`).
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch

from phosphene.adversarial.nearest import Nearest, cosine, unit
from phosphene.adversarial.norms import size
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words


@attack("l2", minimal=True)
def ddn(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 100,
    first_radius: Annotated[float, Bounds(1e-6, 1e6), Words("length of the first change, in widths of the range")] = 1.0,
    gamma: Annotated[float, Bounds(1e-6, 0.999), Words("by which part the length changes")] = 0.05,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change, its direction apart from its length (DDN, Rony et al. 2019)."""
    nearest, rows, points = Nearest(problems), problems.rows, problems.x
    eps = torch.full_like(nearest.distances, first_radius * problems.width)
    objective = problems.objective()
    for index in range(steps + 1):
        seen = objective(points, rows, problems.key.at(index))
        reached = nearest.see(points, rows, seen.outputs[problems.goal.layer])
        yield nearest.step(index, rows[nearest.going(rows)])
        going = nearest.going(rows).nonzero().flatten()
        if index == steps or not len(going):
            return
        rows, points, reached = rows[going], points[going], reached[going]
        alpha = problems.width * cosine(1.0, 0.01, index / max(1, steps - 1))
        x = problems.x[rows]
        change = points - x - alpha * unit(seen.gradients[going], rows, problems.key.at(index))
        eps[rows] *= torch.where(reached, 1 - gamma, 1 + gamma)
        points = problems.box(x + change * (eps[rows] / size(change, "l2").clamp(min=1e-30)).view(-1, 1, 1, 1), rows)
