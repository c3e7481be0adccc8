"""L-BFGS row by row: a history and a step length for each problem (PyTorch's couples all that it is given).

The direction is -H g, H the inverse Hessian as the last pairs s = change of the parameters, y = change of the gradient
tell it: the two-loop recursion of Nocedal 1980 (Nocedal & Wright 2006, algorithm 7.4), started at s.y / y.y times the
identity. The step is found by bisection (Lewis & Overton 2013, doi:10.1007/s10107-012-0514-2): too long where the value
has not fallen enough, too short where it still falls steeply (Wolfe's conditions), which also makes s.y > 0. All
evaluations of a step use the same key, so that transforms hold still while it is searched for; the next step's are new.
"""

import tempfile
from collections.abc import Callable, Sequence
from typing import Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import check_range
from phosphene.core.optimization.engine import Evaluate, Optimizer, Update

Function = Callable[[Float[Tensor, "m d"], Int[Tensor, " m"]], tuple[Tensor, ...]]
"""(points, which of the problems each belongs to) -> their values, gradients, and whatever else is to be known."""

Side = float | Float[Tensor, " d"]

Store = Literal["auto", "memory", "bfloat16", "disk"]
"""Where a history is kept: in memory, there rounded to half as many bytes, or in a file without a name, which gives the
same numbers back; auto is the file where it would take `LARGE` memory."""

LARGE = 1e9
"""Bytes of a history that no memory is taken for."""

LEAST = 1e-10
"""A pair is good where s.y is more than this part of y.y, as PyTorch's."""


def lbfgs(
    history: int = 10,
    evaluations: int = 20,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    first: float | None = None,
    store: Store = "auto",
) -> Optimizer:
    """Quasi-Newton steps; each problem searches for its own step length, and only those that search are evaluated.

    Args:
        history: how many pairs are remembered.
        evaluations: how often a step may be tried; where none of the tries falls enough, the problem stays in its place
            for this step and forgets its history.
        decrease: the value has to fall by this part of what the gradient promises.
        curvature: the step goes on while more than this part of the descent is left.
        first: the mean change of a parameter that is tried without any pair. By default it is -g, of length at most 1
            in the l1 norm, as PyTorch's; of a large picture that changes no value in float32.
        store: where the history is kept.
    Raises:
        Mistake: less than one pair or one evaluation.
    """
    check_range("history", history, 1)
    check_range("evaluations", evaluations, 1)

    def start(parameters: list[Tensor]) -> Update:
        pairs = Pairs(_flat(parameters, torch.arange(len(parameters[0]))), history, store)

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            start = _flat(parameters, rows).clone()

            def function(points: Tensor, own: Tensor) -> tuple[Tensor, ...]:
                some = rows[own.cpu()]
                _set(parameters, some, points)
                values, gradients = evaluate(some)
                return values.to(points), _flat(gradients, some)

            here = (values.to(start), _flat(gradients, rows))
            at = rows.to(start.device)
            whole = here[1].abs().sum(1)
            tiny = torch.finfo(whole.dtype).tiny
            scale = 1 / whole.clamp(min=1) if first is None else first * here[1].shape[1] / whole.clamp(min=tiny)
            direction = newton(here[1], *pairs.of(at), scale)
            length, (_, gradient) = searched(
                function, start, here, direction, evaluations=evaluations, decrease=decrease, curvature=curvature
            )
            step = length[:, None] * direction
            _set(parameters, rows, start + step)
            change = gradient - here[1]
            pairs.add(step, change, at, (step * change).sum(1) > LEAST * change.square().sum(1))
            pairs.forget(at[length == 0])

        return update

    return start


class InMemory:
    """Kept in memory, as it is or rounded."""

    def __init__(self, like: Float[Tensor, "n d"], kept: torch.dtype) -> None:
        self._own, self._dtype = torch.zeros_like(like, dtype=kept), like.dtype

    def read(self) -> Float[Tensor, "n d"]:
        """All of it, not copied where it is not rounded."""
        return self._own.to(self._dtype)

    def write(self, rows: Int[Tensor, " m"], values: Float[Tensor, "m d"]) -> None:
        """These rows anew."""
        self._own[rows] = values.to(self._own.dtype)


class OnDisk:
    """Kept in a temporary file, which is gone with it."""

    def __init__(self, like: Float[Tensor, "n d"]) -> None:
        self._shape, self._device = like.shape, like.device
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, closed with its owner
        self._dtype = like.new_zeros(0).cpu().numpy().dtype
        self._row = like.shape[1] * self._dtype.itemsize
        self._file.truncate(like.shape[0] * self._row)

    def read(self) -> Float[Tensor, "n d"]:
        """All of it."""
        self._file.seek(0)
        return torch.from_numpy(np.fromfile(self._file, self._dtype)).view(self._shape).to(self._device)

    def write(self, rows: Int[Tensor, " m"], values: Float[Tensor, "m d"]) -> None:
        """These rows anew."""
        for row, own in zip(rows.tolist(), values.cpu(), strict=True):
            self._file.seek(row * self._row)
            own.numpy().tofile(self._file)


Kept = InMemory | OnDisk


class Remembered(Sequence[Tensor]):
    """What was kept of some problems, read when it is asked for."""

    def __init__(self, every: Sequence[Kept], rows: Int[Tensor, " m"] | None) -> None:
        self._every, self._rows = every, rows

    def __len__(self) -> int:
        return len(self._every)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> "Remembered": ...
    def __getitem__(self, index: int | slice) -> "Tensor | Remembered":
        if isinstance(index, slice):
            return Remembered(self._every[index], self._rows)
        whole = self._every[index].read()
        return whole if self._rows is None else whole[self._rows]


