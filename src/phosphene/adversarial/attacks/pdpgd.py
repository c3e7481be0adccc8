"""The smallest change as a saddle point: primal-dual proximal gradients (Matyasko & Chau 2021, arXiv:2106.01538).

min |d|_p subject to margin(x + d) <= 0 is the saddle point of |d|_p + rho margin(x + d), to be made small in d and
large in rho >= 0. The norms have no gradient where changes are 0, but proximal operators, that make them exactly 0:

    d   <- prox(d - alpha rho grad margin / |grad margin|*),    prox(u) = argmin of |d - u|_2^2 / 2 + alpha |d|_p
    rho <- rho exp(beta m),                                     m the mean margin of late, as part of the first one

For l1 prox takes alpha from every |u_i|, for l2 from |u|_2, and what is beyond the bounds goes to them (for l1 that is
still the exact operator). |.|* is the dual norm of those values that have room left, so that rho = 1 at the saddle
point of every network (the condition of Karush, Kuhn and Tucker), and is where it begins; the paper has weights on a
simplex, which begin at a given ratio, and scales by running squares. alpha and beta fall, to a hundredth and a tenth.

The last points dance about the boundary. In the end the margins to the likeliest classes at the nearest input found are
taken for linear, the smallest change by that is a candidate, and so is the line back from it.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.nearest import Nearest
from phosphene.adversarial.norms import dual, size
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

RECENT = 0.9
"""How much of the mean margin stays from step to step (of the authors' code)."""
CLASSES = 9
"""Whose margins are taken for linear in the end."""
BEYOND = 1.01
"""How far beyond the boundary, if it were linear, the last candidate is."""


@attack("l1", "l2", minimal=True)
def pdpgd(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 500,
    rate: Annotated[float, Bounds(1e-6, 1e6), Words("of the change at first, in widths of the pixels' range")] = 0.1,
    dual_rate: Annotated[
        float, Bounds(1e-6, 1e6), Words("of the weight of the goal beside the change, at first")
    ] = 0.1,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change, by a primal-dual search (PDPGD, Matyasko & Chau 2021)."""
    nearest, rows, points = Nearest(problems), problems.rows, problems.x
    objective = problems.objective(problems.margin)
    rho, recent = torch.ones_like(nearest.distances), torch.zeros_like(nearest.distances)
    first = rho.clone()
    for index in range(steps + 1):
        seen = objective(points, rows, problems.key.at(index))
        nearest.see(points, rows, seen.outputs[problems.goal.layer])
        going = nearest.going(rows).nonzero().flatten()
        yield nearest.step(index, rows[going])
        if index == steps or not len(going):
            break
        rows, points, values, gradients = rows[going], points[going], seen.values[going], seen.gradients[going]
        at, part = rows.to(rho.device), index / max(1, steps - 1)
        if index == 0:
            first[at] = values.clamp(min=torch.finfo(values.dtype).tiny)
        recent[at] = torch.lerp(values / first[at], recent[at], RECENT if index else 0.0)
        rho[at] *= (dual_rate * 0.1**part * recent[at].clamp(-1, 1)).exp()
        alpha = problems.width * rate * 0.01**part
        points = _next(problems, points, rows, gradients, rho[at], alpha)
    yield from _straight(problems, nearest, index)


def _next(
    problems: Problems,
    points: Tensor,
    rows: Int[Tensor, " m"],
    gradients: Tensor,
    rho: Float[Tensor, " m"],
    alpha: float,
) -> Float[Tensor, "m c h w"]:
    """One step of the changes, and what the norm's proximal operator leaves of it."""
    low, high = (torch.as_tensor(end).to(points) for end in (problems.low, problems.high))
    free = torch.where(gradients > 0, points > low, points < high)
    most = dual(gradients * free, problems.norm).clamp(min=torch.finfo(rho.dtype).tiny)
    x = problems.x[rows.to(points.device)]
    u = points - x - gradients * (alpha * rho / most).view(-1, 1, 1, 1)
    if problems.norm == "l1":
        left = u.sign() * (u.abs() - alpha).clamp(min=0)
    else:
        length = size(u, "l2").clamp(min=torch.finfo(rho.dtype).tiny).view(-1, 1, 1, 1)
        left = u * (1 - alpha / length).clamp(min=0)
    return torch.where(left == 0, x, problems.box(x + left, rows))


def _straight(problems: Problems, nearest: Nearest, index: int) -> Iterator[Step]:
    """The smallest change if all is as linear as it is at the nearest input, and the line back."""
    rows = (nearest.distances.isfinite().cpu() & nearest.going(problems.rows)).nonzero().flatten()
    if not len(rows):
        return
    at = rows.to(problems.x.device)
    x, points = problems.x[at], nearest.pictures[at]
    _, values, slopes = problems.victim.gradients(
        points, rows, lambda answers, rows: problems.likeliest(answers, rows, CLASSES)[0], problems.goal.layer
    )
    margins = values + (slopes * (x - points)[:, None]).flatten(2).sum(2)
    k = margins.shape[1]
    changes, left = crossing(
        x.repeat_interleave(k, 0), slopes.flatten(0, 1), BEYOND * margins.flatten(), problems.norm, problems.low,
        problems.high,
    )  # fmt: skip
    far = torch.where((left == 0) & (margins.flatten() > 0), size(changes, problems.norm), torch.inf).view(-1, k)
    chosen = changes.unflatten(0, (-1, k))[torch.arange(len(x), device=x.device), far.argmin(1)]
    points = problems.box(x + chosen, rows)
    nearest.see(points, rows, problems.answers(points, rows))
    yield nearest.step(index + 1, rows)
    yield from nearest.between(index + 1)
