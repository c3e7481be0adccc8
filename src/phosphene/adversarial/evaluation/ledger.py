"""What is known so far of each picture of a data set: who fooled with it, how near, and the worst at each radius."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from phosphene.adversarial.evaluation.parts import ROUNDING, Part


@dataclass
class Tally:
    """What one attack did, at one radius or at all of them.

    Attributes:
        attack: its name in the ensemble.
        eps: the radius; None of one that looked for the smallest change.
        tried, fooled: how many pictures.
        forwards, backwards: passes of all of them together.
    """

    attack: str
    eps: float | None
    tried: int = 0
    fooled: int = 0
    forwards: int = 0
    backwards: int = 0

    def add(self, part: Part, fooled: int) -> None:
        """One more part."""
        self.tried += len(part.rows)
        self.fooled += fooled
        self.forwards += int(part.forwards.sum())
        self.backwards += int(part.backwards.sum())


class Worst:
    """Of one radius: whether each picture is fooled with, by whom, and the worst that was found.

    Args:
        eps: the radius.
        clean: the pictures themselves.
    Attributes:
        fooled: within the radius; never a picture that the network is wrong about anyway.
        by: the attack that did it; "" for none.
        pictures: one that fools, or the failed try of the smallest margin; float32.
        margins, distances, said, undecided: of it.
    """

    def __init__(self, eps: float, clean: Part) -> None:
        self.eps = eps
        self.fooled: Bool[Tensor, " n"] = torch.zeros(len(clean.rows), dtype=torch.bool)
        self.by = [""] * len(clean.rows)
        self.pictures, self.margins, self.distances = (
            one.clone() for one in (clean.pictures, clean.margins, clean.distances)
        )
        self.said, self.undecided = clean.said.clone(), clean.undecided.clone()

    def take(self, part: Part, which: Bool[Tensor, " m"]) -> None:
        """These of a part are worse than what was known."""
        at = part.rows[which]
        for name in ("pictures", "margins", "distances", "said", "undecided"):
            getattr(self, name)[at] = getattr(part, name)[which]


@dataclass
class Ledger:
    """An evaluation so far.

    Attributes:
        clean: what the network says without any attack.
        right: which pictures it is right about.
        worst: of each radius, from the smallest.
        nearest: the distance of the nearest picture found that fools; infinite for none, 0 for what is wrong anyway.
        tallies: of each attack at each radius, in the order in which they were made.
        forwards, backwards: passes of each picture, all attacks together.
    """

    clean: Part
    radii: Sequence[float]
    worst: list[Worst] = field(init=False)
    tallies: list[Tally] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.right: Bool[Tensor, " n"] = ~self.clean.success
        self.nearest = torch.where(self.right, math.inf, 0.0).double()
        self.forwards, self.backwards = self.clean.forwards.clone(), self.clean.backwards.clone()
        self.worst = [Worst(eps, self.clean) for eps in self.radii]

    def left(self, eps: float | None) -> Int[Tensor, " m"]:
        """The pictures that are still robust at a radius; without one, all that the network is right about."""
        if eps is None:
            return self.right.nonzero().flatten()
        (worst,) = (one for one in self.worst if one.eps == eps)
        return (self.right & ~worst.fooled).nonzero().flatten()

    def begin(self, attack: str, eps: float | None) -> None:
        """What is added from now on is of this attack."""
        self.tallies.append(Tally(attack, eps))

    def add(self, part: Part) -> None:
        """What the attack found; what fools within a radius does so within all larger ones."""
        tally, rows = self.tallies[-1], part.rows
        new = 0
        for worst in self.worst:
            inside = part.distances <= worst.eps + ROUNDING
            fools = part.success & inside & ~worst.fooled[rows]
            tries = ~part.success & inside & ~worst.fooled[rows] & (part.margins < worst.margins[rows])
            worst.take(part, fools | tries)
            worst.fooled[rows[fools]] = True
            for row in rows[fools].tolist():
                worst.by[row] = tally.attack
            new += int(fools.sum()) if worst.eps == tally.eps or tally.eps is None else 0
        near = torch.where(part.success, part.distances, math.inf)
        self.nearest[rows] = torch.minimum(self.nearest[rows], near)
        self.forwards[rows] += part.forwards
        self.backwards[rows] += part.backwards
        tally.add(part, int(part.success.sum()) if tally.eps is None else new)
