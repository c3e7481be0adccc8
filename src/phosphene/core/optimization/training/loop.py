"""The loop of a training: it can be stopped between any two batches, and goes on from there to the same weights.

Whoever trains says what a step is and what an epoch has come to; the order of the pictures, the counting, what is kept
and the checkpoint are here. What is measured and kept is the moving average of the weights.
"""

import copy
import hashlib
import io
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from phosphene.core.errors import Mistake, first_line
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.training.pictures import Examples, order_of
from phosphene.core.options import shown
from phosphene.core.paths import opened
from phosphene.core.saving import undisturbed


@dataclass(frozen=True)
class AnyCourse:
    """How a model is trained, in plain values; everybody who trains adds to it.

    Attributes:
        sides: of the pictures, epoch by epoch.
    """

    sides: tuple[int, ...]


@dataclass(frozen=True)
class AnyEpoch:
    """What came of an epoch, in plain values; everybody who trains adds to it.

    Attributes:
        number: from 1.
    """

    number: int


Epoch = TypeVar("Epoch", bound=AnyEpoch)


class Loop(ABC, Generic[Epoch]):
    """for epoch in training: None for a batch, what came of it at the end of each epoch.

    Args:
        name: of what is trained.
        model: it changes.
        examples: to train on.
        held: to measure with.
        course: how.
        batch: pictures at a time.
        seed: of all random numbers.
        kind: of what comes of an epoch.
        moments: how many numbers the steps remember of every weight.
    Attributes:
        model, average: what is trained, and the moving average of its weights.
        best: the state of the average that was best, and the number of its epoch.
        epochs: what came of those that have ended.
    """

    def __init__(
        self, name: str, model: nn.Module, examples: Examples, held: Examples, course: AnyCourse, batch: int,
        seed: int, kind: type[Epoch], moments: int = 1,
    ) -> None:  # fmt: skip
        self.name, self.model, self.examples, self.held, self.seed = name, model, examples, held, seed
        self._course, self._kind = course, kind
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.epochs: list[Epoch] = []
        self.best: tuple[int, dict[str, Any]] = 0, {}
        self.batch = min(batch, len(examples.labels))
        self.batches = len(examples.labels) // self.batch
        self._done = 0  # batches of this epoch
        self._sums: tuple[float, ...] = (0.0,)  # their seconds, and what the steps found
        self._weights = [p for p in model.parameters() if p.requires_grad]
        self._moments = [[torch.zeros_like(p) for p in self._weights] for _ in range(moments)]

    # ---------------------------------------------------------------------------------------------- to be filled in

    @abstractmethod
    def _step(self, rows: Int[Tensor, " n"]) -> tuple[float, ...]:
        """Learn from these pictures; numbers whose means over an epoch are wanted, the same each time."""

    @abstractmethod
    def _measured(self, number: int, means: tuple[float, ...], seconds: float) -> Epoch:
        """What the epoch has come to, from the means of the steps' numbers and the seconds of the steps."""

    @abstractmethod
    def _better(self, ended: Epoch, before: Epoch) -> bool:
        """Whether the weights of the first are to be kept."""

    @property
    @abstractmethod
    def heads(self) -> str:
        """Above the columns of `line`."""

    @abstractmethod
    def line(self, one: Epoch) -> str:
        """An epoch in columns."""

    @property
    @abstractmethod
    def own_identity(self) -> Mapping[str, Any]:
        """What makes it this training and no other, besides its course, its seed and its pictures."""

    @property
    def beginning(self) -> str:
        """What is to be said before."""
        return ""

    @property
    def words(self) -> str:
        """What is to be said about the last epoch."""
        return ""

    # -------------------------------------------------------------------------------------------------- on and on

    @property
    def sides(self) -> tuple[int, ...]:
        """Of the pictures, epoch by epoch."""
        return self._course.sides

    @property
    def total(self) -> int:
        """Batches of all epochs."""
        return self.batches * len(self.sides)

    @property
    def taken(self) -> int:
        """Batches that were trained on."""
        return len(self.epochs) * self.batches + self._done

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        return self.epochs[self.best[0] - 1] if self.best[0] else None

    def __iter__(self) -> Iterator[Epoch | None]:
        while len(self.epochs) < len(self.sides):
            order = order_of(len(self.examples.labels), self._key.at(-1))
            for rows in order.split(self.batch)[self._done : self.batches]:
                with undisturbed():
                    self._learn(rows)
                yield None
            ended = self._ended()
            with undisturbed():
                self._keep(ended)
            yield ended

    @property
    def _key(self) -> Key:
        return Key(self.seed, stage=len(self.epochs), step=self._done)

    def _learn(self, rows: Int[Tensor, " n"]) -> None:
        """One step on a batch."""
        began = time.monotonic()
        found = self._step(rows)
        sums = self._sums if self._done else (0.0,) * (1 + len(found))
        self._sums = tuple(a + b for a, b in zip(sums, (time.monotonic() - began, *found), strict=True))
        self._done += 1

    def _down(self, loss: Tensor) -> None:
        """The gradient of a loss at the weights.

        Raises:
            Mistake: it is not finite.
        """
        if not math.isfinite(loss.item()):
            raise Mistake(f"the loss is not finite in epoch {len(self.epochs) + 1}; a smaller rate may help")
        self.model.zero_grad()
        loss.backward()

    def _ended(self) -> Epoch:
        seconds, *sums = self._sums
        return self._measured(len(self.epochs) + 1, tuple(one / self.batches for one in sums), seconds)

    def _keep(self, ended: Epoch) -> None:
        before = self.best_epoch
        self.epochs.append(ended)
        self._done, self._sums = 0, (0.0,)
        if before is None or self._better(ended, before):
            self.best = ended.number, copy.deepcopy(self.average.state_dict())

    # ------------------------------------------------------------------------------------------------------ checkpoints

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this training and no other."""
        data = hashlib.sha256()
        for part in (*self.examples, *self.held):
            data.update(part.contiguous().numpy().data)
        own = {"seed": self.seed} | dict(self.own_identity)
        return asdict(self._course) | own | {"the data": data.hexdigest()}

    def saved(self) -> bytes:
        """Everything that it goes on from, as a file that opens without executing code."""
        state = {
            "identity": self.identity, "model": self.model.state_dict(), "average": self.average.state_dict(),
            "best": self.best, "moments": self._moments,
            "epochs": [asdict(one) for one in self.epochs], "done": self._done, "sums": self._sums,
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def resume(self, file: Path) -> None:
        """Go on from what was saved by a training of the same network, pictures, course and seed.

        Raises:
            Mistake: it can't be read, or another training saved it.
        """
        try:
            with opened(file) as held:
                state = torch.load(held, map_location="cpu", weights_only=True)
            before = state["identity"]
        except Exception as cause:  # parsers of files from anywhere raise nearly anything
            why = first_line(cause)
            raise Mistake(f"{file} is no checkpoint of a training ({why}); give --force, or another --out") from cause
        for what, value in self.identity.items():
            if (there := before.get(what)) != value:
                values = "is another one" if "the " in what else f"is {_told(there)} there, and {_told(value)} now"
                raise Mistake(
                    f"{file} belongs to another training: {what} {values}; give --force to begin anew, or another --out"
                )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for owns, values in zip(self._moments, state["moments"], strict=True):
            for own, value in zip(owns, values, strict=True):
                own.copy_(value)
        self.epochs, self.best = [self._kind(**one) for one in state["epochs"]], tuple(state["best"])
        self._done, self._sums = state["done"], tuple(state["sums"])


def _told(value: Any) -> str:
    if value is None:
        return "none"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else shown(value)
