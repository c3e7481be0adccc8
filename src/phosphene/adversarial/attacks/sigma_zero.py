"""As few changed values as possible: sigma-zero (Cinà et al. 2024, arXiv:2402.01879, algorithm 1).

How many values change has no gradient; sum of d_i^2 / (d_i^2 + sigma) has one, and comes near to it for small sigma.
The attack goes down

    max(margin, 0) + 1/n sum of d_i^2 / (d_i^2 + sigma)

so that once the goal is reached, only the number of changes is left. Its gradient is scaled to a largest value of 1,
Adam moves by it (as in the authors' code; the paper's step is the gradient itself), at a rate that sinks along a cosine
to a tenth, and changes below a threshold are taken back. The threshold rises while the goal is reached, and sinks while
it is not, by `t` times the rate. Changes are in widths of the range that a value may have.

At its end two things more are tried. Near the best input found the margin is almost linear, and of a linear function
the values that are worth most, |gradient| times the room up to the bounds, are to go all the way. How many of them do
is found by bisection, with one forward pass for each halving; of several classes the one that would take fewest is
chosen. Linear models get their exact minimum by that. And of the best input the changes that are worth least are taken
back, at most `BACK` times: a quarter of them at once, half as many where that is too many.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.nearest import Nearest, cosine
from phosphene.adversarial.norms import size
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.errors import Mistake
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

BACK = 12
"""Passes; most of what can be taken back is found by then."""

WAYS = 9
"""Classes that are looked at in the end: as many as AutoAttack's targeted attacks go for."""


