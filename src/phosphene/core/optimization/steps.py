"""The path of an optimization: its steps, and other views of the same path (the best so far, an average over time)."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
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


def _nowhere(tensors: Mapping[str, Tensor]) -> None:
    """Keep nothing."""


@dataclass
class Waypoints:
    """Where long work can go on after it was killed: what it needs from there, and who keeps that.

    Attributes:
        reached: is given the tensors at each such place.
        kept: those of the last one, where the work is to go on there.
    """

    reached: Callable[[Mapping[str, Tensor]], None] = _nowhere
    kept: Mapping[str, Tensor] | None = None


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
            kept = _kept(better, step, kept)
        yield kept


def _kept(better: Bool[Tensor, " n"], step: Step, kept: Step) -> Step:
    """The step, with what was kept of all problems but the better ones."""
    return replace(
        step,
        pictures=_chosen(better, step.pictures, kept.pictures),
        values=torch.where(better, step.values, kept.values),
        outputs={name: _chosen(better, y, kept.outputs[name]) for name, y in step.outputs.items()},
    )


def _chosen(first: Bool[Tensor, " n"], one: Tensor, other: Tensor) -> Tensor:
    return torch.where(first.to(one.device).view(-1, *[1] * (one.dim() - 1)), one, other)


def steadiest(steps: Iterator[Step], window: int = 50, patience: int = 200) -> Iterator[Step]:
    """The same steps, each problem with the picture at which its outputs varied least, and an end when that is past.

    A deep prior fits what is natural first and noise later, and its outputs vary least in between (Wang et al. 2021,
    arXiv:2112.06074, windowed moving variance): VAR(t) = mean over w < W of |x_(t+w) - mean of them|^2. Shown is x_t of
    the least VAR so far; a problem whose VAR did not become less for `patience` steps is over, and when all are, so are
    the steps. Until there is a window, the steps are shown as they are.

    Args:
        window: W, in steps; as many pictures are kept.
        patience: in steps.
    Raises:
        Mistake: a window of less than 2, or no patience.
    """
    check_range("the window", window, 2)
    check_range("patience", patience, 1)
    recent: deque[Step] = deque(maxlen=window)
    kept: Step | None = None
    least = waited = torch.zeros(0)
    for step in steps:
        recent.append(step)
        if len(recent) < window:
            yield step
            continue
        variances = torch.stack([one.pictures for one in recent]).var(0, unbiased=False).flatten(1).mean(1)
        if kept is None:
            kept, least, waited = recent[0], variances, torch.zeros_like(variances)
        else:
            better = (variances < least) & (waited < patience)
            least = torch.where(better, variances, least)
            waited = torch.where(better, 0, waited + 1)
            kept = _kept(better, recent[0], kept)
        over = waited >= patience
        yield replace(kept, index=step.index, alive=step.alive & ~over.to(step.alive.device), still=step.still)
        if over.all():
            return


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
