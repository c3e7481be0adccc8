"""L-BFGS row by row: a history and a step length for each problem (PyTorch's couples all that it is given).

The direction is -H g, H the inverse Hessian as the last pairs s = change of the parameters, y = change of the gradient
tell it: the two-loop recursion of Nocedal 1980 (Nocedal & Wright 2006, algorithm 7.4), started at s.y / y.y times the
identity. The step is found by bisection (Lewis & Overton 2013, doi:10.1007/s10107-012-0514-2): too long where the value
has not fallen enough, too short where it still falls steeply (Wolfe's conditions), which also makes s.y > 0. All
evaluations of a step use the same key, so that transforms hold still while it is searched for; the next step's are new.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import check_range
from phosphene.core.optimization.engine import Evaluate, Optimizer, Update


def lbfgs(history: int = 10, evaluations: int = 20, decrease: float = 1e-4, curvature: float = 0.9) -> Optimizer:
    """Quasi-Newton steps; each problem searches for its own step length, and only those that search are evaluated.

    Args:
        history: how many pairs are remembered.
        evaluations: how often a step may be tried; where none of the tries falls enough, the problem stays in its place
            for this step and forgets its history.
        decrease: the value has to fall by this part of what the gradient promises.
        curvature: the step goes on while more than this part of the descent is left.
    Raises:
        Mistake: less than one pair or one evaluation.
    """
    check_range("history", history, 1)
    check_range("evaluations", evaluations, 1)

    def start(parameters: list[Tensor]) -> Update:
        memory = _Memory(parameters, history)

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            search = _Search(parameters, rows, values, _flat(gradients, rows), decrease, curvature)
            search.direction = memory.direction(search.gradient, rows)
            step, gradient = search.run(evaluate, evaluations)
            _set(parameters, rows, search.start + step)
            memory.add(step, gradient - search.gradient, rows)

        return update

    return start


class _Memory:
    """The last pairs of every problem, the newest last; a pair that is missing is 0 and changes nothing."""

    def __init__(self, parameters: list[Tensor], size: int) -> None:
        flat = _flat(parameters, torch.arange(len(parameters[0])))
        self.steps = flat.new_zeros(len(flat), size, flat.shape[1])
        self.changes = torch.zeros_like(self.steps)
        self.inverse = flat.new_zeros(len(flat), size)  # 1 / s.y
        self.scale = flat.new_zeros(len(flat))  # s.y / y.y of the newest

    def direction(self, gradient: Float[Tensor, "n d"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """-H g; without any pair -g, of length at most 1 in the l1 norm, as PyTorch's."""
        at = rows.to(gradient.device)
        s, y, inverse, scale = self.steps[at], self.changes[at], self.inverse[at], self.scale[at]
        q, factors = gradient.clone(), []
        for i in reversed(range(s.shape[1])):
            factors.append(inverse[:, i] * (s[:, i] * q).sum(1))
            q -= factors[-1][:, None] * y[:, i]
        first = 1 / gradient.abs().sum(1).clamp(min=1)
        q *= torch.where(scale > 0, scale, first)[:, None]
        for i, factor in enumerate(reversed(factors)):
            q += (factor - inverse[:, i] * (y[:, i] * q).sum(1))[:, None] * s[:, i]
        return -q

    def add(self, step: Float[Tensor, "n d"], change: Float[Tensor, "n d"], rows: Int[Tensor, " n"]) -> None:
        """Remember these pairs where s.y is positive; a problem that has not moved begins anew."""
        at = rows.to(step.device)
        product, square = (step * change).sum(1), change.square().sum(1)
        good = product > 1e-10 * square
        for memory, new in ((self.steps, step), (self.changes, change), (self.inverse, 1 / product)):
            some = at[good]
            memory[some] = torch.cat([memory[some][:, 1:], new[good][:, None]], 1)
        self.scale[at[good]] = (product / square)[good]
        stuck = at[(step == 0).all(1)]
        for memory in (self.steps, self.changes, self.inverse, self.scale):
            memory[stuck] = 0


class _Search:
    """The search for a step length along a direction, for each row on its own."""

    direction: Float[Tensor, "n d"]

    def __init__(
        self,
        parameters: list[Tensor],
        rows: Int[Tensor, " n"],
        values: Float[Tensor, " n"],
        gradient: Float[Tensor, "n d"],
        decrease: float,
        curvature: float,
    ) -> None:
        self.parameters, self.rows, self.values, self.gradient = parameters, rows, values, gradient
        self.start = _flat(parameters, rows)
        self.decrease, self.curvature = decrease, curvature

    def run(self, evaluate: Evaluate, evaluations: int) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """The steps, and the gradients at their ends: of each row the last that has fallen enough, 0 where none has."""
        descent = (self.gradient * self.direction).sum(1)
        length, low = torch.ones_like(descent), torch.zeros_like(descent)
        high = torch.full_like(descent, torch.inf)
        gradient = self.gradient.clone()
        open_ = torch.arange(len(self.rows), device=descent.device)
        for _ in range(evaluations):
            rows = self.rows[open_.cpu()]
            _set(self.parameters, rows, self.start[open_] + length[open_, None] * self.direction[open_])
            values, gradients = evaluate(rows)
            there = _flat(gradients, rows)
            fallen = values.to(descent) <= self.values.to(descent)[open_] + self.decrease * (length * descent)[open_]
            level = (there * self.direction[open_]).sum(1) >= self.curvature * descent[open_]
            gradient[open_[fallen]], low[open_[fallen]] = there[fallen], length[open_[fallen]]
            high[open_[~fallen]] = length[open_[~fallen]]
            open_ = open_[~(fallen & level)]
            if not len(open_):
                break
            length = torch.where(high.isinf(), 2 * low, (low + high) / 2)
        return low[:, None] * self.direction, gradient


def _flat(tensors: Sequence[Tensor], rows: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
    return torch.cat([x.detach()[rows.to(x.device)].flatten(1) for x in tensors], 1)


def _set(parameters: Sequence[Tensor], rows: Int[Tensor, " n"], flat: Float[Tensor, "n d"]) -> None:
    parts = flat.split([parameter[0].numel() for parameter in parameters], 1)
    for parameter, part in zip(parameters, parts, strict=True):
        parameter[rows.to(parameter.device)] = part.view(len(rows), *parameter.shape[1:])
