"""Of each problem the best that an attack of a fixed radius has seen, and who is done."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step


class Kept:
    """The picture of the smallest margin of each problem; one that is done stays as it is.

    The margin compares pictures that were found with different losses, or towards different classes.

    Attributes:
        pictures: (n, c, h, w), at first the inputs themselves.
        margins: (n), infinite before anything was seen.
        alive: (n), who is not done.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.pictures = problems.x
        self.margins = problems.x.new_full((len(problems),), math.inf)
        self.alive = torch.ones(len(problems), dtype=torch.bool)

    @property
    def left(self) -> Int[Tensor, " m"]:
        """The problems that are not done."""
        return self.alive.nonzero().flatten()

    def see(self, pictures: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"], answers: Tensor) -> Bool[Tensor, " m"]:
        """Take note of what the victim answers; which of these problems still are to be followed."""
        margins = self._problems.margin(answers, rows).to(self.margins)
        done = torch.zeros(len(rows), dtype=torch.bool)
        if self._problems.until_fooled:
            done = self._problems.done(pictures, rows, answers)
        at = rows.to(self.margins.device)
        better = (margins < self.margins[at]) | done.to(margins.device)
        if better.any():  # new tensors: steps that were handed out keep theirs
            self.pictures = self.pictures.index_copy(0, at[better], pictures[better].to(self.pictures))
            self.margins = self.margins.index_copy(0, at[better], margins[better])
        self.let_go(rows[done])
        return ~done

    def let_go(self, rows: Int[Tensor, " m"]) -> None:
        """These are followed no more."""
        self.alive = self.alive.index_fill(0, rows, False)

    def step(self, index: int) -> Step:
        """The best so far; values are margins."""
        return Step(index, self.pictures, self.margins, self.alive)
