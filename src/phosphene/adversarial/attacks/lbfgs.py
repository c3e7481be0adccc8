"""The first attack: the smallest change by box-constrained L-BFGS (Szegedy et al. 2014, arXiv:1312.6199, section 4.1).

For a class and a picture x, minimize

    c |r|^2 + loss(x + r)    with x + r within the bounds

and look for the largest c for which the minimizer still reaches the goal. The paper writes c |r|; its square has the
same minimizers, for other c, and is smooth at r = 0. The loss is -log p of the class; the paper attacks with a target
only, and without one that class is chosen whose boundary is the nearest if all margins are as linear as they are at x
(as DeepFool chooses), and the loss is log(1 + exp(margin to it)).

Values that are at a bound and would cross it are held there, the quasi-Newton step is taken in the others, and its path
bends at the bounds (Bertsekas 1982, doi:10.1137/0320018); saturated pixels can come back, as they could not behind a
tanh. Each problem has its own c, history, step length and end. A round goes on where the last one ended, with a c ten
times as large (where it reached the goal) or as small, later with the geometric mean of the two that enclose the right
one; the pairs that are remembered are of the loss alone, and as good for the next c. In the end something nearer is
looked for on the line back to x.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.nearest import Nearest
from phosphene.adversarial.norms import size
from phosphene.adversarial.photographs import Common, attack
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.lbfgs import Pairs, newton, searched
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

HISTORY = 10
CLASSES = 9
"""That are looked at for the nearest boundary, as many as DeepFool looks at."""
ENOUGH = 1e-4
"""A round ends where a step makes less than this part of the objective's value."""


@attack("l2", minimal=True, length=("steps", "rounds"))
def lbfgs(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps in each round")] = 100,
    rounds: Annotated[int, Bounds(1, 1000), Words("how many values of c are tried")] = 9,
    c: Annotated[float, Bounds(1e-12, 1e6), Words("the weight of the change beside the loss, at first")] = 1e-2,
    **common: Unpack[Common],
) -> Iterator[Step]:
    """Fool NETWORK with the smallest change by L-BFGS within the box (Szegedy et al. 2014)."""
    nearest, rows = Nearest(problems), problems.rows
    loss = _Loss(problems, nearest)
    state = _State(problems, loss, c)
    index = 0
    while True:
        rows = rows[nearest.going(rows) & (state.round[rows] < rounds)]
        yield nearest.step(index, rows)
        if not len(rows) or not steps:
            break
        moved = state.move(loss, rows)
        state.count[rows] += 1
        state.turn(rows[~moved | (state.count[rows] >= steps)])
        index += 1
    yield from nearest.between(index)


