"""argmin over theta of L(f(T(x(theta)))): a generator that moves pictures down an objective, one step at a time.

The engine is cut at the picture. On one side the objective, (pictures, rows, key) -> Evaluation(values, gradients,
outputs); on the other the parameterization, which pulls the gradient back to its parameters, the optimizer and the
constraint. The engine knows no network. n independent problems run as one batch, each with its own stop: a finished one
leaves the batch and its picture does not move any more.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step


class NotFinite(Mistake):
    """A value, gradient or picture that is infinite or not a number; tells where; the last good picture is kept."""


class Evaluation(NamedTuple):
    """What an objective says about pictures.

    Attributes:
        values: of each picture, to be made small.
        gradients: of each picture's value with respect to the picture.
        outputs: the layers that were to be kept, (n, ...) by name; of several views their mean.
    """

    values: Float[Tensor, " n"]
    gradients: Float[Tensor, "n c h w"]
    outputs: Mapping[str, Tensor] = {}


Objective = Callable[[Float[Tensor, "n c h w"], Int[Tensor, " n"], Key], Evaluation]
"""(pictures, rows: which problem each picture belongs to, key) -> Evaluation."""

Constraint = Callable[[Float[Tensor, "n c h w"], Int[Tensor, " n"]], Float[Tensor, "n c h w"]]
"""(pictures, rows) -> the nearest pictures that are allowed."""

Operator = Callable[
    [Float[Tensor, "n c h w"], Int[Tensor, " n"], Float[Tensor, "n c h w"], int], Float[Tensor, "n c h w"]
]
"""(pictures, rows, the gradient that moved them, index of the move) -> the pictures to go on with."""

Stop = Callable[[Float[Tensor, "n c h w"], Int[Tensor, " n"], Evaluation], Bool[Tensor, " n"]]
"""(pictures, rows, what the objective says about them) -> which of these problems are finished."""

Evaluate = Callable[[Int[Tensor, " n"]], tuple[Float[Tensor, " n"], list[Tensor]]]
"""rows -> their values where the parameters now are, and the gradients of all parameters, 0 for other rows."""

Update = Callable[[Float[Tensor, " n"], list[Tensor], Int[Tensor, " n"], Evaluate], None]
"""(values of the rows that may move, gradients of all parameters, the rows, evaluate) moves the parameters of these
rows; evaluate may be called again and again, under the same key (line searches)."""

Optimizer = Callable[[list[Tensor]], Update]
"""From parameters, whose first axis counts problems, to an update of them."""


@runtime_checkable
class Parameterization(Protocol):
    """Pictures as a function of parameters whose first axis counts problems."""

    parameters: list[Tensor]

    def __call__(self) -> Float[Tensor, "n c h w"]: ...

    def pull(self, gradient: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The gradients of the parameters, for a gradient of the pictures that the last call returned."""
        ...

    def assign(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> None:
        """Set the parameters of these rows so that they show these pictures."""
        ...


def argmin(
    parameterization: Parameterization,
    objective: Objective,
    *,
    optimizer: Optimizer,
    operator: Operator | None = None,
    constraint: Constraint | None = None,
    steps: int = 256,
    key: Key = Key(),
    stop: Stop | None = None,
    last: Objective | None = None,
) -> Iterator[Step]:
    """Yield a Step, then move the parameterization down `objective`; the last Step comes after the last move.

    Args:
        parameterization: its parameters are changed in place.
        objective: what to make small.
        optimizer: from parameters to an update of them.
        operator: applied to the pictures after every move (for parameterizations that can be assigned to).
        constraint: applied to them after that.
        steps: how many moves.
        key: the seed and the stage of all random numbers, and the identity of each problem.
        stop: which problems are finished; they leave the batch.
        last: values the pictures after the last move, which nobody goes on from, so that it needs no gradient; by
            default the objective does.
    Raises:
        NotFinite: a value, a gradient or a picture is not finite; the Steps before were good.
    """
    update = optimizer(parameterization.parameters)
    pictures = parameterization()
    rows = torch.arange(len(pictures))
    values = pictures.new_full((len(pictures),), math.nan).detach()
    outputs: dict[str, Tensor] = {}
    for index in range(steps + 1):
        now = key.at(index)
        if not math.isfinite(pictures.detach().sum().item()):
            raise NotFinite(f"the picture is not finite after step {index - 1}; a smaller step may help")
        seen = _evaluated(last if last is not None and index == steps else objective, pictures, rows, now)
        values[rows] = seen.values.to(values)
        outputs = _merged(outputs, seen.outputs, rows, len(pictures))
        alive = torch.zeros(len(pictures), dtype=torch.bool)
        if stop is not None:
            rows = rows[~stop(pictures.detach()[rows], rows, seen).cpu()]
        alive[rows] = True
        yield Step(index, pictures.detach(), values.clone(), alive, outputs)
        if index == steps or not len(rows):
            return

        def again(rows: Tensor, now: Key = now) -> tuple[Tensor, list[Tensor]]:
            there = _evaluated(objective, parameterization(), rows, now)
            return there.values, parameterization.pull(there.gradients)

        update(values[rows], parameterization.pull(seen.gradients), rows, again)
        pictures = parameterization()
        if operator is not None or constraint is not None:
            with torch.no_grad():
                moved = pictures.detach() if len(rows) == len(pictures) else pictures.detach()[rows]
                if operator is not None:
                    moved = operator(moved, rows, seen.gradients[rows], index)
                if constraint is not None:
                    moved = constraint(moved, rows)
                parameterization.assign(moved, rows)
            pictures = parameterization()


def _evaluated(objective: Objective, pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
    """The values and outputs of these rows, and the gradients of all pictures: 0 for the others."""
    if len(rows) == len(pictures):
        return objective(pictures.detach(), rows, key)
    seen = objective(pictures.detach()[rows], rows, key)
    whole = torch.zeros_like(pictures).index_copy_(0, rows.to(seen.gradients.device), seen.gradients)
    return seen._replace(gradients=whole)


def _merged(before: dict[str, Tensor], now: Mapping[str, Tensor], rows: Tensor, many: int) -> dict[str, Tensor]:
    """The outputs of all problems: those of these rows are new."""
    if len(rows) == many:
        return dict(now)
    return before | {name: before[name].index_copy(0, rows.to(y.device), y) for name, y in now.items()}
