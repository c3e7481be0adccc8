"""Along a path and among neighbours: the gradient at many variants of a picture, put together.

One gradient is noisy and says nothing about a score that is saturated. Integrated gradients (Sundararajan et al. 2017,
arXiv:1703.01365) are its mean along the way from a picture without information, times the whole change; so they add up
to the change of the score. SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825) is its mean under noise. GradientSHAP
(Lundberg & Lee 2017, arXiv:1705.07874) draws what the others fix: the noise, the baseline, the place on the way.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Unpack

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.baselines import Baseline, baseline_pictures
from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Growing, Maps
from phosphene.attribution.question import Pictures, Question, every
from phosphene.core.optimization.keys import Key
from phosphene.core.options import Bounds, Seed


@explains("what each colour adds to the score, to first order", "contribution", "heat")
def input_x_gradient(
    asked: Question, pictures: Pictures, *, baseline: Baseline = "black", **common: Unpack[Common]
) -> Maps:
    """Show the gradient times what the picture has there (Shrikumar et al. 2016, arXiv:1605.01713).

    The contributions add up to the change of the score from the baseline where the network is linear.

    Args:
        baseline: the picture without information that the change is counted from: black (0 in RGB, so that the input
            itself is multiplied), zero (the network's mean colour), grey, mean, blur or noise.
    """
    start = baseline_pictures(asked.network, pictures, baseline)
    said, gradient = asked.gradients(pictures, every(pictures))
    values = gradient * (pictures - start)
    return Maps(values, _complete(values, said, asked.values(start, every(start))))


def path(steps: int, rule: Literal["midpoint", "gauss-legendre"]) -> tuple[Float[Tensor, " s"], Float[Tensor, " s"]]:
    """Where the path from 0 to 1 is looked at, and the weight of each place, in float64.

    Args:
        rule: midpoint (the middles of equal parts) or gauss-legendre (exact for polynomials of degree 2 steps - 1).
    """
    if rule == "midpoint":
        return (torch.arange(steps).double() + 0.5) / steps, torch.full((steps,), 1 / steps, dtype=torch.float64)
    at, weights = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy(at + 1) / 2, torch.from_numpy(weights) / 2


@explains("what each colour adds to the score", "contribution", "heat", complete=True, purpose="search")
def integrated(
    asked: Question,
    pictures: Pictures,
    *,
    baseline: Baseline = "black",
    steps: Annotated[int, Bounds(1, 10_000)] = 50,
    rule: Literal["midpoint", "gauss-legendre"] = "midpoint",
    **common: Unpack[Common],
) -> Growing:
    """Show integrated gradients: the mean gradient on the way from a baseline, times the change (Sundararajan et al.).

    They add up to the change of the score from the baseline (completeness); what is missing is told.

    Args:
        baseline: where the way begins: black, zero (the network's mean colour), grey, mean, blur or noise.
        steps: how many gradients are taken on the way.
        rule: where: midpoint or gauss-legendre.
    """
    start = baseline_pictures(asked.network, pictures, baseline)
    places, weights = (numbers.to(pictures) for numbers in path(steps, rule))
    rows = every(pictures)

    def run() -> Iterator[tuple[int, Maps]]:
        # the path from the picture's end, so that the gradient of the picture itself is the first that one sees
        said, before = asked.values(pictures, rows), asked.values(start, rows)
        total, covered, done = torch.zeros_like(pictures), 0.0, 0
        many = max(1, asked.batch // len(pictures))
        for at, weight in zip(places.flip(0).split(many), weights.flip(0).split(many), strict=True):
            variants = torch.cat([torch.lerp(start, pictures, float(a)) for a in at])
            _, gradient = asked.gradients(variants, rows.repeat(len(at)))
            total = total + torch.einsum("snchw,s->nchw", gradient.unflatten(0, (len(at), -1)), weight)
            covered, done = covered + float(weight.sum()), done + len(at)
            values = total / covered * (pictures - start)
            yield done, Maps(values, _complete(values, said, before))

    return Growing(steps, run())


def _complete(values: Tensor, at_picture: Tensor, at_start: Tensor) -> list[dict[str, float]]:
    """The score's change, the contributions' sum, and what is missing between the two as a part of the change."""
    facts = []
    for added, after, before in zip(
        values.flatten(1).sum(1).tolist(), at_picture.tolist(), at_start.tolist(), strict=True
    ):
        change = after - before
        facts.append(
            {"value": after, "change": change, "sum": added, "missing": abs(added - change) / max(abs(change), 1e-12)}
        )
    return facts


@explains("how the score moves with each colour, on average among neighbours", "sensitivity", "grey", purpose="search")
def smoothgrad(
    asked: Question,
    pictures: Pictures,
    *,
    samples: Annotated[int, Bounds(1, 10_000)] = 25,
    noise: Annotated[float, Bounds(0, 10)] = 0.1,
    average: Literal["mean", "squared", "variance"] = "mean",
    seed: Seed = 0,
    **common: Unpack[Common],
) -> Growing:
    """Show the mean gradient of the picture under noise (SmoothGrad, Smilkov et al.).

    Args:
        samples: how many noisy pictures.
        noise: its standard deviation, as a part of the picture's range (largest minus smallest value).
        average: of the gradients the mean; of their squares the mean ("squared": Hooker et al. 2019,
            arXiv:1806.10758); or their variance (VarGrad: Adebayo et al. 2018).
        seed: of the noise, which is the same for every picture.
    """
    deviation = noise * (pictures.amax((1, 2, 3), keepdim=True) - pictures.amin((1, 2, 3), keepdim=True))
    rows, many = every(pictures), max(1, asked.batch // len(pictures))

    def run() -> Iterator[tuple[int, Maps]]:
        first, second = torch.zeros_like(pictures), torch.zeros_like(pictures)
        said = asked.values(pictures, rows)
        facts = [{"value": float(value)} for value in said]
        for done in range(0, samples, many):
            part = range(done, min(done + many, samples))
            # every picture gets the same noise: it would have it alone, too
            drawn = [Key(seed, [0], step=i).normal(torch.zeros(1, dtype=torch.long), *pictures.shape[1:]) for i in part]
            variants = torch.cat([pictures + deviation * one.to(pictures) for one in drawn])
            gradient = asked.gradients(variants, rows.repeat(len(part)))[1].unflatten(0, (len(part), -1))
            first, second = first + gradient.sum(0), second + gradient.square().sum(0)
            n = part.stop
            values = {"mean": first / n, "squared": second / n, "variance": second / n - (first / n).square()}[average]
            yield n, Maps(values, facts)

    return Growing(samples, run())


@explains(
    "what each colour adds to the score, on average over ways", "contribution", "heat", complete=True, purpose="search"
)
def gradient_shap(
    asked: Question,
    pictures: Pictures,
    *,
    samples: Annotated[int, Bounds(1, 10_000)] = 50,
    baseline: Baseline = "noise",
    noise: Annotated[float, Bounds(0, 10)] = 0.0,
    seed: Seed = 0,
    **common: Unpack[Common],
) -> Growing:
    """Show GradientSHAP: the mean of gradient times change at random places of random ways (Lundberg & Lee).

    As in Captum: sample i draws a baseline b, noise e and a place a in [0, 1], and gives dS/dx at b + a (x + e - b),
    times x + e - b. On average they add up to the change of the score from the baselines; what few samples miss of that
    is told.

    Args:
        samples: how many.
        baseline: where the ways begin: noise (of each sample its own), black, zero (the network's mean colour), grey,
            mean or blur.
        noise: the standard deviation of the picture's, as a part of its range (largest minus smallest value).
        seed: of everything that is drawn, which is the same for every picture.
    """
    deviation = noise * (pictures.amax((1, 2, 3), keepdim=True) - pictures.amin((1, 2, 3), keepdim=True))
    rows, many = every(pictures), max(1, asked.batch // len(pictures))
    one = torch.zeros(1, dtype=torch.long)

    def drawn(index: int) -> tuple[Tensor, Tensor, float]:
        key = Key(seed, [0], step=index)
        start = baseline_pictures(asked.network, pictures, baseline, seed + index)
        end = pictures + deviation * key.child(1).normal(one, *pictures.shape[1:]).to(pictures)
        return start, end, float(key.child(2).uniform(one, 1))

    def run() -> Iterator[tuple[int, Maps]]:
        said, before, total = asked.values(pictures, rows), torch.zeros(len(pictures)), torch.zeros_like(pictures)
        for done in range(0, samples, many):
            part = [drawn(index) for index in range(done, min(done + many, samples))]
            begins, changes = (torch.stack(one) for one in ([b for b, _, _ in part], [e - b for b, e, _ in part]))
            at = changes.new_tensor([a for _, _, a in part]).view(-1, 1, 1, 1, 1)
            more = rows.repeat(len(part))
            gradient = asked.gradients((begins + at * changes).flatten(0, 1), more)[1].view_as(changes)
            total, n = total + (gradient * changes).sum(0), done + len(part)
            before = before.to(said) + asked.values(begins.flatten(0, 1), more).view(len(part), -1).sum(0)
            yield n, Maps(total / n, _complete(total / n, said, before / n))

    return Growing(samples, run())
