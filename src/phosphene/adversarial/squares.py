"""What a random search tries next: squares of a change (Andriushchenko et al. 2020, arXiv:1912.00049).

In the l-inf ball the change begins as vertical stripes of +-eps, and a try sets one square to +-eps, one sign for each
colour (algorithm 2). In the l2 ball it begins as tiles of centred bumps, and a try moves the energy of one window into
another, besides what is left of the radius (algorithm 3). Inputs that are no pictures have no neighbours: their squares
are values anywhere, each with a sign of its own.

In the l1 ball within the box (Croce & Hein 2021, arXiv:2103.01208) a try is made as in the l2 ball, with sums of
absolute changes for sums of squares. A change of many small values is weak there, so that it is made longer than the
radius and then projected: the projection takes the same off every value, and the small ones vanish. The windows and how
much longer are this module's choice, by measurement, and not taken from that paper.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.problems import Problems
from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key

Propose = Callable[[Float[Tensor, "m c h w"], Int[Tensor, " m"], int, float], Float[Tensor, "m c h w"]]
"""(the best so far, which problems, the number of the query, what part of the picture) -> what to try."""

SMALLEST = 3
"""The side of a window in the l2 and the l1 ball, at least: a smaller one has no inner part."""

LONGER = 3.0
"""How many times the radius a change is long in l1 before it is projected. Of 140 pictures of CIFAR, after 400 queries
within 12 of an adversarially trained network, 117 stay robust with 1, 102 with 3 and 104 with 10."""


def squares(problems: Problems) -> Propose:
    """Of the l-inf ball; query 0 is the start."""
    _, c, h, w = problems.x.shape
    vector = h * w == 1
    first, numbers = problems.key.child(0), _Numbers(problems.key, 2 * c if vector else 2 + c)

    def propose(best: Tensor, rows: Tensor, query: int, part: float) -> Tensor:
        x, eps = problems.x[rows.to(problems.x.device)], problems.radius(rows)
        if query == 0:
            stripes = first.uniform(rows, c, 1, w).to(x)
            return problems.box(x + eps * _signs(stripes), rows)
        drawn = numbers(rows, query).to(x)
        if vector:
            chosen = drawn[:, :c] <= drawn[:, :c].kthvalue(max(1, round(part * c)), 1, keepdim=True).values
            where, signs = chosen[..., None, None], drawn[:, c:, None, None]
        else:
            side = min(h, w, max(1, round(math.sqrt(part * h * w))))
            where, signs = _window(drawn[:, :2], side, h, w), drawn[:, 2:, None, None]
        return torch.where(where, problems.box(x + eps * _signs(signs), rows), best)

    return propose


def windows(problems: Problems) -> Propose:
    """Of the l2 or the l1 ball; query 0 is the start.

    Raises:
        Mistake: pictures are smaller than a window.
    """
    (_, c, h, w), norm = problems.x.shape, problems.norm
    if min(h, w) < SMALLEST:
        raise Mistake(f"in {norm}, square takes inputs of at least 3 x 3 values, not {h} x {w}; in linf it takes any")
    first, numbers = problems.key.child(0), _Numbers(problems.key, 5 + c)
    p, longer, within = (1, LONGER, problems.project) if norm == "l1" else (2, 1.0, problems.box)

    def lengths(change: Tensor, *axes: int) -> Float[Tensor, "m #c 1 1"]:
        long: Tensor = torch.linalg.vector_norm(change, p, axes, keepdim=True)
        return long.clamp(min=torch.finfo(change.dtype).tiny)

    def scaled(change: Tensor, rows: Tensor) -> Tensor:
        x = problems.x[rows.to(problems.x.device)]
        return within(x + longer * problems.radius(rows) * change / lengths(change, 1, 2, 3), rows)

    def propose(best: Tensor, rows: Tensor, query: int, part: float) -> Tensor:
        if query == 0:
            return scaled(_tiles(first, rows, problems.x), rows)
        drawn = numbers(rows, query).to(best)
        side = max(SMALLEST, round(math.sqrt(part * h * w)))
        side = min(h, w, side + 1 - side % 2)
        into, out = _window(drawn[:, :2], side, h, w), _window(drawn[:, 2:4], side, h, w)
        change = best - problems.x[rows.to(best.device)]
        inner = torch.where(into, change, 0)
        bump = _placed(drawn[:, :2], drawn[:, 4] < 0.5, side, h, w) * _signs(drawn[:, 5:, None, None])
        bump = torch.where(into, bump, 0)
        new = bump / lengths(bump, 2, 3) + inner / lengths(inner, 2, 3)
        left = (problems.radius(rows) ** p - lengths(change, 1, 2, 3) ** p).clamp(min=0) / c
        energy = torch.where(into | out, change, 0).abs().pow(p).sum((2, 3), keepdim=True) + left
        new = new / lengths(new, 2, 3) * energy ** (1 / p)
        return scaled(torch.where(into, new, torch.where(out, 0, change)), rows)

    return propose


class _Numbers:
    """So many uniform numbers for each problem and query, drawn for many queries at once."""

    def __init__(self, key: Key, many: int) -> None:
        self._key, self._many, self._length = key, many, max(1, min(64, 2**16 // many))
        self._block = -1

    def __call__(self, rows: Int[Tensor, " m"], query: int) -> Float[Tensor, "m many"]:
        """Of rows in order; of those that a block began with, or fewer."""
        block, at = divmod(query, self._length)
        if block != self._block:
            self._block, self._rows = block, rows
            self._drawn = self._key.at(block).uniform(rows, self._length, self._many)
        return self._drawn[torch.searchsorted(self._rows, rows), at]


def _signs(numbers: Tensor) -> Tensor:
    return torch.where(numbers < 0.5, -1.0, 1.0).to(numbers)


def _corner(numbers: Float[Tensor, "m 2"], side: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """How far below and to the right of a window's corner each row and column is, (m, 1, h, 1) and (m, 1, 1, w)."""
    room = numbers.new_tensor([h - side + 1, w - side + 1])
    top, left = (numbers * room).long().minimum((room - 1).long()).view(-1, 2, 1, 1).unbind(1)
    down, right = (torch.arange(many, device=numbers.device) for many in (h, w))
    return down.view(1, 1, h, 1) - top[:, None], right.view(1, 1, 1, w) - left[:, None]


