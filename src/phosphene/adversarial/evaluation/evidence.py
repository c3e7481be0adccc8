"""What the checks of an evaluation look at, and what a check says.

An evaluation claims that a network is right within a radius for so many pictures. A check takes a sample of them, asks
the network itself a few things, and tries attacks again; it costs a small part of the evaluation.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.goals import Goal, Wanted, misclassified
from phosphene.adversarial.norms import Norm
from phosphene.adversarial.problems import Problems, problems
from phosphene.adversarial.victims import Classifier, Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import Radius
from phosphene.core.optimization.keys import Key

SAMPLE = 64
"""So many pictures are enough: a fault that concerns one in twenty is in a sample of 64 with 96 %."""

STRAY = 0.02
"""Of the sample, and one picture at least: so many are found by chance, by any of two attacks of equal worth."""

MANY = 0.05
"""From this share of the sample on a check fails; between the two it warns."""

MARGINS = frozenset({"a3", "fab", "square", "deepfool", "fmn"})
"""Attacks that go by margins."""

Result = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """What one check says.

    Attributes:
        name: of the check.
        outcome: "pass", "warn" (look at it) or "fail" (the robust accuracy can't be believed).
        words: what was seen, in one sentence without its full stop.
        images: the numbers, in the data, of the pictures that it was seen on.
        next: the option to run again with; nothing where it passes, or where no option helps.
    """

    name: str
    outcome: Result
    words: str
    images: tuple[int, ...] = ()
    next: str = ""


@dataclass(frozen=True)
class Trial:
    """What an attack did to some pictures.

    Attributes:
        success: which it fooled the network with, verified from what it returned.
        seen: on which the network was ever seen fooled on the way there.
    """

    success: Bool[Tensor, " n"]
    seen: Bool[Tensor, " n"]


@runtime_checkable
class Attempt(Protocol):
    """An attack by its name."""

    def __call__(
        self,
        name: str,
        victim: Victim,
        x: Float[Tensor, "n c h w"],
        wanted: Wanted,
        *,
        norm: Norm,
        eps: Radius,
        **options: Any,
    ) -> Trial: ...


def attempt(
    name: str,
    victim: Victim,
    x: Float[Tensor, "n c h w"],
    wanted: Wanted,
    *,
    norm: Norm,
    eps: Radius,
    **options: Any,
) -> Trial:
    """The attack of this name in the folder of attacks."""
    module = importlib.import_module(f"phosphene.adversarial.attacks.{name}")
    search = getattr(module, name).attack(victim, x, wanted, norm=norm, eps=eps, **options)
    seen = torch.zeros(len(x), dtype=torch.bool)
    for step in search:
        for answers in step.outputs.values():
            seen |= search.problems.reached(answers, search.problems.rows).cpu()
    return Trial(search.outcome.success, seen & ~search.outcome.before)


def nothing(many: int) -> Trial:
    """Of an attack that could not be made."""
    return Trial(torch.zeros(many, dtype=torch.bool), torch.zeros(many, dtype=torch.bool))


@dataclass(frozen=True, eq=False)
class Evidence:
    """A sample of what was evaluated, and who can be asked about it.

    Attributes:
        victim: who was evaluated, asked about these pictures alone (`Victim.among`).
        x: pictures that it is right about without any attack, at most `SAMPLE`.
        labels: their classes.
        norm, eps: of the evaluation.
        fooled: which of them the evaluation found a way to fool it with, within eps.
        attacks: the names of the attacks that it made.
        numbers: of the pictures, in the data.
        surrogates: other networks for the same classes, whose examples are tried on it.
        attempt: makes an attack.
        key: of random numbers.
    """

    victim: Victim
    x: Float[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    norm: Norm
    eps: float
    fooled: Bool[Tensor, " n"]
    attacks: frozenset[str] = frozenset()
    numbers: Int[Tensor, " n"] | None = None
    surrogates: Sequence[Network | Classifier] = ()
    attempt: Attempt = attempt
    key: Key = field(default_factory=Key)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def robust(self) -> Bool[Tensor, " n"]:
        """Those that no attack of the evaluation got."""
        return ~self.fooled

    @property
    def problems(self) -> Problems:
        """The pictures as problems of an attack."""
        return problems(self.victim, self.x, self._goal(self.labels), norm=self.norm, eps=self.eps, key=self.key)

    def _goal(self, labels: Int[Tensor, " m"]) -> Goal:
        """To be misclassified; by the margin where the evaluation went by margins, which never saturate."""
        goal = misclassified(labels)
        return replace(goal, loss=goal.margin) if self.attacks & MARGINS else goal

    @property
    def thorough(self) -> bool:
        """Whether gradients of several losses, and none, were among its attacks."""
        return {"apgd", "square"} <= self.attacks

    def numbered(self, which: Bool[Tensor, " n"]) -> tuple[int, ...]:
        """The numbers of these pictures in the data."""
        numbers = torch.arange(len(self)) if self.numbers is None else self.numbers
        return tuple(numbers[which.cpu()].tolist())

    def tried(
        self, name: str, among: Bool[Tensor, " n"] | None = None, *, eps: float | None = None, **options: Any
    ) -> Trial:
        """An attack on some of the pictures; of the others nothing is said. One that can't be made finds nothing."""
        every = torch.ones(len(self), dtype=torch.bool) if among is None else among
        rows = every.nonzero().flatten()
        if not len(rows):
            return nothing(len(self))
        try:
            found = self.attempt(
                name, self.victim.among(rows), self.x[rows], self._goal(self.labels[rows]), norm=self.norm,
                eps=eps or self.eps, key=self.key.of(rows.tolist()), **options,
            )  # fmt: skip
        except Mistake:  # no gradient, numbers that are not finite: other checks say so
            return nothing(len(self))
        success, seen = (torch.zeros(len(self), dtype=torch.bool) for _ in range(2))
        success[rows], seen[rows] = found.success, found.seen
        return Trial(success, seen)

    @cached_property
    def iterated(self) -> Trial:
        """Twenty steps along the gradient, within eps: what several checks compare with."""
        return self.tried("pgd", steps=20, step_size=self.eps / 5)

    def about(self, rows: Int[Tensor, " m"], victim: Victim) -> "Evidence":
        """The same about these pictures alone, of another victim."""
        return replace(
            self, victim=victim, x=self.x[rows], labels=self.labels[rows], fooled=self.fooled[rows],
            numbers=torch.tensor(self.numbered(torch.ones(len(self), dtype=torch.bool)))[rows],
            key=self.key.of(rows.tolist()),
        )  # fmt: skip

    def judged(self, name: str, found: Bool[Tensor, " n"], good: str, bad: str, next: str) -> Check:
        """The check that found these pictures: a few pass as chance.

        Args:
            good: what is said where it passes.
            bad: what is said where not, with `{}` for how many of how many.
        """
        many, of = int(found.sum()), max(1, len(self))
        if many <= max(1, STRAY * of):
            return Check(name, "pass", good)
        outcome: Result = "fail" if many > MANY * of else "warn"
        return Check(name, outcome, bad.format(f"{many} of {len(self)}"), self.numbered(found), next)
