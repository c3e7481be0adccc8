"""Carlini & Wagner: descent in the space of an inverse tanh, whose ends are the bounds, and a search around it.

l2 (Carlini & Wagner 2017, arXiv:1608.04644, section V.C): with x' = middle + half tanh(w), half of the bounds' width,

    minimize over w    |x' - x|_2^2 + c max(margin(x'), 0)

by Adam, 9 times, each input with a c of its own: ten times as large where nothing fools, then halfway between the
largest that did not do and the smallest that did. The margin is a difference of logits, and a constant that is added to
all of them changes nothing. A descent begins with DeepFool's step onto the nearest boundary, where the paper begins at
x: there the values that have to move are away from their bounds, at which tanh does not move at all, and the class is
the nearest, not the likeliest. In the end the way to the nearest point is searched.

l-inf: the paper (section V.D) punishes values that are further from x than tau, and takes tau .9 times as large as long
as it succeeds, with a c that doubles otherwise. Here what keeps x' within the bounds keeps it within tau of x, too:
middle and half are those of the bounds that are left, so that the margin alone is to be made small, there is no c, and
a descent ends as soon as it fools; tau begins where the margin, taken for linear, is 0, doubles where nothing fools,
and is then halfway between the largest that did not do and the nearest that fooled.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.nearest import Nearest, begun
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import Evaluation, Objective, Stop, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

INWARDS = {"l2": 1e-6, "linf": 0.1}
"""By which part the start of a descent is moved away from the bounds, at which w is infinite."""

NEAREST = 1e-6
"""As a part of the bounds' width: the least tau to begin with."""

STUCK, PATIENCE = 0.9999, 0.2
"""A problem leaves a descent whose least loss is not less than so many times what it was so large a part of the steps
ago. (The authors' code asks after a tenth of them, and the whole batch at once; alone, a problem that still rises on
its first steps would be left.)"""


class Inside:
    """Pictures between bounds as middle + half tanh(w): a parameterization."""

    def __init__(self, x: Float[Tensor, "n c h w"], low: Tensor, high: Tensor, inwards: float) -> None:
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        at = (x - self.middle) / self.half.clamp(min=torch.finfo(x.dtype).tiny)
        self.parameters = [torch.atanh(at.clamp(-1, 1) * (1 - inwards))]

    def __call__(self) -> Float[Tensor, "n c h w"]:
        return self.middle + self.half * self.parameters[0].tanh()

    def pull(self, gradient: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """Times half (1 - tanh(w)^2)."""
        return [gradient * self.half * (1 - self.parameters[0].tanh().square())]

    def assign(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " m"]) -> None:
        """Set the parameters so that they show these pictures."""
        at = (pictures - self.middle[rows]) / self.half[rows]
        self.parameters[0][rows] = torch.atanh(at.clamp(-1, 1) * (1 - INWARDS["l2"]))


@attack("l2", "linf", minimal=True, length=("searches", "steps"))
def cw(
    problems: Problems,
    *,
    searches: Annotated[int, Bounds(1, 100), Words("how many descents, each with what the last one taught")] = 9,
    steps: Annotated[Steps, Words("how many steps of each descent at most")] = 1000,
    rate: Annotated[
        float | None, Bounds(1e-6, 100), Words("learning rate of Adam; by default .01 for l2 and .1 for linf")
    ] = None,
    constant: Annotated[float, Bounds(1e-12, 1e6), Words("weight of the margin at first, for l2")] = 1e-3,
    candidates: Annotated[int, Bounds(2, 1000), Words("so many of the likeliest classes are compared at first")] = 10,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change, by descents between a change and a margin (Carlini & Wagner 2017).

    Raises:
        Mistake: the bounds are infinite.
    """
    if not all(torch.as_tensor(end).isfinite().all() for end in (problems.low, problems.high)):
        raise Mistake("cw needs bounds that are finite: it looks for pictures between them; fmn and ddn need none")
    nearest, aim = begun(problems, candidates)
    rows, index = problems.rows, 0
    start = problems.box(problems.x + aim.change, rows)
    grows, wanted = 10, torch.full_like(aim.length, constant)
    if problems.norm == "linf":
        far = torch.where(aim.length.isfinite(), aim.length, problems.width)
        grows, wanted = 2, far.clamp(min=NEAREST * problems.width)
    lower, upper = torch.zeros_like(wanted), torch.full_like(wanted, torch.inf)
    rate = rate or {"l2": 0.01, "linf": 0.1}[problems.norm]
    for _ in range(searches):
        rows = rows[nearest.going(rows)]
        if not len(rows):
            break
        own, solved = wanted[rows], torch.zeros(len(rows), dtype=torch.bool)
        some = problems.among(rows)
        path = argmin(
            *_descent(some, start[rows], own), optimizer=adam(rate), steps=steps,
            stop=_stop(nearest, some, rows, solved, steps),
        )  # fmt: skip
        for step in path:
            yield nearest.step(index + step.index, rows[step.alive])
        index += step.index
        good = solved.to(own.device)
        least = torch.minimum(own, nearest.distances[rows]) if problems.norm == "linf" else own
        lower[rows], upper[rows] = torch.where(good, lower[rows], own), torch.where(good, least, upper[rows])
        wanted[rows] = torch.where(upper[rows].isfinite(), (lower[rows] + upper[rows]) / 2, grows * own)
    yield nearest.step(index, rows[:0])
    yield from nearest.between(index)


def _descent(
    problems: Problems, start: Float[Tensor, "n c h w"], wanted: Float[Tensor, " n"]
) -> tuple[Inside, Objective]:
    """Where a descent goes, and down what."""
    x = problems.x
    low, high = (torch.as_tensor(end).to(x).expand_as(x) for end in (problems.low, problems.high))
    if problems.norm == "linf":
        tau = wanted.view(-1, 1, 1, 1)
        low, high = torch.maximum(low, x - tau), torch.minimum(high, x + tau)
        return Inside(start.clamp(low, high), low, high, INWARDS["linf"]), problems.objective(problems.margin)

    def hinge(answers: Tensor, rows: Tensor) -> Tensor:
        return wanted[rows] * problems.margin(answers, rows).clamp(min=0)

    fooling = problems.objective(hinge)

    def objective(pictures: Tensor, rows: Int[Tensor, " m"], key: Key) -> Evaluation:
        seen, change = fooling(pictures, rows, key), pictures - x[rows]
        far = change.square().flatten(1).sum(1)
        return seen._replace(values=seen.values + far, gradients=seen.gradients + 2 * change)

    return Inside(start, low, high, INWARDS["l2"]), objective


def _stop(nearest: Nearest, some: Problems, own: Int[Tensor, " n"], solved: Bool[Tensor, " n"], steps: int) -> Stop:
    """Near enough, stuck, or, in l-inf, within tau; `solved` is set where anything fooled."""
    lowest = torch.full((len(own),), torch.inf, dtype=some.x.dtype)
    before, count, every = lowest.clone(), 0, max(1, round(PATIENCE * steps))

    def stop(pictures: Tensor, rows: Int[Tensor, " m"], seen: Evaluation) -> Bool[Tensor, " m"]:
        nonlocal count
        reached = nearest.see(pictures, own[rows], seen.outputs[some.goal.layer]).cpu()
        solved[rows] |= reached
        leaves = ~nearest.going(own[rows]) | (reached if some.norm == "linf" else False)
        lowest[rows] = torch.minimum(lowest[rows], seen.values.cpu())
        if count % every == 0:
            leaves |= lowest[rows] > STUCK * before[rows]
            before[rows] = lowest[rows]
        count += 1
        return leaves

    return stop
