"""What one attack did to a few pictures of a data set: what an evaluation is made of, and what is kept of it."""

import io
import zipfile
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.adaptive import Expected, majority
from phosphene.adversarial.norms import Norm, size
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.searches import Search

ROUNDING = 1e-7
"""By so much a radius may be missed, as the pictures are written as float32."""

READS = 100
"""So often a network that answers differently each time is asked what a picture is."""


@dataclass(frozen=True, eq=False)
class Part:
    """An attack on some pictures.

    Attributes:
        rows: their numbers in the data.
        pictures: what it found, as it is written: float32; of one that it did not get the best failed try.
        success: whether that fools.
        said: the class that it is taken for.
        undecided: whether so many reads don't tell, of a network that answers differently each time.
        margins: of the goal, below 0 where it fools.
        distances: from the picture of the data, in the norm of the evaluation.
        forwards, backwards: passes of each picture.
    """

    rows: Int[Tensor, " n"]
    pictures: Float[Tensor, "n c h w"]
    success: Bool[Tensor, " n"]
    said: Int[Tensor, " n"]
    undecided: Bool[Tensor, " n"]
    margins: Float[Tensor, " n"]
    distances: Float[Tensor, " n"]
    forwards: Int[Tensor, " n"]
    backwards: Int[Tensor, " n"]

    def packed(self) -> bytes:
        """As a file; the same bytes for the same numbers."""
        file = io.BytesIO()
        np.savez(file, **{name: getattr(self, name).numpy() for name in NAMES})
        return file.getvalue()

    @classmethod
    def unpacked(cls, data: bytes) -> "Part":
        """From such a file.

        Raises:
            ValueError: it is damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                found = cls(**{name: torch.from_numpy(arrays[name]) for name in NAMES})
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, EOFError, OSError) as error:
            raise ValueError("not a part of an evaluation") from error
        if len({len(getattr(found, name)) for name in NAMES}) != 1:
            raise ValueError("not a part of an evaluation")
        return found


NAMES = tuple(field.name for field in fields(Part))


def part(
    search: Search, rows: Int[Tensor, " n"], originals: Float[Tensor, "n c h w"], eps: float | None, norm: Norm
) -> Part:
    """What came out of an attack, as it will be written: rounded to float32, and within the radius all the same.

    What rounding would take out of the ball is drawn towards the original by a millionth more than that, and asked
    about once more.

    Args:
        originals: of the data, float32.
        eps: the radius; None where the smallest change was looked for.
    """
    outcome, problems = search.outcome, search.problems
    answers, success, margins = (one.clone() for one in (outcome.answers, outcome.success, outcome.margins))
    written = outcome.inputs.detach().cpu().float()
    distances = size(written.double() - originals.double(), norm)
    over = distances > eps + ROUNDING if eps is not None else torch.zeros(len(rows), dtype=torch.bool)
    if over.any():
        at = over.nonzero().flatten()
        assert eps is not None
        shrinks = (eps * (1 - 1e-6) / distances[at]).view(-1, 1, 1, 1)
        nearer = originals[at].double() + (written[at].double() - originals[at].double()) * shrinks
        written[at] = nearer.float()
        distances[at] = size(written[at].double() - originals[at].double(), norm)
        again = problems.victim.answers(written[at].to(problems.x), at, problems.goal.layer, judged=True).cpu()
        answers[at], success[at] = again, problems.goal.reached(again, at, problems.victim.head)
        margins[at] = problems.goal.margin(again, at, problems.victim.head).to(margins)
    said, success, undecided = decided(problems, written, answers, success)
    return Part(
        rows, written, success & ~outcome.before, said, undecided, margins.double(), distances,
        problems.victim.forwards.clone(), problems.victim.backwards.clone(),
    )  # fmt: skip


def decided(
    problems: Problems, written: Float[Tensor, "n c h w"], answers: Tensor, reached: Bool[Tensor, " n"]
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"], Bool[Tensor, " n"]]:
    """(the class that each picture is taken for, whether that is the goal, whether that is undecided).

    Of a network whose mean over draws was attacked, what it says most often of many reads with other draws.

    Args:
        answers, reached: of a single read.
    """
    victim, labels = problems.victim, problems.goal.labels
    if not isinstance(victim, Expected) or labels is None:
        return victim.head.decided(answers).cpu(), reached.cpu(), torch.zeros(len(written), dtype=torch.bool)
    votes = majority(victim, written.to(problems.x), READS, victim.seed + 1)
    return votes.classes, ~votes.right(labels.cpu()), votes.undecided(labels.cpu())