class Pairs:
    """The last pairs of every problem, the newest last; a pair that is missing is 0 and changes nothing."""

    def __init__(self, points: Float[Tensor, "n d"], size: int, store: Store = "memory") -> None:
        if store == "auto":
            store = "disk" if 2 * size * points.numel() * points.element_size() > LARGE else "memory"

        def kept() -> Kept:
            if store == "disk":
                return OnDisk(points)
            return InMemory(points, torch.bfloat16 if store == "bfloat16" else points.dtype)

        self._steps, self._changes = ([kept() for _ in range(size)] for _ in range(2))
        self._many = len(points)

    def of(self, rows: Int[Tensor, " m"]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """The steps and changes of these problems, not copied where it is all of them."""
        some = None if len(rows) == self._many else rows
        return Remembered(self._steps, some), Remembered(self._changes, some)

    def add(self, step: Float[Tensor, "m d"], change: Float[Tensor, "m d"], rows: Tensor, good: Tensor) -> None:
        """Remember the pairs of these rows that are good in place of their oldest ones; the others keep theirs."""
        if not good.any():
            return
        same = rows[~good]
        for memory, new in ((self._steps, step), (self._changes, change)):
            kept = [one.read()[same] for one in memory] if len(same) else []
            memory.append(memory.pop(0))  # nothing is moved but the list: a picture's history is large
            memory[-1].write(rows, new)
            for one, old in zip(memory, kept, strict=False):
                one.write(same, old)

    def forget(self, rows: Int[Tensor, " m"]) -> None:
        """These problems begin anew."""
        for one in [*self._steps, *self._changes] if len(rows) else []:
            one.write(rows, torch.zeros_like(one.read()[rows]))


def newton(
    gradient: Float[Tensor, "n d"], steps: Sequence[Tensor], changes: Sequence[Tensor], first: Float[Tensor, " n"]
) -> Float[Tensor, "n d"]:
    """-H g, from pairs (n, d) of which the newest is last; those without positive s.y change nothing.

    Args:
        first: times the identity is H where there is no pair.
    """
    q, scale, known = gradient.clone(), first, torch.zeros_like(first, dtype=torch.bool)
    factors: list[Tensor] = []
    inverses: list[Tensor] = []
    for s, y in zip(reversed(steps), reversed(changes), strict=True):
        product, square = (s * y).sum(1), y.square().sum(1)
        good = product > LEAST * square
        scale, known = torch.where(good & ~known, product / square, scale), known | good
        inverses.append(torch.where(good, 1 / product, 0))
        factors.append(inverses[-1] * (s * q).sum(1))
        q.addcmul_(factors[-1][:, None], y, value=-1)
    q *= scale[:, None]
    for s, y, factor, inverse in zip(steps, changes, reversed(factors), reversed(inverses), strict=True):
        q.addcmul_((factor - inverse * (y * q).sum(1))[:, None], s)
    return q.neg_()


def searched(
    function: Function,
    start: Float[Tensor, "n d"],
    here: tuple[Tensor, ...],
    direction: Float[Tensor, "n d"],
    *,
    evaluations: int = 20,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    low: Side = -torch.inf,
    high: Side = torch.inf,
) -> tuple[Float[Tensor, " n"], tuple[Tensor, ...]]:
    """The length of a step along a direction for each problem, and what the function says at its end.

    That is of each the last try that has fallen enough; 0, and what it says at the start, where none has. Within bounds
    the path bends: every value stops at its bound (Bertsekas 1982, doi:10.1137/0320018).

    Args:
        here: what the function says at the start.
        low, high: the bounds.
    """
    descent = (here[1] * direction).sum(1)
    bottom, top = torch.as_tensor(low).to(start), torch.as_tensor(high).to(start)
    length, least = torch.ones_like(descent), torch.zeros_like(descent)
    most, found = torch.full_like(descent, torch.inf), tuple(part.clone() for part in here)
    left = torch.arange(len(start), device=start.device)
    for _ in range(evaluations):
        points = (start[left] + length[left, None] * direction[left]).clamp(bottom, top)
        there = function(points, left)
        promised = ((points - start[left]) * here[1][left]).sum(1)
        fallen = there[0] <= here[0][left] + decrease * promised
        moving = torch.where((points > bottom) & (points < top), direction[left], 0)
        level = (there[1] * moving).sum(1) >= curvature * descent[left]
        good = left[fallen]
        for part, new in zip(found, there, strict=True):
            part[good] = new[fallen]
        least[good], most[left[~fallen]] = length[good], length[left[~fallen]]
        left = left[~(fallen & level)]
        if not len(left):
            break
        length = torch.where(most.isinf(), 2 * least, (least + most) / 2)
    return least, found


def _flat(tensors: Sequence[Tensor], rows: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """These rows of all tensors as vectors; of a single tensor's all rows it is no copy."""
    if len(tensors) == 1 and len(rows) == len(tensors[0]):
        return tensors[0].detach().flatten(1)
    return torch.cat([x.detach()[rows.to(x.device)].flatten(1) for x in tensors], 1)


def _set(parameters: Sequence[Tensor], rows: Int[Tensor, " n"], flat: Float[Tensor, "n d"]) -> None:
    parts = flat.split([parameter[0].numel() for parameter in parameters], 1)
    for parameter, part in zip(parameters, parts, strict=True):
        parameter[rows.to(parameter.device)] = part.view(len(rows), *parameter.shape[1:])