class _Loss:
    """What is minimized beside the change.

    Attributes:
        here: at the inputs themselves: the loss, its gradient, and whether the goal is reached.
    """

    def __init__(self, problems: Problems, nearest: Nearest) -> None:
        self.problems, self.nearest = problems, nearest
        self.way: Tensor | None = None
        if problems.goal.ways is None:
            self.here = self(problems.x.flatten(1), problems.rows)
        else:
            self.here = self._towards_the_nearest()

    def _towards_the_nearest(self) -> tuple[Tensor, Tensor, Tensor]:
        problems, x = self.problems, self.problems.x
        answers, values, gradients = problems.victim.gradients(
            x, problems.rows, lambda answers, rows: problems.likeliest(answers, rows, CLASSES)[0], problems.goal.layer
        )
        reached = self.nearest.see(x, problems.rows, answers)
        k = values.shape[1]
        changes, left = crossing(
            x.repeat_interleave(k, 0), gradients.flatten(0, 1), values.flatten(), "l2", problems.low, problems.high
        )
        chosen = torch.where(left == 0, size(changes, "l2"), torch.inf).view(-1, k).argmin(1)
        self.way = problems.likeliest(answers, problems.rows, CLASSES)[1].gather(1, chosen[:, None])[:, 0]
        value, gradient = values.gather(1, chosen[:, None])[:, 0], gradients[torch.arange(len(x)), chosen]
        return softplus(value), value.sigmoid()[:, None] * gradient.flatten(1), reached

    def _measure(self, answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The loss of answers."""
        problems, goal = self.problems, self.problems.goal
        if self.way is not None:
            return softplus(problems.ways(answers, rows).gather(1, self.way[rows.to(answers.device), None])[:, 0])
        smooth = goal.targeted or goal.labels is None
        return problems.loss(answers, rows) if smooth else softplus(problems.margin(answers, rows))

    def __call__(self, points: Float[Tensor, "m d"], rows: Int[Tensor, " m"]) -> tuple[Tensor, Tensor, Tensor]:
        """At these points: the loss, its gradient, and whether the goal is reached."""
        pictures = points.view(-1, *self.problems.x.shape[1:])
        seen = self.problems.objective(self._measure)(pictures, rows, self.problems.key)
        reached = self.nearest.see(pictures, rows, seen.outputs[self.problems.goal.layer])
        return seen.values.to(points), seen.gradients.flatten(1), reached


class _State:
    """Where each problem is.

    Attributes:
        x, points: (n, d).
        here: the loss there, its gradient, and whether the goal is reached.
        pairs: the last moves, and what they changed of the gradient of the loss.
        c: the weight of the change; the goal was reached with `least`, and was not with `most`.
        round, count: how many values of c are done, and how many steps with this one.
    """

    def __init__(self, problems: Problems, loss: _Loss, c: float) -> None:
        x = problems.x
        self.x, self.here = x.flatten(1), loss.here
        self.points = self.x.clone()
        self.low, self.high = (
            torch.as_tensor(end).to(x).expand(x.shape[1:]).reshape(-1) for end in (problems.low, problems.high)
        )
        self.pairs = Pairs(self.x, HISTORY)
        self.c = x.new_full((len(x),), c)
        self.least, self.most = torch.zeros_like(self.c), torch.full_like(self.c, torch.inf)
        self.round = torch.zeros(len(x), dtype=torch.long)
        self.count = self.round.clone()

    def move(self, loss: _Loss, rows: Int[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """One step of these problems; which of them got on by it."""
        at = rows.to(self.x.device)
        x, start, c = self.x[at], self.points[at], self.c[at]

        def whole(points: Tensor, own: Tensor, known: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            """With the change's part: (value, gradient, the loss, its gradient, whether the goal is reached)."""
            away = points - x[own]
            return known[0] + c[own] * away.square().sum(1), known[1] + 2 * c[own, None] * away, *known

        here = whole(start, torch.arange(len(rows), device=x.device), tuple(part[at] for part in self.here))
        direction = self._direction(start, here, c, at)
        length, there = searched(
            lambda points, own: whole(points, own, loss(points, rows[own.cpu()])), start, here, direction,
            low=self.low, high=self.high,
        )  # fmt: skip
        self.points[at] = (start + length[:, None] * direction).clamp(self.low, self.high)
        moved = length > 0
        self.pairs.add(self.points[at] - start, there[3] - here[3], at, moved)
        for known, new in zip(self.here, there[2:], strict=True):
            known[at] = new
        return (here[0] - there[0] > ENOUGH * here[0].abs()).cpu()

    def _direction(self, start: Tensor, here: tuple[Tensor, ...], c: Tensor, at: Tensor) -> Float[Tensor, "m d"]:
        """The quasi-Newton step in the values that are free to move.

        At first its length is such that the loss were 0, if it were linear, and not beyond the minimum of c |r|^2.
        """
        free = ~((start <= self.low) & (here[1] > 0)) & ~((start >= self.high) & (here[1] < 0))
        gradient, (steps, changes) = here[1] * free, self.pairs.of(at)
        square = gradient.square().sum(1).clamp(min=torch.finfo(gradient.dtype).tiny)
        steps = [s * free for s in steps]
        changes = [y * free + 2 * c[:, None] * s for s, y in zip(steps, changes, strict=True)]
        return newton(gradient, steps, changes, torch.minimum(here[0].abs() / square, 0.5 / c))

    def turn(self, rows: Int[Tensor, " m"]) -> None:
        """The next c of these problems."""
        at = rows.to(self.x.device)
        c, reached = self.c[at], self.here[2][at]
        least, most = torch.where(reached, c, self.least[at]), torch.where(reached, self.most[at], c)
        self.least[at], self.most[at] = least, most
        open_ = torch.where(most.isinf(), 10 * least, most / 10)
        self.c[at] = torch.where(most.isinf() | (least == 0), open_, (least * most).sqrt())
        self.round[rows] += 1
        self.count[rows] = 0
