"""What comes out of an evaluation, as files: a summary, a line for each picture, and the worst pictures themselves."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from phosphene.adversarial.evaluation.curves import median, staircase
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.evidence import Check
from phosphene.adversarial.evaluation.judging import doubted
from phosphene.adversarial.evaluation.ledger import Ledger, Worst
from phosphene.adversarial.evaluation.verdict import verdict
from phosphene.core.options import shown
from phosphene.core.results.intervals import wilson

SUMMARY, TABLE = "summary.json", "images.csv"
"""Of each evaluation; the worst pictures are in files of their own."""


def worst_file(norm: str, eps: float) -> str:
    """The file of the worst pictures at a radius: `worst-linf-2-255.npy`."""
    return f"worst-{norm}-{shown(eps).replace('/', '-')}.npy"


def names(norm: str, radii: Sequence[float]) -> list[str]:
    """All files that an evaluation writes."""
    return [SUMMARY, TABLE, *(worst_file(norm, eps) for eps in radii)]


@dataclass(frozen=True, eq=False)
class Share:
    """So many of so many, and where the share lies with 95 %."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """From 0 to 1."""
        return self.hits / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's."""
        return wilson(self.hits, self.of)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"accuracy": self.value, "interval": list(self.interval), "right": self.hits, "of": self.of}


@dataclass(frozen=True, eq=False)
class Report:
    """A finished evaluation.

    Attributes:
        evaluation: whose work is done.
        checks: what was looked at to know whether to believe it.
    """

    evaluation: Evaluation
    checks: Sequence[Check] = ()

    @property
    def ledger(self) -> Ledger:
        """What was found."""
        assert self.evaluation.ledger is not None
        return self.evaluation.ledger

    @cached_property
    def clean(self) -> Share:
        """Accuracy without any attack."""
        return Share(int(self.ledger.right.sum()), len(self.evaluation.data))

    def robust(self, worst: Worst) -> Share:
        """Accuracy under the worst case of every attack."""
        return Share(int((self.ledger.right & ~worst.fooled).sum()), len(self.evaluation.data))

    @property
    def verdict(self) -> str:
        """One line: the accuracy at the radius that was checked, and whether to believe it."""
        worst = doubted(self.evaluation)
        share = self.robust(worst)
        return verdict(self.checks, share.hits, share.of, worst.eps, self.evaluation.norm)

    @property
    def passes(self) -> tuple[float, float]:
        """Forward and backward passes, the mean of all pictures."""
        return float(self.ledger.forwards.double().mean()), float(self.ledger.backwards.double().mean())

    @property
    def furthest(self) -> float:
        """Where the curve ends: at twice the largest radius."""
        return 2 * self.evaluation.radii[-1]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """(radius, accuracy) where it falls."""
        return staircase(self.ledger.nearest, self.furthest)

    def summary(self) -> dict[str, Any]:
        """All numbers but those of single pictures, ready for JSON."""
        evaluation, (forwards, backwards) = self.evaluation, self.passes
        many = len(evaluation.data)
        tallies = [
            {
                "attack": one.attack, "eps": one.eps, "tried": one.tried, "fooled": one.fooled,
                "forwards": one.forwards / many, "backwards": one.backwards / many,
            }
            for one in self.ledger.tallies
        ]  # fmt: skip
        return {
            "verdict": self.verdict,
            "checks": [asdict(check) for check in self.checks],
            "clean": self.clean.record(),
            "robust": [
                {"eps": one.eps, **self.robust(one).record(), "undecided": int(one.undecided.sum())}
                for one in self.ledger.worst
            ],
            "attacks": tallies,
            "passes of a picture": {"forwards": forwards, "backwards": backwards},
            "median distance": median(self.ledger.nearest),
            "curve": self.curve if evaluation.curve else [],
            "of": {name: value for name, value in evaluation.of.items() if name != "batch"},  # which changes nothing
        }  # fmt: skip

    def rows(self) -> list[list[str]]:
        """A line for each picture under a line of heads."""
        data, ledger = self.evaluation.data, self.ledger
        heads = ["number", "name", "class", "said", "right", "nearest", "forwards", "backwards"]
        for worst in ledger.worst:
            heads += [f"{head} {shown(worst.eps)}" for head in ("fooled by", "said", "margin", "distance")]
        lines = [heads]
        for i, name in enumerate(data.names):
            nearest = float(ledger.nearest[i])
            line = [
                str(i), name, str(int(data.labels[i])), str(int(ledger.clean.said[i])), str(int(ledger.right[i])),
                f"{nearest:.6g}" if math.isfinite(nearest) else "", str(int(ledger.forwards[i])),
                str(int(ledger.backwards[i])),
            ]  # fmt: skip
            for worst in ledger.worst:
                line += [worst.by[i], str(int(worst.said[i])), f"{worst.margins[i]:.6g}", f"{worst.distances[i]:.6g}"]
            lines.append(line)
        return lines

    def nearest_fooled(self, many: int) -> list[tuple[int, Worst]]:
        """The pictures with which it took least, and the smallest radius at which each one is fooled."""
        order = torch.where(self.ledger.right, self.ledger.nearest, math.inf).argsort(stable=True).tolist()
        found = ((i, next((worst for worst in self.ledger.worst if worst.fooled[i]), None)) for i in order)
        return [(i, worst) for i, worst in found if worst is not None][:many]

    def files(self) -> dict[str, bytes]:
        """Everything but the page."""
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(self.rows())
        return {
            SUMMARY: json.dumps(self.summary(), indent=1).encode(),
            TABLE: table.getvalue().encode(errors="surrogateescape"),
            **{worst_file(self.evaluation.norm, one.eps): _npy(one.pictures.numpy()) for one in self.ledger.worst},
        }


def _npy(pictures: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, pictures)
    return file.getvalue()
