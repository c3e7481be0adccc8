"""Descents within a ball whose steps adapt by themselves, each problem's by what it has seen: Auto-PGD.

In the l-inf and l2 balls (Croce & Hein 2020, arXiv:2003.01690, algorithm 1; d is the steepest direction, P the
projection, the first step is 2 eps and goes straight to z):

    z = P(x_k - step d(g_k)),    x_(k+1) = P(x_k + 3/4 (z - x_k) + 1/4 (x_k - x_(k-1)))

At checkpoints a problem's step is halved, and it goes on from its best point, if its loss fell in fewer than 3/4 of the
moves since the last one, or if neither the step nor the best loss has changed since. In the l1 ball steps are sparse,
and how sparse follows from the best point (Croce & Hein 2021, arXiv:2103.01208, algorithm 1). There a descent begins in
larger balls: from the best point within 3 eps, projected, it goes on within 2 eps, and then within eps (section 3.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.kept import Kept
from phosphene.adversarial.norms import Norm, size, steepest
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured

RHO = 0.75
MOMENTUM = 0.75

FIRST, FEWER, LEAST = 22, 3, 6
"""Checkpoints in per cent of the steps: the first, by how much each interval is shorter, and the shortest one."""

SPARSE_EVERY = 4
"""The same in the l1 ball: all intervals."""

DUST = 1e-6
"""What part of the radius a value may be moved in the l1 ball without counting as changed: a step back and forth ends
within rounding of where it began."""

NARROWING = ((3, 30), (2, 60), (1, 100))
"""The balls of a descent in l1: how many times the radius, and up to what per cent of the steps."""


class Path(NamedTuple):
    """Where m problems are, what they have seen, and where they were best.

    Attributes:
        rows: (m), which problems.
        x, before: (m, c, h, w), the present and the last point.
        value, gradient: (m) and (m, c, h, w), there.
        best, lowest, best_gradient: the same at the point of the lowest value.
    """

    rows: Tensor
    x: Tensor
    before: Tensor
    value: Tensor
    gradient: Tensor
    best: Tensor
    lowest: Tensor
    best_gradient: Tensor

    def to(self, x: Tensor, value: Tensor, gradient: Tensor) -> "Path":
        """One move further."""
        better = value < self.lowest
        best, slope = _chosen(better, x, self.best), _chosen(better, gradient, self.best_gradient)
        return Path(self.rows, x, self.x, value, gradient, best, torch.where(better, value, self.lowest), slope)

    def back(self, which: Bool[Tensor, " m"]) -> "Path":
        """Which of them go on from their best point; the last one stays what it was."""
        x, gradient = _chosen(which, self.best, self.x), _chosen(which, self.best_gradient, self.gradient)
        return self._replace(x=x, value=torch.where(which, self.lowest, self.value), gradient=gradient)

    def among(self, which: Bool[Tensor, " m"]) -> "Path":
        """These alone."""
        return Path(*(one[which.to(one.device)] for one in self))


class Halving:
    """Steps that are halved where they do not help, with momentum: for the l-inf and the l2 ball.

    Attributes:
        checkpoints: the numbers of moves after which it looks.
    """

    def __init__(self, problems: Problems, rows: Int[Tensor, " m"], steps: int) -> None:
        self._problems, self.checkpoints = problems, halving_checkpoints(steps)
        self._step = 2 * problems.radius(rows)
        self._fell = torch.zeros(len(rows), device=problems.x.device)
        self._mark = self._fell.to(problems.x)
        self._halved = self._fell.bool()
        self._moves = self._last = 0

    def move(self, path: Path) -> Float[Tensor, "m c h w"]:
        """The next point of each."""
        project = self._problems.project
        z = project(path.x - self._step * steepest(path.gradient, self._problems.norm), path.rows)
        self._moves += 1
        if self._moves == 1:
            return z
        return project(path.x + MOMENTUM * (z - path.x) + (1 - MOMENTUM) * (path.x - path.before), path.rows)

    def seen(self, old: Path, path: Path) -> Path:
        """After a move; `old` is what it was before."""
        if self._moves == 1:
            self._mark = old.lowest
        self._fell = self._fell + (path.value < old.value)
        if self._moves not in self.checkpoints:
            return path
        stuck = ~self._halved & (path.lowest >= self._mark)
        self._halved = (self._fell < RHO * (self._moves - self._last)) | stuck
        self._step = torch.where(self._halved.view(-1, 1, 1, 1), self._step / 2, self._step)
        self._fell, self._mark, self._last = torch.zeros_like(self._fell), path.lowest, self._moves
        return path.back(self._halved)

    def leave(self, going: Bool[Tensor, " m"]) -> None:
        """Only these go on."""
        at = going.to(self._fell.device)
        self._step, self._fell, self._mark, self._halved = (
            one[at] for one in (self._step, self._fell, self._mark, self._halved)
        )


class Sparse:
    """Steps along few of the largest gradients, by their signs: for the l1 ball.

    At first a step is eps long and moves a fifth of the values. Every checkpoint sets how many it moves to two thirds
    of the values that the best point has changed. If these have become fewer (by 5 %), the step is eps again, from the
    best point; if not, it is 1.5 times shorter, down to eps / 10.

    Args:
        start: where a descent in a larger ball ended; its changed values say how many move at first.

    Attributes:
        checkpoints: the numbers of moves after which it looks.
    """

    def __init__(
        self, problems: Problems, rows: Int[Tensor, " m"], steps: int, start: Float[Tensor, "m c h w"] | None = None
    ) -> None:
        every = max(1, SPARSE_EVERY * steps // 100)
        self._problems, self.checkpoints = problems, range(every, steps + 1, every)
        self._step = problems.radius(rows)
        self._changed = problems.x.new_full((len(rows),), problems.x[0].numel())
        self._many = 0.2 * self._changed
        if start is not None:
            self._changed = self._values(start, rows)
            self._many = self._changed / 1.5
        self._moves = 0

    def move(self, path: Path) -> Float[Tensor, "m c h w"]:
        """The next point of each."""
        self._moves += 1
        low, high = self._problems.low, self._problems.high
        free = torch.where(path.gradient > 0, path.x > low, path.x < high)
        gradient = torch.where(free, path.gradient, 0)
        flat = gradient.abs().flatten(1)
        rank = self._many.long().clamp(1, flat.shape[1])
        least = flat.sort(dim=1, descending=True).values.gather(1, rank[:, None] - 1).view(-1, 1, 1, 1)
        signs = torch.where(gradient.abs() >= least, gradient.sign(), 0)
        length = size(signs, "l1").clamp(min=1).view(-1, 1, 1, 1)
        return self._problems.project(path.x - self._step * signs / length, path.rows)

    def seen(self, old: Path, path: Path) -> Path:
        """After a move."""
        if self._moves not in self.checkpoints:
            return path
        changed = self._values(path.best, path.rows)
        fewer = changed < 0.95 * self._changed
        eps = self._problems.radius(path.rows)
        shorter = (self._step / 1.5).maximum(eps / 10)
        self._step = torch.where(fewer.view(-1, 1, 1, 1), eps, shorter)
        self._changed, self._many = changed, changed / 1.5
        return path.back(fewer)

    def leave(self, going: Bool[Tensor, " m"]) -> None:
        """Only these go on."""
        at = going.to(self._step.device)
        self._step, self._changed, self._many = self._step[at], self._changed[at], self._many[at]

    def _values(self, x: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """How many values are changed there, by more than rounding."""
        center = self._problems.x[rows.to(self._problems.x.device)]
        return ((x - center).abs() > DUST * self._problems.radius(rows)).flatten(1).sum(1).to(center)


def halving_checkpoints(steps: int) -> Sequence[int]:
    """After how many moves: p_1 = 22 %, p_(j+1) = p_j + max(p_j - p_(j-1) - 3 %, 6 %), rounded up."""
    marks, mark, interval = [], 0, FIRST
    while mark + interval <= 100:
        mark += interval
        interval = max(interval - FEWER, LEAST)
        marks.append(-(-mark * steps // 100))
    return marks


def balls(norm: Norm, steps: int) -> Sequence[tuple[int, range]]:
    """(how many times the radius, which points are sought there), one ball after the other; only those with points."""
    narrowing = NARROWING if norm == "l1" else NARROWING[-1:]
    ends = [0, *(part * steps // 100 for _, part in narrowing)]
    every = [(times, range(*ends[i : i + 2])) for i, (times, _) in enumerate(narrowing)]
    return [(times, points) for times, points in every if points]


def descend(
    problems: Problems,
    kept: Kept,
    rows: Int[Tensor, " m"],
    start: Float[Tensor, "m c h w"],
    measure: Measured,
    steps: int,
) -> Iterator[int]:
    """Move these problems down `measure`, one step at a time; what is best goes to `kept`, who is done leaves.

    In the l1 ball the first steps are made in larger ones: but for the start, what is found there is no result.

    Args:
        start: within the ball.
        measure: of the answers, to be made small.
        steps: how many moves; one forward pass more than that, and no gradient after the last.
    Yields:
        How many moves came before.
    """
    x, path = start, None
    for times, points in balls(problems.norm, steps):
        ball = replace(problems, eps=times * problems.eps)
        if path is not None:
            rows, x = path.rows, ball.project(path.best, path.rows)
        goes_on = None if path is None else x
        schedule = Sparse(ball, rows, steps, goes_on) if problems.norm == "l1" else Halving(ball, rows, steps)
        objective, path = ball.objective(measure), None
        for index in points:
            seen = objective(x, rows, ball.key.at(index))
            value, gradient = seen.values.to(x), seen.gradients.to(x)
            if path is None:
                path = Path(rows, x, x, value, gradient, x, value, gradient)
            else:
                path = schedule.seen(path, path.to(x, value, gradient))
            if times == 1 or index == 0:
                going = kept.see(x, rows, seen.outputs[problems.goal.layer])
                if not going.all():
                    path = path.among(going)
                    schedule.leave(going)
            yield index
            if not len(path.rows):
                return
            rows, x = path.rows, schedule.move(path)
    kept.see(x, rows, problems.answers(x, rows))
    yield steps


def _chosen(which: Bool[Tensor, " m"], one: Tensor, other: Tensor) -> Tensor:
    return torch.where(which.view(-1, 1, 1, 1), one, other)