def _window(numbers: Float[Tensor, "m 2"], side: int, h: int, w: int) -> Bool[Tensor, "m 1 h w"]:
    """A square anywhere."""
    down, right = _corner(numbers, side, h, w)
    return (down >= 0) & (down < side) & (right >= 0) & (right < side)


def _placed(
    numbers: Float[Tensor, "m 2"], turned: Bool[Tensor, " m"], side: int, h: int, w: int
) -> Float[Tensor, "m 1 h w"]:
    """The pair of bumps in the square that `_window` says; what is outside it has no meaning."""
    down, right = (one.clamp(0, side - 1) for one in _corner(numbers, side, h, w))
    at = torch.where(turned.view(-1, 1, 1, 1), right * side + down, down * side + right)
    return bumps(side).to(numbers).flatten()[at]


def _tiles(key: Key, rows: Int[Tensor, " m"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, "m c h w"]:
    """Five by five pairs of bumps, as many as there is room for, each of a sign for each colour; 0 around them."""
    _, c, h, w = x.shape
    side = max(1, min(h, w) // 5)
    down, right = h // side, w // side
    numbers = key.uniform(rows, c + 1, down, right).to(x)
    pair = bumps(side).to(x)
    turned = (numbers[:, :1, :, None, :, None] < 0.5).expand(-1, c, -1, 1, -1, 1)
    tiles = torch.where(turned, pair.T[:, None, :], pair[:, None, :]) * _signs(numbers[:, 1:])[:, :, :, None, :, None]
    whole = tiles.reshape(len(rows), c, down * side, right * side)
    above, before = (h - down * side) // 2, (w - right * side) // 2
    room = (before, w - right * side - before, above, h - down * side - above)
    return torch.nn.functional.pad(whole, room)


@cache
def bumps(side: int) -> Float[Tensor, "side side"]:
    """A bump in the upper half and a hollow in the lower one, of length 1 together (section 4.3 of the paper)."""
    upper, lower = side // 2, side - side // 2
    pair = torch.cat([_bump(upper, side), -_bump(lower, side)])
    return pair / pair.norm()


def _bump(h: int, w: int) -> Float[Tensor, "h w"]:
    """The sum of 1 / (k + 1)^2 over k from the distance (l-inf) of the middle to the edge; of length 1."""
    down, right = ((torch.arange(many, dtype=torch.float64) - many // 2).abs() for many in (h, w))
    far = torch.maximum(down[:, None], right)
    steps = torch.arange(max(h, w) // 2 + 1, dtype=torch.float64)
    bump = ((steps >= far[..., None]) / (steps + 1).square()).sum(-1)
    return bump / bump.norm() if bump.numel() else bump
