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
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.kept import Kept
from phosphene.adversarial.losses import about_classes, highest_others
from phosphene.adversarial.norms import steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured
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
    measures = found.ways(targets)
    yield found.step()
    for way, measure in enumerate([problems.margin, *measures[1:]]):  # the margin leads to the nearest class
        yield from found.turn(found.kept.left, problems.x, measure, steps)
        found.lowest[way] = found.values
    order = torch.stack(list(found.lowest.values())).argsort(dim=0, stable=True)[:NEAREST]
    for number in range(tries):
        nearest = order[number % len(order)]

        def measure(answers: Tensor, rows: Int[Tensor, " m"], own: Tensor = nearest) -> Float[Tensor, " m"]:
            every = torch.stack([one(answers, rows) for one in measures])
            return every.gather(0, own[rows.to(own.device)][None].to(every.device))[0]

        start = replace(problems, key=problems.key.child(number)).anywhere()
        yield from found.turn(found.near(hopeless), start, measure, 3 * steps)


class _Found:
    """What is found so far of each problem, while one turn of steps comes after the other.

    Attributes:
        kept: the best of each.
        values: the least that each problem's measure was in the last turn; infinite for those that took no part.
        lowest: the same of each way.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems, self.kept = problems, Kept(problems)
        self._answers = problems.answers(problems.x, problems.rows)
        self.kept.see(problems.x, problems.rows, self._answers)
        self._before, self._index = self.kept.margins, 0
        self.values = torch.full_like(self._before, math.inf)
        self.lowest: dict[int, Float[Tensor, " n"]] = {}

    def ways(self, many: int) -> list[Measured]:
        """z_y - z_t for each of the highest other classes t; where the goal is not about classes, the margin alone."""
        problems, head = self.problems, self.problems.victim.head
        if not about_classes(problems) or problems.goal.targeted or head.independent:
            return [problems.margin]
        return [_towards(problems, one) for one in highest_others(problems, self._answers, many).unbind(1)]

    def near(self, part: float) -> Int[Tensor, " m"]:
        """The problems that are not done and have kept less than this part of their margin."""
        left = self.kept.left
        return left[(self.kept.margins < part * self._before)[left.to(self._before.device)].cpu()]

    def step(self) -> Step:
        """The best so far."""
        self._index += 1
        return self.kept.step(self._index - 1)

    def turn(
        self, rows: Int[Tensor, " m"], start: Float[Tensor, "n c h w"], measure: Measured, steps: int
    ) -> Iterator[Step]:
        """Steepest steps of these problems, whose length falls from 2 eps to 0 as half a cosine."""
        problems, x = self.problems, start[rows.to(start.device)]
        objective = problems.objective(measure)
        self.values = torch.full_like(self.values, math.inf)
        for k in range(steps + 1 if len(rows) else 0):
            seen = objective(x, rows, problems.key.at(k))
            going = self.kept.see(x, rows, seen.outputs[problems.goal.layer])
            at = rows.to(self.values.device)
            self.values = self.values.index_copy(0, at, torch.minimum(self.values[at], seen.values.to(self.values)))
            yield self.step()
            rows, x, gradient = rows[going], x[going.to(x.device)], seen.gradients[going.to(x.device)].to(x)
            if not len(rows):
                return
            length = problems.radius(rows) * (1 + math.cos(math.pi * k / max(1, steps)))
            x = problems.project(x - length * steepest(gradient, problems.norm), rows)


def _towards(problems: Problems, classes: Int[Tensor, " n"]) -> Measured:
    """z_y - z_t, for a class t of each problem."""
    labels, head = problems.goal.labels, problems.victim.head
    assert labels is not None

    def measure(answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        z = head.scores(answers, "logit")
        own, other = (z.gather(1, one[rows.to(one.device)].to(z.device)[:, None])[:, 0] for one in (labels, classes))
        return own - other

    return measure
