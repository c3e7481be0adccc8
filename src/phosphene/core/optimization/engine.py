"""argmin over theta of L(f(T(x(theta)))): a generator that moves pictures down an objective, one step at a time.

The engine is cut at the picture. On one side the objective, (pictures, rows, draw) -> (values, slopes); on the other
the parameterization, which pulls the slope back to its parameters, the optimizer and the constraint. The engine knows
no network. n independent problems run as one batch, each with its own stop: a finished one leaves the batch and its
picture does not move any more.

Randomness is keyed, not consumed: every number comes from a generator made of (seed, problem, step), so that a row of
a batch equals the same problem run alone (Philox: Salmon et al. 2011, doi:10.1145/2063384.2063405).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake, check_range

_WORD = 2**64 - 1


class NotFinite(Mistake):
    """A value, slope or picture that is infinite or not a number; says where, the last good picture is kept."""


@dataclass(frozen=True)
class Draw:
    """The random numbers of one step.

    Attributes:
        seed, step: their key, with the problem's identity; the parameterization's start is step -1.
        problems: the identity of each row; what makes row 5 of a batch equal problem 5 alone.
        stream: tells the users of one step apart.
    """

    seed: int
    step: int
    problems: Sequence[int]
    stream: int = 0

    def child(self, index: int) -> "Draw":
        """Numbers of their own for the index-th part of a composition."""
        return replace(self, stream=1024 * self.stream + index + 1)

    def _generators(self, rows: Int[Tensor, " n"]) -> Iterator[np.random.Generator]:
        for row in rows.tolist():
            words = [self.seed, self.problems[row], 0, 0, self.stream, self.step]
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


Objective = Callable[
    [Float[Tensor, "n c h w"], Int[Tensor, " n"], Draw], tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]
]
"""(pictures, rows: which problem each picture belongs to, draw) -> (a value for each, the slope of each)."""

Constraint = Callable[[Float[Tensor, "n c h w"], Int[Tensor, " n"]], Float[Tensor, "n c h w"]]
"""(pictures, rows) -> the nearest pictures that are allowed."""

Operator = Callable[
    [Float[Tensor, "n c h w"], Int[Tensor, " n"], Float[Tensor, "n c h w"], int], Float[Tensor, "n c h w"]
]
"""(pictures, rows, the slope that moved them, index of the move) -> the pictures to go on with."""

Stop = Callable[[Float[Tensor, "n c h w"], Int[Tensor, " n"], Float[Tensor, " n"]], Bool[Tensor, " n"]]
"""(pictures, rows, values) -> which of these problems are finished."""

Update = Callable[[list[Tensor], Int[Tensor, " n"], Callable[[], tuple[Tensor, list[Tensor]]]], None]
"""(slopes of the parameters, rows that may move, evaluate) moves the parameters; evaluate() gives the values and slopes
at the parameters as they then are, with the same draw (line searches)."""


@runtime_checkable
class Image(Protocol):
    """A parameterization: pictures as a function of parameters whose first axis counts problems."""

    parameters: list[Tensor]

    def __call__(self) -> Float[Tensor, "n c h w"]: ...

    def pull(self, slope: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The slopes of the parameters, for a slope of the pictures that the last call returned."""
        ...

    def assign(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> None:
        """Set the parameters of these rows so that they show these pictures."""
        ...


@dataclass(frozen=True)
class Step:
    """Where the optimization is: values belong to these pictures.

    Attributes:
        index: how many updates came before.
        pictures: (n, 3, h, w), or with alpha (n, 4, h, w).
        values: (n), to be made small.
        alive: (n), which problems still move.
    """

    index: int
    pictures: Float[Tensor, "n c h w"]
    values: Float[Tensor, " n"]
    alive: Bool[Tensor, " n"] = field(default_factory=lambda: torch.tensor([]))


def argmin(
    image: Image,
    objective: Objective,
    *,
    optimizer: Callable[[list[Tensor]], Update],
    operator: Operator | None = None,
    constraint: Constraint | None = None,
    steps: int = 256,
    seed: int = 0,
    stop: Stop | None = None,
    problems: Sequence[int] | None = None,
) -> Iterator[Step]:
    """Yield a Step, then move `image` down `objective`; the last Step comes after the last move.

    Args:
        image: the parameterization; its parameters are changed in place.
        objective: what to make small.
        optimizer: from parameters to an update of them.
        operator: applied to the pictures after every move (for parameterizations that can be assigned to).
        constraint: applied to them after that.
        steps: how many moves.
        seed: of all random numbers.
        stop: which problems are finished; they leave the batch.
        problems: the identity of each row for the random numbers; by default its index.
    Raises:
        NotFinite: a value, a slope or a picture is not finite; the Steps before were good.
    """
    update = optimizer(image.parameters)
    pictures = image()
    rows = torch.arange(len(pictures))
    names = rows.tolist() if problems is None else [int(p) for p in problems]
    values = pictures.new_full((len(pictures),), math.nan).detach()
    for index in range(steps + 1):
        draw = Draw(seed, index, names)
        if not math.isfinite(pictures.detach().sum().item()):
            raise NotFinite(f"the picture is not finite after step {index - 1}; a smaller step may help")

        found, slope = _evaluated(objective, pictures, rows, draw)
        values[rows] = found.to(values)
        alive = torch.zeros(len(pictures), dtype=torch.bool)
        if stop is not None:
            rows = rows[~stop(pictures.detach()[rows], rows, found).cpu()]
        alive[rows] = True
        yield Step(index, pictures.detach(), values.clone(), alive)
        if index == steps or not len(rows):
            return

        def again(rows: Tensor = rows, draw: Draw = draw) -> tuple[Tensor, list[Tensor]]:
            found, slope = _evaluated(objective, image(), rows, draw)
            return found, image.pull(slope)

        update(image.pull(slope), rows, again)
        pictures = image()
        if operator is not None or constraint is not None:
            with torch.no_grad():
                moved = pictures.detach()[rows]
                if operator is not None:
                    moved = operator(moved, rows, slope[rows], index)
                if constraint is not None:
                    moved = constraint(moved, rows)
                image.assign(moved, rows)
            pictures = image()


def _evaluated(objective: Objective, pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """The values of these rows, and the slopes of all pictures: 0 for the others."""
    if len(rows) == len(pictures):
        return objective(pictures.detach(), rows, draw)
    found, slope = objective(pictures.detach()[rows], rows, draw)
    return found, torch.zeros_like(pictures).index_copy_(0, rows.to(slope.device), slope)


def best(steps: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each problem with the best picture so far instead of the present one."""
    kept: Step | None = None
    for step in steps:
        if kept is None:
            kept = step
        else:
            better = step.values < kept.values
            pictures = torch.where(better[:, None, None, None], step.pictures, kept.pictures)
            kept = Step(step.index, pictures, torch.where(better, step.values, kept.values), step.alive)
        yield kept


def averaged(steps: Iterator[Step], beta: float = 0.99) -> Iterator[Step]:
    """The same steps with each problem's pictures averaged over time: smoother than the last one, which still trembles.

    m_t = beta m_(t-1) + (1 - beta) x_t, shown as m_t / (1 - beta^t): the bias correction of Adam (crowsonkb,
    style-transfer-pytorch). A problem's average ends with its last move. The values are those of the steps.

    Raises:
        Mistake: beta is not from 0 to .9999.
    """
    check_range("beta", beta, 0, 0.9999)
    total: Tensor | None = None
    weight = moving = torch.tensor(0.0)
    for step in steps:
        if total is None:
            total = torch.zeros_like(step.pictures)
            weight = step.pictures.new_zeros(len(total), 1, 1, 1)
            moving = torch.ones_like(step.alive)
        at = moving.to(total.device)[:, None, None, None]
        total = torch.where(at, torch.lerp(step.pictures, total, beta), total)
        weight = torch.where(at, torch.lerp(torch.ones_like(weight), weight, beta), weight)
        moving = step.alive
        yield replace(step, pictures=total / weight)
