"""How often two answerers are right, and how often they agree beyond what that alone would bring.

Two that are right nine times in ten agree often, whatever they look at. Cohen's kappa and the error consistency of
Geirhos et al. take off what chance would give: 0 is as independent answerers agree, 1 is always, below 0 is less.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from phosphene.core.results.intervals import wilson


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, of 95 %."""
        return wilson(self.hits, self.of)

    def record(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {"right": self.hits, "of": self.of, "accuracy": self.value, "interval": list(self.interval)}

    def __str__(self) -> str:
        if self.value is None:
            return "none"
        low, high = (f"{100 * end:.0f}" for end in self.interval)
        return f"{self.hits} of {self.of}, {100 * self.value:.0f} % [{low}, {high}]"


def right(answers: Sequence[Hashable], truths: Sequence[Hashable]) -> Share:
    """How many answers are the truth."""
    return Share(sum(a == t for a, t in zip(answers, truths, strict=True)), len(answers))


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two lists of answers (1960, doi:10.1177/001316446002000104).

    (p_o - p_e) / (1 - p_e): p_o is the share that is the same, p_e what two would share who give each answer as often,
    but independently. None where nothing was answered, or both always gave the same one answer.
    """
    n = len(first)
    if n == 0:
        return None
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    kinds = sorted(set(first) | set(second), key=repr)
    expected = sum((list(first).count(kind) / n) * (list(second).count(kind) / n) for kind in kinds)
    return _beyond(observed, expected)


def error_consistency(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Whether two are wrong about the same pictures (Geirhos et al. 2020, arXiv:2006.16736).

    (c_o - c_e) / (1 - c_e): c_o is the share where both are right or both are wrong, c_e = p q + (1 - p)(1 - q) what
    independent answerers of accuracies p and q would have. None where nothing was answered, or both are always right,
    or always wrong: nothing is left to agree about.
    """
    n = len(first)
    if n == 0:
        return None
    p, q = sum(first) / n, sum(second) / n
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    return _beyond(observed, p * q + (1 - p) * (1 - q))


def _beyond(observed: float, expected: float) -> float | None:
    return None if expected > 1 - 1e-12 else (observed - expected) / (1 - expected)


def confusion(truths: Sequence[int], answers: Sequence[int], kinds: Sequence[int]) -> Int[np.ndarray, "k k+1"]:
    """How often each kind (row) was taken for each kind (column); the last column counts answers beyond these."""
    place = {kind: i for i, kind in enumerate(kinds)}
    table = np.zeros((len(kinds), len(kinds) + 1), dtype=np.int64)
    for truth, answer in zip(truths, answers, strict=True):
        table[place[truth], place.get(answer, len(kinds))] += 1
    return table
