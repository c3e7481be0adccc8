"""Disjoint parts of a data set, on each of which a network of its own is trained.

Whether an example that fools one network fools another that has seen none of its pictures is what Szegedy et al. (2014,
arXiv:1312.6199, section 4.2) asked of two networks, each trained on a half of MNIST.

The pictures of a class are shuffled and the classes laid one behind the other; then all are dealt in turn, as cards
are. So every picture is in one part, and parts differ by no more than one picture, in all and in each class.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch

from phosphene.core.errors import Mistake, brief
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.training.pictures import PARTS, STARTS, Examples

LEAST = 2  # pictures of a class in a part: one to train on, one that is held out


class Part(NamedTuple):
    """One of several disjoint parts, `1/2` in words.

    Attributes:
        number: from 1.
        of: how many parts there are.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def among(self, examples: Examples, names: Sequence[str], seed: int = 0) -> Examples:
        """The pictures of this part, in the order in which they came.

        Args:
            names: of the classes.
            seed: that deals; parts are disjoint where it is the same.
        Raises:
            Mistake: a class has fewer than two pictures for each part.
        """
        many = torch.bincount(examples.labels, minlength=len(names))
        few, name = int(many.min()), names[int(many.argmin())]
        if few < LEAST * self.of:
            most = few // LEAST
            instead = f"give {most} parts at most" if most > 1 else "leave --part out"
            raise Mistake(
                f"class '{name}' has {few} picture{'s' * (few != 1)}, too few for {brief(self.of)} parts with two or "
                f"more in each; {instead}"
            )
        dealt = []
        for index in range(len(names)):
            rows = (examples.labels == index).nonzero()[:, 0]
            dealt.append(rows[Key(seed).child(PARTS).uniform(torch.tensor([index]), len(rows))[0].argsort()])
        return examples.part(torch.cat(dealt)[self.number - 1 :: self.of].sort().values)

    def start(self, seed: int) -> int:
        """The seed of the weights that the network of this part begins with.

        Networks that begin with the same weights stay alike, and what fools one fools the other for that reason too.
        """
        return int(Key(seed, stage=self.of).child(STARTS).integers(torch.tensor([self.number]), 1, 2**31))


def read_part(text: str) -> Part:
    """`K/N`: the K-th of N parts.

    Raises:
        Mistake: it is not that, N is below two, or K is not from 1 to N.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.replace(" ", ""))
    number, of = map(int, match.groups()) if match else (0, 0)
    wrong = f"{brief(text)} is not a valid value for part"
    if of < 2:
        raise Mistake(f"{wrong}: it must be K/N, the K-th of two or more parts, such as 1/2")
    if not 1 <= number <= of:
        raise Mistake(f"{wrong}: of {of} parts there are 1/{of} to {of}/{of}")
    return Part(number, of)
