"""The smallest change that brings a linear function below 0 within bounds: what attacks by linearization step along.

Near x the margin is nearly v - <w, d> for a change -d, v the margin and w its gradient there. With room_i what is left
of value i on the side to which sign(w_i) sends it,

    minimize |d|_p    subject to    sum |w_i| |d_i| >= v,    |d_i| <= room_i

has |d_i| = min(t, room_i) for l-inf and min(t |w_i|, room_i) for l2, with one t for all values, which Newton's method
finds exactly. For l1 the values with the largest |w_i| go all the way, for l0 those with the largest |w_i| room_i,
until it is enough: a knapsack, whose last value goes only so far for l1 (Croce & Hein 2020, arXiv:1907.02044, section
2.2, where all of it is done by sorting), and all the way for l0, where that costs nothing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.norms import Norm
from phosphene.core.optimization.constraints import End, level


def crossing(
    x: Float[Tensor, "m c h w"],
    normal: Float[Tensor, "m c h w"],
    value: Float[Tensor, " m"],
    norm: Norm,
    low: End = 0.0,
    high: End = 1.0,
) -> tuple[Float[Tensor, "m c h w"], Float[Tensor, " m"]]:
    """(the smallest changes that take `value` off linear functions within the bounds, what is left of |value|).

    Where value is below 0, the way goes up, to 0 too. What can't be reached is approached as far as the bounds let it;
    something is left only then.

    Args:
        normal: the gradients of these functions.
        value: of these functions at x.
    """
    down = torch.where(value < 0, 1.0, -1.0).to(x).view(-1, 1, 1, 1) * normal.sign()
    bottom, top = (torch.as_tensor(end).to(x) for end in (low, high))
    room = torch.where(down > 0, top - x, x - bottom).clamp(min=0)
    scale = normal.abs().flatten(1).amax(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    slope, much = normal.abs().flatten(1) / scale, value.abs()[:, None] / scale  # squares of small ones would be 0
    room = torch.where(slope == 0, 0.0, room.flatten(1))
    if norm in ("linf", "l2"):
        pace = (slope > 0).to(slope) if norm == "linf" else slope
        t = level(slope * pace, slope * room, much)
        far = torch.where(slope > 0, torch.minimum(t * pace, room), 0.0)
    else:
        far = _one_by_one(slope, room, slope if norm == "l1" else slope * room, much)
        if norm == "l0":
            far = torch.where((far > 0) & room.isfinite(), room, far)
    left = (much - (slope * far).sum(1, keepdim=True)).clamp(min=0)
    left = torch.where((far < room).any(1, keepdim=True), 0.0, left)  # what is left there is rounding
    return down * far.view_as(x), (left * scale)[:, 0]


def _one_by_one(slope: Tensor, room: Tensor, worth: Tensor, much: Float[Tensor, "m 1"]) -> Tensor:
    """The values of the greatest worth go all the way, until the sum of slope times it is `much`."""
    order = worth.argsort(dim=1, descending=True, stable=True)
    slope, room = slope.gather(1, order), room.gather(1, order)
    before = torch.nn.functional.pad((slope * room).cumsum(1), (1, 0))[:, :-1]
    far = (much - before).clamp(min=0) / slope.clamp(min=torch.finfo(slope.dtype).tiny)
    return torch.zeros_like(room).scatter(1, order, torch.minimum(far, room))
