"""How a gradient is had: functions that return an objective, (pictures, rows, draw) -> (values, slopes).

They combine: `chunked(mean(gradient(a, term), gradient(b, term)), 8)`.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.engine import Draw, NotFinite, Objective
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.transforms import Transform, as_is


def gradient(network: Network, term: Term, transform: Transform = as_is, rule: Rule = "gradient") -> Objective:
    """The values of `term` on `network`, seen through `transform`, and their gradient.

    Args:
        rule: what the backward pass does at rectifiers.
    Raises (when called):
        NotFinite: a value or a gradient is not finite; names the step and the term.
    """

    def evaluate(
        pictures: Tensor, rows: Tensor, draw: Draw, part: Term
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]:
        with torch.inference_mode(False), torch.enable_grad():
            x = (pictures.clone() if pictures.is_inference() else pictures.detach()).requires_grad_()
            views, of = transform(x, rows, draw)
            layers = network.read(views, part.layers, rule) if part.layers else {}
            values = part.of(Reading(x, rows.to(x.device), views, of, layers))
            (slope,) = torch.autograd.grad(values.sum(), x)
        return values.detach(), slope

    def objective(
        pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], draw: Draw
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]:
        values, slope = evaluate(pictures, rows, draw, term)
        if not (values.sum() + slope.sum()).isfinite():
            for part in term.leaves:
                parts = evaluate(pictures, rows, draw, part)
                for what, numbers in zip(("value", "gradient"), parts, strict=True):
                    if not numbers.isfinite().all():
                        name = part.name.removeprefix("-1 ")
                        raise NotFinite(f"step {draw.step}: the {what} of {name} is not finite on {network.name}")
            if not (values.isfinite().all() and slope.isfinite().all()):
                raise NotFinite(f"step {draw.step}: {term.name} is too large to be added up on {network.name}")
        return values, slope

    return objective


@torch.no_grad()
def values(
    network: Network, term: Term, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """What `term` is on these pictures as they are, without its gradient."""
    layers = network.read(pictures, term.layers)
    of = torch.arange(len(pictures), device=pictures.device)
    return term.of(Reading(pictures, rows.to(pictures.device), pictures, of, layers))


def unblocked(network: Network, term: Term, transform: Transform = as_is, steps: int = 16) -> Objective:
    """`gradient`; where rectifiers block all of a picture's slope in the first steps, it is led past them.

    Otherwise a unit that the starting noise does not excite at all would stay grey (lucid's redirection, for 16 steps
    too). It costs a second pass only where something is blocked: 25 of 64 of `embedded:photo`'s mixed4b begin closed,
    and none is after 4 of Adam's steps; steps on pixels are smaller.
    """
    plain, redirected = gradient(network, term, transform), gradient(network, term, transform, "redirected")

    def objective(pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        values, slope = plain(pictures, rows, draw)
        if draw.step < steps and network.rectified:
            blocked = (slope.flatten(1).abs().amax(1) == 0).nonzero().flatten()
            if len(blocked):
                slope[blocked] = redirected(pictures[blocked], rows[blocked.cpu()], draw)[1]
        return values, slope

    return objective


def total(*objectives: Objective) -> Objective:
    """The sum of several objectives."""

    def objective(pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        values, slopes = zip(*(one(pictures, rows, draw.child(i)) for i, one in enumerate(objectives)), strict=True)
        return sum(values), sum(slopes)

    return objective


def mean(*objectives: Objective) -> Objective:
    """The mean of several objectives: an ensemble of networks."""
    added = total(*objectives)

    def objective(pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        values, slope = added(pictures, rows, draw)
        return values / len(objectives), slope / len(objectives)

    return objective


class Accumulated:
    """An objective that remembers where its slopes were: the sum of |slope| over steps, for each of `many` problems.

    What a picture was never asked to change can be made transparent (MaCo, Fel et al. 2023, arXiv:2306.06805).
    """

    def __init__(self, objective: Objective, many: int) -> None:
        self._objective, self._many = objective, many
        self._sum: Tensor | None = None

    def __call__(self, pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        values, slope = self._objective(pictures, rows, draw)
        sizes = slope.abs().mean(1, keepdim=True)
        if self._sum is None:
            self._sum = sizes.new_zeros(self._many, *sizes.shape[1:])
        self._sum.index_add_(0, rows.to(sizes.device), sizes)
        return values, slope

    def visible(self, quantile: float = 0.8) -> Float[Tensor, "problems 1 h w"]:
        """Opacity, 0 to 1: each problem's sum over its quantile (xplique's 80 %), where that is not 0."""
        assert self._sum is not None
        flat = self._sum.flatten(1)
        limit = flat.kthvalue(math.ceil(quantile * flat.shape[1]), dim=1).values.view(-1, 1, 1, 1)
        return (self._sum / torch.where(limit > 0, limit, 1.0)).clamp(0, 1)


def chunked(objective: Objective, size: int) -> Objective:
    """The same numbers, `size` pictures at a time: memory flat in the batch."""

    def split(pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        pairs = zip(pictures.split(size), rows.split(size), strict=True)
        parts: Sequence[tuple[Tensor, Tensor]] = [objective(x, r, draw) for x, r in pairs]
        return torch.cat([values for values, _ in parts]), torch.cat([slope for _, slope in parts])

    return split
