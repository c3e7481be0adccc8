"""Whether anything pulls at a picture: a climb whose gradient is zero from the first step to the last found nothing.

Its picture is the start, and what priors and a redirected gradient made of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step


class Stillness:
    """Which of `many` problems had a gradient of zero whenever it was looked at."""

    def __init__(self, many: int) -> None:
        self.problems = torch.ones(many, dtype=torch.bool)

    def watching(self, objective: Objective, problems: Sequence[int]) -> Objective:
        """The same objective, watched; its i-th problem is problems[i]."""
        names = torch.tensor(problems)

        def watched(pictures: Tensor, rows: Int[Tensor, " n"], key: Key) -> Evaluation:
            seen = objective(pictures, rows, key)
            if self.problems.any():
                moved = seen.gradients.flatten(1).any(1).cpu()
                self.problems[names[rows.cpu()[moved]]] = False
            return seen

        return watched

    def noted(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps, with what is still."""
        for step in steps:
            yield replace(step, still=self.problems.clone())
