"""How large a change is, and the nearest change that is small enough: the norms of adversarial inputs.

l-inf is the largest change of a value, l2 the Euclidean length, l1 the sum of absolute changes, l0 how many values
change at all; all over the values of a picture, in its own units ([0, 1]).
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.constraints import Radius, box, l1, l2, linf
from phosphene.core.optimization.engine import Constraint

Norm = Literal["linf", "l2", "l1", "l0"]
NORMS: tuple[Norm, ...] = get_args(Norm)

USUAL: dict[Norm, float] = {"linf": 8 / 255, "l2": 0.5, "l1": 12.0, "l0": 24.0}
"""Radii for CIFAR's 3,072 values (RobustBench; Croce & Hein 2021, arXiv:2103.01208; 2019, arXiv:1909.05040)."""


def size(change: Float[Tensor, "n ..."], norm: Norm) -> Float[Tensor, " n"]:
    """The norm of each change."""
    flat = change.flatten(1)
    if norm == "linf":
        return flat.abs().amax(1)
    if norm == "l2":
        return flat.norm(dim=1)
    return flat.abs().sum(1) if norm == "l1" else (flat != 0).sum(1).to(flat)


def dual(gradient: Float[Tensor, "n ..."], norm: Norm) -> Float[Tensor, " n"]:
    """How much a linear function with this gradient changes at most within radius 1: the dual norm.

    l-inf's is l1, l2's is l2, l1's is l-inf (Hölder). With l0 a value may change by any amount, and there is none;
    l-inf's is taken, as if each changed value changed by 1.
    """
    other: dict[Norm, Norm] = {"linf": "l1", "l2": "l2", "l1": "linf", "l0": "linf"}
    return size(gradient, other[norm])


def steepest(gradient: Float[Tensor, "n ..."], norm: Norm, part: float = 0.01) -> Float[Tensor, "n ..."]:
    """The direction of norm 1 along which a function with this gradient rises most; 0 where the gradient is 0.

    l-inf: its sign; l2: itself, normalized; l1: one value would do, and this part of the largest are taken, each by its
    sign, so that a step moves more than one (Tramèr & Boneh 2019, arXiv:1904.13000, section 3).
    """
    if norm == "linf":
        return gradient.sign()
    if norm == "l2":
        return gradient / _positive(size(gradient, "l2"), gradient)
    flat = gradient.abs().flatten(1)
    many = max(1, round(part * flat.shape[1]))
    least = flat.topk(many, 1).values[:, -1:].view(-1, *[1] * (gradient.dim() - 1))
    signs = torch.where(gradient.abs() >= least, gradient.sign(), 0)
    return signs / _positive(size(signs, "l1"), gradient)


def _positive(sizes: Tensor, like: Tensor) -> Tensor:
    return sizes.clamp(min=torch.finfo(like.dtype).tiny).view(-1, *[1] * (like.dim() - 1))


def usual_radius(norm: Norm, values: int) -> float:
    """The radius that is in use for pictures of so many values: as large for each value as `USUAL` is for CIFAR's."""
    scale = {"linf": 1.0, "l2": (values / 3072) ** 0.5, "l1": values / 3072, "l0": values / 3072}[norm]
    return USUAL[norm] * scale


def ball(
    center: Float[Tensor, "problems c h w"], radius: Radius, norm: Norm, low: float | Tensor, high: float | Tensor
) -> Constraint:
    """The nearest picture that is within the radius of its problem's center and within the bounds."""
    if norm == "l0":
        return _few(center, radius, low, high)
    return {"linf": linf, "l2": l2, "l1": l1}[norm](center, radius, low, high)


def _few(center: Tensor, radius: Radius, low: float | Tensor, high: float | Tensor) -> Constraint:
    """Only so many values may differ from the center: those that differ most, within the bounds."""
    within = box(low, high)

    def project(pictures: Tensor, rows: Tensor) -> Tensor:
        middle = center[rows.to(center.device)]
        moved = within(pictures, rows)
        flat = (moved - middle).flatten(1)
        many = radius[rows.to(radius.device)].to(flat.device) if isinstance(radius, Tensor) else radius
        rank = flat.abs().argsort(dim=1, descending=True, stable=True).argsort(1)
        kept = rank + 1 <= torch.as_tensor(many, device=flat.device).reshape(-1, 1)
        return torch.where(kept.view_as(moved), moved, middle)

    return project
