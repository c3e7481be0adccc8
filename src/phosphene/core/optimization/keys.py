"""Randomness is keyed, not consumed: the random numbers of one (seed, problem, stage, step).

Every number comes from a generator made of its key alone, so that a row of a batch equals the same problem run alone, a
problem that leaves the batch shifts nobody, and a line search sees one transform (Philox, a function from counters to
random numbers: Salmon et al. 2011, doi:10.1145/2063384.2063405).
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_WORD = 2**64 - 1
EVERY = range(sys.maxsize)
"""The identities of problems that are numbered like their rows."""


@dataclass(frozen=True)
class Key:
    """The random numbers of one step of some problems.

    Attributes:
        seed: of everything.
        problems: the identity of each row; what makes row 5 of a batch equal problem 5 alone.
        stage: which of several ascents in a chain (octaves, sizes, frames).
        step: the move; the parameterization's start is step -1.
        stream: tells the users of one step apart.
    """

    seed: int = 0
    problems: Sequence[int] = EVERY
    stage: int = 0
    step: int = -1
    stream: int = 0

    def at(self, step: int) -> "Key":
        """The key of another step."""
        return replace(self, step=step)

    def child(self, index: int) -> "Key":
        """Numbers of their own for the index-th part of a composition."""
        return replace(self, stream=1024 * self.stream + index + 1)

    def of(self, rows: Sequence[int]) -> "Key":
        """The key of a batch that consists of these rows."""
        return replace(self, problems=[self.problems[row] for row in rows])

    def _generators(self, rows: Int[Tensor, " n"]) -> Iterator[np.random.Generator]:
        for row in rows.tolist():
            # the counter's first word counts the numbers that are drawn
            words = [self.seed, self.problems[row], 0, self.stage, self.stream, self.step]
            key, counter = np.split(np.array([word & _WORD for word in words], dtype=np.uint64), [2])
            yield np.random.Generator(np.random.Philox(key=key, counter=counter))

    def uniform(self, rows: Int[Tensor, " n"], *shape: int) -> Float[Tensor, "n *shape"]:
        """Float64 numbers in [0, 1) for each row."""
        return torch.from_numpy(np.stack([g.random(shape) for g in self._generators(rows)]))

    def normal(self, rows: Int[Tensor, " n"], *shape: int) -> Float[Tensor, "n *shape"]:
        """Float64 standard normal numbers for each row."""
        return torch.from_numpy(np.stack([g.standard_normal(shape) for g in self._generators(rows)]))

    def integers(self, rows: Int[Tensor, " n"], many: int, below: int) -> Int[Tensor, "n many"]:
        """Whole numbers from 0 to below - 1 for each row."""
        return (self.uniform(rows, many) * below).long()
