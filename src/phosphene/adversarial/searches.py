"""An attack at work, and what came out of it, verified from what is returned.

A `Search` is a generator of steps: iterate over it to watch, or ask for its `outcome`, and it runs to its end first.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.norms import Norm
from phosphene.adversarial.problems import Problems
from phosphene.core.optimization.steps import Step

Attack = Callable[[Problems], Iterator[Step]]
"""Problems to steps; the pictures of the last one are the result: of each problem the best, reached or not."""


@dataclass(frozen=True)
class Outcome:
    """What an attack found.

    Attributes:
        inputs: (n, ...), in the shape that was given; of a problem that was not solved the best failed try.
        success: whether the goal is reached there, and was not before the attack.
        before: whether it was reached without any attack: the input is returned as it was, and is no success.
        distances: in the attack's norm.
        answers: (n, ...), what the victim says of `inputs`.
        margins: of the goal; below 0 where it is reached.
        forwards, backwards: how often each input went through the network, one way and back, this verification and a
            reading of the input itself among them.
        norm: of the distances.
    """

    inputs: Float[Tensor, "n ..."]
    success: Bool[Tensor, " n"]
    before: Bool[Tensor, " n"]
    distances: Float[Tensor, " n"]
    answers: Float[Tensor, "n ..."]
    margins: Float[Tensor, " n"]
    forwards: Int[Tensor, " n"]
    backwards: Int[Tensor, " n"]
    norm: Norm


class Search:
    """An attack at work: an iterator over its steps, which ends in an outcome.

    It counts by itself what it asks its victim, whatever else that is asked before and meanwhile.

    Args:
        problems: what is attacked.
        attack: from problems to steps.
        minimal: the attack looks for the smallest change, and not for the best within a radius.
        restarts: so often it is tried, each time with other random numbers: with what is not solved yet, or, where the
            smallest change is looked for, with everything.
        shape: (n, ...), of what was given.
    """

    def __init__(
        self, problems: Problems, attack: Attack, *, minimal: bool, restarts: int, shape: tuple[int, ...]
    ) -> None:
        self.problems, self.minimal = replace(problems, victim=problems.victim.counted_anew()), minimal
        self._attack, self._restarts, self._shape = attack, restarts, shape
        self.last: Step | None = None
        self._steps = self._run()
        self._outcome: Outcome | None = None

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        self.last = next(self._steps)
        return self.last

    @property
    def outcome(self) -> Outcome:
        """What it found; runs it to its end."""
        if self._outcome is None:
            for _ in self:
                pass
            assert self.last is not None
            self._outcome = self._verified(self.last.pictures)
        return self._outcome

    def _run(self) -> Iterator[Step]:
        if self._restarts == 1:
            yield from self._attack(self.problems)
            return
        every, left = self.problems, self.problems.rows
        kept, rank, index = every.x.clone(), every.x.new_full((len(every), 2), math.inf), 0
        for restart in range(self._restarts):
            some = every.among(left)
            some = replace(some, key=replace(some.key, stage=some.key.stage + restart))
            for step in self._attack(some):
                yield _whole(kept, rank, left, step, index)
            index += step.index + 1
            kept, rank = self._better(kept, rank, left, step.pictures)
            solved = rank[:, 0].cpu() == 0
            yield Step(index, kept, rank[:, 1], ~solved)
            if self.minimal:
                solved = solved & every.near(rank[:, 1], every.rows)
            if self.minimal or self.problems.until_fooled:
                left = (~solved).nonzero().flatten()
                if not len(left):
                    return

    def _better(self, kept: Tensor, rank: Tensor, left: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The better of two tries of each problem: reached before not, then nearer, or with the smaller margin."""
        answers = self.problems.answers(pictures, left)
        reached = self.problems.reached(answers, left).to(rank.device)
        number = self.problems.margin(answers, left).to(rank)
        if self.minimal:
            number = torch.where(reached, self.problems.distance(pictures, left).to(rank), number)
        new, at = torch.stack([(~reached).to(rank), number], 1), left.to(rank.device)
        old = rank[at]
        wins = (new[:, 0] < old[:, 0]) | ((new[:, 0] == old[:, 0]) & (new[:, 1] < old[:, 1]))
        kept, rank = kept.clone(), rank.clone()
        kept[at[wins]], rank[at[wins]] = pictures[wins].to(kept), new[wins]
        return kept, rank

    def _verified(self, pictures: Float[Tensor, "n c h w"]) -> Outcome:
        problems, rows, layer = self.problems, self.problems.rows, self.problems.goal.layer
        victim, head = problems.victim, problems.victim.head
        found = problems.project(pictures.detach().to(problems.x), rows)
        if victim.through is not None:
            found = victim.through(found)
        at_first = victim.answers(problems.x, rows, layer, judged=True)
        before = problems.goal.reached(at_first, rows, head).cpu()
        victim.compare(at_first[:1], problems.x[:1], rows[:1], layer)
        found = torch.where(before.to(found.device).view(-1, 1, 1, 1), problems.x, found)
        answers = victim.answers(found, rows, layer, judged=True)
        return Outcome(
            inputs=found.reshape(self._shape),
            success=problems.goal.reached(answers, rows, head).cpu() & ~before,
            before=before,
            distances=problems.distance(found, rows).cpu(),
            answers=answers.cpu(),
            margins=problems.goal.margin(answers, rows, head).cpu(),
            forwards=victim.forwards.clone(),
            backwards=victim.backwards.clone(),
            norm=problems.norm,
        )


def _whole(kept: Tensor, rank: Tensor, left: Tensor, step: Step, index: int) -> Step:
    """A step of some problems as one of all."""
    at = left.to(kept.device)
    alive = torch.zeros(len(kept), dtype=torch.bool)
    alive[left] = step.alive.cpu() if len(step.alive) else True
    values = rank[:, 1].index_copy(0, at, step.values.to(rank))
    return Step(index + step.index, kept.index_copy(0, at, step.pictures.to(kept)), values, alive)
