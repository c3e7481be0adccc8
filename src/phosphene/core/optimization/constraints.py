"""Where a picture may be: projections, (pictures, rows) -> the nearest allowed pictures.

The balls are intersected with the box, [0, 1] unless another is given, and the projection is the exact one onto that
intersection, not one projection after the other (which ends inside both, but not at the nearest point). With
d = x - center, both problems

    minimize |e - d|^2    subject to    |e| <= radius,    center + e in the box

have their minimum where each |e_i| is a function of one number that all coordinates share: min(t |d_i|, room_i) for
the l2 norm, and min(max(|d_i| - t, 0), room_i) for the l1 norm (Duchi et al. 2008, doi:10.1145/1390156.1390191, for the
ball alone), room_i being what is left to the box's side. Newton's method finds t for l2, one sort for l1. A radius is
in pixel units of [0, 1], one for all problems or one for each; centers lie in the box. The box may be one for all
values or another for each (a tensor that is broadcast to (c, h, w)).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.core.optimization.engine import Constraint

Radius = float | Float[Tensor, " problems"]
End = float | Float[Tensor, "#c #h #w"]

_Sizes = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(|d|, room, radius) -> |e| of every coordinate, and the norm of min(|d|, room), which says whether x was outside."""


def box(low: End = 0.0, high: End = 1.0) -> Constraint:
    """Every value between low and high."""
    return lambda pictures, rows: _clamped(pictures, low, high)


def linf(center: Float[Tensor, "problems c h w"], radius: Radius, low: End = 0.0, high: End = 1.0) -> Constraint:
    """No value further than `radius` from its problem's center, and within the box."""

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        whole = torch.equal(rows.cpu(), torch.arange(len(center)))  # no copy is needed of all of them
        middle = center if whole else center[rows.to(center.device)]
        own = _own(radius, rows, pictures)
        return _clamped(pictures.clamp(middle - own, middle + own), low, high)

    return project


def l2(center: Float[Tensor, "problems c h w"], radius: Radius, low: End = 0.0, high: End = 1.0) -> Constraint:
    """Euclidean distance from the problem's center at most `radius`, over all pixels and colours; within the box."""

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        return _projected(pictures, center, radius, rows, _factor, low, high)

    return project


def l1(center: Float[Tensor, "problems c h w"], radius: Radius, low: End = 0.0, high: End = 1.0) -> Constraint:
    """Sum of absolute differences from the problem's center at most `radius`; within the box. Changes are sparse."""

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        return _projected(pictures, center, radius, rows, _threshold, low, high)

    return project


def mask(center: Float[Tensor, "problems c h w"], free: Bool[Tensor, "problems #c #h #w"]) -> Constraint:
    """Only the pixels that are `free` may differ from the problem's center."""

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        at = rows.to(center.device)
        return torch.where(free.to(center.device)[at], pictures, center[at])

    return project


def composed(*constraints: Constraint) -> Constraint:
    """One after the other.

    That is the nearest point of the intersection for a mask followed by a ball or a box, whose projections leave a
    pixel alone that is at the center; for others a point of the last set that need not be in the first.
    """

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        for one in constraints:
            pictures = one(pictures, rows)
        return pictures

    return project


def _own(radius: Radius, rows: Tensor, like: Tensor) -> float | Tensor:
    """The radius of each row, ready to be compared with pictures."""
    return radius[rows.to(radius.device)].to(like).view(-1, 1, 1, 1) if isinstance(radius, Tensor) else radius


def _clamped(pictures: Tensor, low: End, high: End) -> Tensor:
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return pictures.clamp(*(torch.as_tensor(end).to(pictures) for end in (low, high)))
    return pictures.clamp(low, high)


def _projected(
    pictures: Tensor, center: Tensor, radius: Radius, rows: Tensor, sizes: _Sizes, low: End, high: End
) -> Tensor:
    """Pictures inside stay as they are, bit for bit; the others move to center + e."""
    exact = torch.float32 if pictures.device.type == "mps" else torch.float64  # long sums, and differences of them
    middle = center[rows.to(center.device)].to(exact)
    away = pictures.to(exact) - middle
    bottom, top = (torch.as_tensor(end).to(middle) for end in (low, high))
    room = torch.where(away > 0, top - middle, middle - bottom).clamp(min=0).flatten(1)
    limit = torch.as_tensor(_own(radius, rows, pictures), dtype=exact, device=pictures.device)
    size, norm = sizes(away.abs().flatten(1), room, limit.reshape(-1, 1))
    moved = _clamped((middle + away.sign() * size.view_as(away)).to(pictures), low, high)
    outside = (norm > limit.reshape(-1, 1)).view(-1, 1, 1, 1)
    return torch.where(outside, moved, _clamped(pictures, low, high))


def level(pace: Float[Tensor, "n d"], room: Float[Tensor, "n d"], total: Float[Tensor, "#n 1"]) -> Float[Tensor, "n 1"]:
    """The t with sum_i min(t pace_i, room_i) = total, all of them at least 0; infinite where there is not so much room.

    The sum is concave and piecewise linear in t, so that Newton's method from t = 0 finds t exactly and never passes
    it; each step is as long as it takes to pass a kink, and some do where a sort of all kinks would take longer.
    """
    t, met = torch.zeros_like(total), torch.zeros_like(pace, dtype=torch.bool)
    while True:
        free = torch.where(met, 0.0, pace).sum(1, keepdim=True)
        lacking = (total - torch.where(met, room, 0.0).sum(1, keepdim=True)).clamp(min=0)
        t = torch.maximum(t, torch.where(free > 0, lacking / free, torch.inf))
        now = met | (t * pace >= room) & (pace > 0)
        if torch.equal(now, met):
            return t
        met = now


def _factor(size: Tensor, room: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """The l2 ball: |e_i| = min(t |d_i|, room_i), and the sum of squares, min(t^2 d_i^2, room_i^2), is radius^2."""
    norm = torch.minimum(size, room).square().sum(1, keepdim=True).sqrt()
    return torch.minimum(level(size.square(), room.square(), radius.square()).sqrt() * size, room), norm


def _threshold(size: Tensor, room: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """The l1 ball: |e_i| = min(max(|d_i| - t, 0), room_i) = max(|d_i| - t, 0) - max(|d_i| - room_i - t, 0).

    The sum over i falls with t and has its kinks at |d_i|, from where on coordinate i counts, and at |d_i| - room_i,
    where it comes off the box's side. Between two kinks it is (sum of those that count) - (how many) t.
    """
    signs = torch.cat([torch.ones_like(size), -torch.ones_like(size)], 1)
    # stable: of a coordinate that is on the side already, both kinks are one, and it counts before it comes off
    kinks, order = torch.cat([size, (size - room).clamp(min=0)], 1).sort(dim=1, descending=True, stable=True)
    signs = signs.gather(1, order)
    many, total = signs.cumsum(1), (signs * kinks).cumsum(1)
    # the sum at the next kink below; the last one that counts is at t = 0
    below = torch.nn.functional.pad(kinks[:, 1:], (0, 1))
    enough = total - many * below >= radius
    first = enough.to(torch.int8).argmax(1, keepdim=True)
    t = (total.gather(1, first) - radius) / many.gather(1, first).clamp(min=1)
    t = torch.where(enough.any(1, keepdim=True), t, 0.0)  # on the ball but for rounding: nothing is to be taken away
    norm = torch.minimum(size, room).sum(1, keepdim=True)
    return torch.minimum((size - t.clamp(min=0)).clamp(min=0), room), norm
