"""Many targets, then the nearest of them again: the order of A3 (Liu et al. 2022, arXiv:2203.05154), with fewer passes.

Three turns of sign steps (or steepest ones, in other norms) whose length falls as a cosine from 2 eps to 0, on the
margin and not on the cross-entropy, which saturates:

1. from the picture itself, down the margin to whichever class comes nearest;
2. from the picture itself, down z_y - z_t for each of the other highest classes t in turn;
3. for pictures that came near alone, from anywhere in the ball towards the three classes that came nearest.

A picture that fools leaves at once, and one whose best margin is still more than `hopeless` of what it was at first is
left out of the third turn. A3 orders pictures among each other instead, and begins where logit weights point that
succeeded before; both make a picture's result depend on its neighbours, which it does not here.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Annotated, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.norms import steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured
from phosphene.core.optimization.engine import Evaluate, Optimizer, Update, argmin
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Steps, Words

NEAREST = 3
"""Classes that the third turn takes by turns."""


@attack("linf", "l2", "l1")
def a3(
    problems: Problems,
    *,
    steps: Annotated[Steps, Words("how many steps towards each class; thrice as many from anywhere")] = 20,
    targets: Annotated[int, Bounds(1, 1000), Words("how many of the other highest classes are tried")] = 9,
    tries: Annotated[int, Bounds(0, 1000), Words("how often one that came near is tried from anywhere")] = 6,
    hopeless: Annotated[float, Bounds(0, 1), Words("what part of its margin one that is left out has kept")] = 0.5,
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK by each of its other classes in turn, then by the nearest again and again (A3, Liu et al. 2022)."""
    found = _Found(problems)
    left = yield from found.turn(problems.rows, problems.x, problems.margin, steps)
    classes, reached = found.others(targets), []
    for t in classes.T[1:] if len(classes.T) else ():  # the first one is the nearest, which was tried
        left = yield from found.turn(left, problems.x, found.towards(t), steps)
        reached.append(found.values)
    if len(classes.T) > 1:
        order = torch.stack([found.first_values, *reached], 1).argsort(dim=1, stable=True)[:, :NEAREST]
        classes = classes.gather(1, order.to(classes.device))
    for index in range(tries):
        near = (found.margins < hopeless * found.before)[left.to(found.margins.device)].cpu()
        if not len(left := left[near]):
            break
        start = replace(problems, key=problems.key.child(index)).anywhere()
        measure = found.towards(classes[:, index % len(classes.T)]) if len(classes.T) else problems.margin
        left = yield from found.turn(left, start, measure, 3 * steps)


class _Found:
    """What is found so far of each problem, while one turn of steps comes after the other.

    Attributes:
        pictures, margins: the best.
        before: the margin of the input itself.
        values: the least that each problem's measure was in the last turn; infinite for those that took no part.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems, self.pictures = problems, problems.x.clone()
        self.margins = self.before = self.values = self.first_values = problems.x.new_full((len(problems),), math.inf)
        self._answers: Tensor | None = None
        self._index = 0

    def others(self, many: int) -> Int[Tensor, "n k"]:
        """The highest classes of each input's answer besides its own; none where the goal is not about classes."""
        goal, head = self.problems.goal, self.problems.victim.head
        assert self._answers is not None
        if goal.labels is None or goal.targeted or not head.has_probabilities or head.independent:
            return torch.zeros(len(self.problems), 0, dtype=torch.long)
        z = head.scores(self._answers, "logit")
        apart = z.scatter(1, goal.labels.to(z.device)[:, None], -torch.inf)
        return apart.argsort(dim=1, descending=True, stable=True)[:, : min(many, z.shape[1] - 1)]

    def towards(self, classes: Int[Tensor, " n"]) -> Measured:
        """z_y - z_t, for a class t of each problem."""
        labels, head = self.problems.goal.labels, self.problems.victim.head
        assert labels is not None

        def measure(answers: Tensor, rows: Tensor) -> Tensor:
            z = head.scores(answers, "logit")
            own, other = (one[rows.to(one.device)].to(z.device)[:, None] for one in (labels, classes))
            return (z.gather(1, own) - z.gather(1, other))[:, 0]

        return measure

    def turn(
        self, rows: Int[Tensor, " m"], start: Float[Tensor, "n c h w"], measure: Measured, steps: int
    ) -> Generator[Step, None, Int[Tensor, " m"]]:
        """Some steps of these problems; the steps show the best of all. Returns the problems that are not done."""
        if not len(rows):
            return rows
        at, problems = rows.to(start.device), self.problems.among(rows)
        length = 2 * (problems.eps if isinstance(problems.eps, Tensor) else start.new_full((len(rows),), problems.eps))
        values = start.new_full((len(rows),), math.inf)
        path = argmin(
            Pixels(start[at]),
            problems.objective(lambda answers, own: measure(answers, rows[own.to(rows.device)])),
            optimizer=_falling(problems, length, steps),
            constraint=problems.project,
            steps=steps,
            key=problems.key,
            stop=problems.stop,
        )
        for step in path:
            values = torch.minimum(values, step.values)
            yield self._with(step, rows, at, problems)
        self.values = torch.full_like(self.margins, math.inf).index_copy(0, at, values)
        self.first_values = torch.where(self.first_values.isinf(), self.values, self.first_values)
        return rows[step.alive]

    def _with(self, step: Step, rows: Tensor, at: Tensor, problems: Problems) -> Step:
        """A step of some problems as one of all, once what is better is kept."""
        answers = step.outputs[problems.goal.layer]
        now = problems.margin(answers, problems.rows).to(self.margins)
        if self._answers is None:
            self._answers, self.before = answers, now
        better = (now < self.margins[at]) | (~step.alive).to(at.device)  # what is done is so by this very picture
        self.margins = self.margins.index_copy(0, at, torch.where(better, now, self.margins[at]))
        self.pictures[at[better]] = step.pictures[better]
        alive = torch.zeros(len(self.margins), dtype=torch.bool)
        alive[rows] = step.alive
        whole = Step(self._index, self.pictures.clone(), self.margins, alive)
        self._index += 1
        return whole


def _falling(problems: Problems, length: Float[Tensor, " n"], steps: int) -> Optimizer:
    """Steepest steps whose length falls from `length` to 0 as half a cosine."""

    def start(parameters: list[Tensor]) -> Update:
        taken = 0

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            nonlocal taken
            part = (1 + math.cos(math.pi * taken / steps)) / 2
            taken += 1
            for parameter, gradient in zip(parameters, gradients, strict=True):
                at = rows.to(parameter.device)
                own = (part * length.to(parameter))[at].view(-1, *[1] * (parameter.dim() - 1))
                parameter[at] -= own * steepest(gradient[at], problems.norm)

        return update

    return start