@attack("l0", minimal=True)
def sigma_zero(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps")] = 1000,
    rate: Annotated[float, Bounds(1e-6, 1e3), Words("of Adam at first, in widths of the pixels' range")] = 1.0,
    sigma: Annotated[float, Bounds(1e-12, 1e3), Words("the smaller, the nearer to the number of changes")] = 1e-3,
    threshold: Annotated[float, Bounds(0, 1), Words("smaller changes are taken back, at first")] = 0.3,
    t: Annotated[float, Bounds(0, 1), Words("how fast that threshold moves")] = 0.01,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK by changing as few values as possible (sigma-zero, Cinà et al. 2024)."""
    x, rows, nearest = problems.x, problems.rows, Nearest(problems)
    low, high = _ends(problems)
    width, objective = torch.where(high > low, high - low, 1), problems.objective(problems.margin)

    def falling(moves: int) -> float:
        return cosine(rate, rate / 10, moves / max(1, steps))

    points, u = x.clone(), torch.zeros_like(x)
    move = adam(lambda moves: falling(max(0, moves - 1)))([u])
    least = x.new_full((len(x), 1, 1, 1), threshold)
    for index in range(steps + 1):
        seen = objective(points, rows, problems.key.at(index))
        reached = nearest.see(points, rows, seen.outputs[problems.goal.layer])
        going = nearest.going(rows).nonzero().flatten()
        yield nearest.step(index, rows[going])
        if index == steps or not len(going):
            break
        rows, at, reached = rows[going], rows[going].to(x.device), reached[going].view(-1, 1, 1, 1)
        step = t * falling(index)
        least[at] = (least[at] + torch.where(reached, step, -step)).clamp(0, 1)
        own = u[at]
        surrogate = 2 * sigma * own / (own.square() + sigma).square() / x[0].numel()
        gradient = torch.where(reached, surrogate, surrogate + seen.gradients[going] * width)
        gradient /= size(gradient, "linf").clamp(min=1e-12).view(-1, 1, 1, 1)
        move(seen.values, [torch.zeros_like(x).index_copy_(0, at, gradient)], rows, _never)
        points = torch.maximum(torch.minimum(x[at] + width * u[at], high), low)
        own = (points - x[at]) / width
        kept = own.abs() >= least[at]
        u[at], points = torch.where(kept, own, 0), torch.where(kept, points, x[at])
    yield from _fewest(problems, nearest, index)


def _ends(problems: Problems) -> tuple[Tensor, Tensor]:
    """The bounds as tensors.

    Raises:
        Mistake: there are none.
    """
    low, high = (torch.as_tensor(end).to(problems.x) for end in (problems.low, problems.high))
    if not (high - low).isfinite().all():
        raise Mistake("sigma_zero needs bounds: without them it is enough to change one value, very much")
    return low, high


def _fewest(problems: Problems, nearest: Nearest, index: int) -> Iterator[Step]:
    """The values that are worth most, all the way to the bounds: as few of them as reach the goal."""
    more = nearest.distances.isfinite() & (nearest.distances > 1)
    rows = (more.cpu() & nearest.going(problems.rows)).nonzero().flatten()
    if not len(rows):
        return
    at = rows.to(problems.x.device)
    start, most = problems.x[at], nearest.distances[at]
    ends, gains = _worth(problems, nearest.pictures[at], rows)
    rank = _ranks(gains).view_as(start)
    least = torch.zeros_like(most)
    while len(left := (most - least > 1).nonzero().flatten()):
        many, own = ((most[left] + least[left]) / 2).floor(), rows[left.cpu()]
        tried = torch.where(rank[left] < many.view(-1, 1, 1, 1), ends[left], start[left])
        reached = nearest.see(tried, own, problems.answers(tried, own))
        most[left[reached]], least[left[~reached]] = many[reached], many[~reached]
        index += 1
        yield nearest.step(index, own)
    yield from _taken_back(problems, nearest, rows, ends, -gains, index)


def _taken_back(
    problems: Problems, nearest: Nearest, rows: Int[Tensor, " m"], ends: Tensor, worth: Float[Tensor, "m d"], index: int
) -> Iterator[Step]:
    """The best inputs with fewer changes: those that are worth least are taken back where the goal is reached without.

    First all changes go to the bounds, where that reaches the goal: so more can be taken back.
    """
    at = rows.to(problems.x.device)
    start, points = problems.x[at], nearest.pictures[at]
    further = torch.where(points != start, ends, points)
    reached = nearest.see(further, rows, problems.answers(further, rows))
    points = torch.where(reached.view(-1, 1, 1, 1), further, points)
    free = (points != start).flatten(1)
    many = (free.sum(1) // 4).clamp(min=1)
    for move in range(index + 1, index + 1 + BACK):
        yield nearest.step(move, rows)
        left = ((many > 0) & (free.sum(1) > 0)).nonzero().flatten()
        if not len(left):
            return
        own = rows[left.cpu()]
        chosen = (_ranks(torch.where(free[left], worth[left], torch.inf)) < many[left, None]) & free[left]
        tried = torch.where(chosen.view_as(start[left]), start[left], points[left])
        reached = nearest.see(tried, own, problems.answers(tried, own))
        points[left] = torch.where(reached.view(-1, 1, 1, 1), tried, points[left])
        alone = ~reached & (many[left] == 1)  # this one is needed
        free[left] &= ~(chosen & (reached | alone)[:, None])
        many[left] = torch.where(reached, many[left], (many[left] // 2).clamp(min=1))


def _ranks(values: Float[Tensor, "m d"]) -> Int[Tensor, "m d"]:
    """How many of a row are smaller, those of the same size in their order."""
    return values.argsort(dim=1, stable=True).argsort(1)


def _worth(problems: Problems, points: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"]) -> tuple[Tensor, Tensor]:
    """(where each value is to go, what that adds to the margin), for the class that takes fewest if all is linear."""
    _, values, slopes = problems.victim.gradients(
        points, rows, lambda answers, rows: problems.likeliest(answers, rows, WAYS)[0], problems.goal.layer
    )
    low, high = _ends(problems)
    start = problems.x[rows.to(points.device)][:, None]
    ends = torch.where(slopes < 0, high, torch.where(slopes > 0, low, start))
    gains = (slopes * (ends - start)).flatten(2)
    margins = values + (slopes * (start - points[:, None])).flatten(2).sum(2)
    needed = (gains.sort(dim=2).values.cumsum(2) + margins[..., None] >= 0).sum(2)
    way = torch.where(margins.isfinite(), needed, needed.max() + 1).argmin(1)
    each = torch.arange(len(points), device=points.device)
    return ends[each, way], gains[each, way]


def _never(rows: Tensor) -> tuple[Tensor, list[Tensor]]:
    raise AssertionError("Adam asks for no other point")
