"""The path of an optimization: its steps, and other views of the same path (the best so far, an average over time)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.core.errors import check_range


@dataclass(frozen=True)
class Step:
    """Where the optimization is: values belong to these pictures.

    Attributes:
        index: how many moves came before.
        pictures: (n, 3, h, w), or with alpha (n, 4, h, w).
        values: (n), to be made small.
        alive: (n), which problems still move.
        outputs: what the objective kept of its forward pass, (n, ...) by the layer's name; of a problem that has left
            the batch, its last.
        still: (n), which problems had a gradient of zero at every step so far; empty where nobody looks.
    """

    index: int
    pictures: Float[Tensor, "n c h w"]
    values: Float[Tensor, " n"]
    alive: Bool[Tensor, " n"] = field(default_factory=lambda: torch.tensor([]))
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    still: Bool[Tensor, " _"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))


def best(steps: Iterator[Step], by: str = "") -> Iterator[Step]:
    """The same steps, each problem with the best picture so far instead of the present one, its value and outputs.

    Args:
        by: the output, one number per picture, that is to be small; by default the values are.
    """
    kept: Step | None = None
    for step in steps:
        if kept is None:
            kept = step
        else:
            better = step.outputs[by] < kept.outputs[by] if by else step.values < kept.values
            kept = replace(
                step,
                pictures=_chosen(better, step.pictures, kept.pictures),
                values=torch.where(better, step.values, kept.values),
                outputs={name: _chosen(better, y, kept.outputs[name]) for name, y in step.outputs.items()},
            )
        yield kept


def _chosen(first: Bool[Tensor, " n"], one: Tensor, other: Tensor) -> Tensor:
    return torch.where(first.to(one.device).view(-1, *[1] * (one.dim() - 1)), one, other)


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
