"""The nearest input so far that reaches its goal: what attacks that look for the smallest change have in common.

Such an attack walks along a boundary, to and fro, and its last point is seldom its best one. Whatever an attack has
asked the victim about is a candidate; nothing is asked a second time.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.hyperplanes import crossing
from phosphene.adversarial.norms import size
from phosphene.adversarial.problems import Bounds, Problems
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step

SEARCH_STEPS = 3
"""Of the last search of all (Croce & Hein 2020)."""

BEYOND = 0.02
"""By which part of the way to what fools it goes beyond where the margin should be 0."""


class Nearest:
    """Of each problem the nearest input that reached its goal; before there is one, that of the smallest margin.

    It sees inputs as the victim reads them: rounded, where that does so.

    Attributes:
        pictures: these inputs.
        distances: of those that reached their goals; infinite where none did.
        margins: of these inputs.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.pictures = problems.x.clone()
        self.distances = problems.x.new_full((len(problems),), math.inf)
        self.margins = self.distances.clone()
        self._at_first = self.distances.clone()

    def see(self, pictures: Tensor, rows: Int[Tensor, " m"], answers: Tensor) -> Bool[Tensor, " m"]:
        """Keep these inputs where they are better; which of them reach their goals.

        Where the victim is only nearly right, what would be the nearest is asked once more, and nothing else.
        """
        at = rows.to(self.distances.device)
        if self.problems.victim.through is not None:
            pictures = self.problems.victim.through(pictures)
        pictures = pictures.to(self.pictures)  # a network in float64 makes them so
        far = self.problems.distance(pictures, rows)
        margins = self.problems.margin(answers, rows).to(far)
        reached = self.problems.reached(answers, rows).to(far.device)
        better = reached & (far < self.distances[at])
        if self.problems.victim.rival is not None and better.any():
            some = better.nonzero().flatten()
            sure = self.problems.done(pictures[some], rows[some.cpu()], answers[some]).to(far.device)
            reached[some] = better[some] = sure
        self._at_first[at[far == 0]] = margins[far == 0]
        new = better | ~reached & self.distances[at].isinf() & (margins < self.margins[at])
        self.distances[at[better]], self.margins[at[new]] = far[better], margins[new]
        self.pictures[at[new]] = pictures[new].to(self.pictures)
        return reached

    def going(self, rows: Int[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """Which of these problems are to go on: their inputs are not near enough."""
        return ~self.problems.near(self.distances[rows.to(self.distances.device)], rows)

    def between(self, index: int) -> Iterator[Step]:
        """Look for nearer inputs on the way from where each problem began to its nearest one (regula falsi).

        The margins of both ends say where it is 0 if it is linear between them; what lies there, or a little beyond,
        for on the boundary nothing fools, becomes one of the ends (the final search of FAB, arXiv:1907.02044, section
        2.4). With l0 nothing there is nearer.

        Args:
            index: how many moves there were; each pass is one more.
        """
        problems = self.problems
        rows = problems.rows[self.going(problems.rows) & self.distances.isfinite().cpu()]
        if problems.norm == "l0" or not len(rows):
            return
        at = rows.to(self.distances.device)
        x, found, there = problems.x[at], self.pictures[at], self.margins[at]
        here = torch.where(self._at_first[at].isfinite(), self._at_first[at], there.abs())
        outer, inner = torch.zeros_like(here), torch.ones_like(here)
        for move in range(index + 1, index + 1 + SEARCH_STEPS):
            part = torch.lerp(outer, inner, here / (here - there).clamp(min=torch.finfo(here.dtype).tiny))
            part = torch.lerp(part, inner, BEYOND)
            points = problems.box(torch.lerp(x, found, part.view(-1, 1, 1, 1)), rows)
            answers = problems.answers(points, rows)
            reached, margin = self.see(points, rows, answers), problems.margin(answers, rows).to(here)
            outer, here = torch.where(reached, outer, part), torch.where(reached, here, margin)
            inner, there = torch.where(reached, part, inner), torch.where(reached, margin, there)
            yield self.step(move, rows)

    def step(self, index: int, rows: Int[Tensor, " m"]) -> Step:
        """What there is after so many moves, while these problems go on; values are distances."""
        alive = torch.zeros(len(self.pictures), dtype=torch.bool)
        alive[rows] = True
        return Step(index, self.pictures.clone(), self.distances.clone(), alive)


class Aim(NamedTuple):
    """Where to begin, from one pass.

    Attributes:
        change: the smallest onto the nearest boundary of several, each taken for linear.
        length: of it; infinite where no boundary can be reached within the bounds.
        answers: what the victim says of the inputs.
    """

    change: Float[Tensor, "m c h w"]
    length: Float[Tensor, " m"]
    answers: Tensor


def aimed(problems: Problems, points: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"], many: int) -> Aim:
    """Onto the nearest of so many boundaries, those of the classes that are likeliest besides its own.

    Where none can be reached within the bounds, so that what is linear is no good guide so far away, the change is the
    smallest without them, cut off there: DeepFool's own step. A goal that can be reached in one way only has one
    boundary.
    """

    def likeliest(answers: Tensor, rows: Tensor) -> Tensor:
        ways = problems.ways(answers, rows)
        return ways.topk(min(many, max(1, ways.shape[1] - 1)), 1, largest=False).values

    answers, values, gradients = problems.victim.gradients(points, rows, likeliest, problems.goal.layer)
    change, length = _shortest(problems, points, values, gradients, (problems.low, problems.high))
    lost = length.isinf().nonzero().flatten()
    if len(lost):
        free, _ = _shortest(problems, points[lost], values[lost], gradients[lost], (-math.inf, math.inf))
        change[lost] = problems.box(points[lost] + free, rows[lost.cpu()]) - points[lost]
    return Aim(change, length, answers)


def _shortest(
    problems: Problems, points: Tensor, values: Tensor, gradients: Tensor, ends: Bounds
) -> tuple[Float[Tensor, "m c h w"], Float[Tensor, " m"]]:
    """The smallest change of k for each point, and its length; infinite where none gets there within these ends."""
    k = values.shape[1]
    every, left = crossing(
        points.repeat_interleave(k, 0), gradients.flatten(0, 1), values.flatten(), problems.norm, *ends
    )
    length = torch.where(left == 0, size(every, problems.norm), torch.inf).view(-1, k)
    least, chosen = length.min(1)
    return every.unflatten(0, (-1, k))[torch.arange(len(points), device=points.device), chosen], least


def unit(gradient: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"], key: Key) -> Float[Tensor, "m c h w"]:
    """The gradient with Euclidean length 1; where it is 0, a random direction, to get away from there."""
    length = size(gradient, "l2")
    lost = (length == 0).nonzero().flatten()
    if len(lost):
        gradient = gradient.clone()
        gradient[lost] = key.normal(rows[lost.cpu()], *gradient.shape[1:]).to(gradient)
        length = size(gradient, "l2")
    return gradient / length.view(-1, 1, 1, 1)


def cosine(first: float, last: float, part: float) -> float:
    """From first (part 0) to last (part 1) along half a wave (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2
