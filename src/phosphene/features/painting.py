"""Climbing, as every recipe of this family does it: settings to a path of pictures."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen, working_dtype
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import Constraint, Objective, Operator, Parameterization, Stop, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import Accumulated, chunked, gradient, grouped, total, unblocked, values
from phosphene.core.optimization.operators import blur, clip_contribution, clip_norm, colour, sequence, shrink
from phosphene.core.optimization.optimizers import adam, nadam, normalized, steepest
from phosphene.core.optimization.parameterizations import (
    CPPN,
    DeepPrior,
    Fourier,
    Laplacian,
    Phase,
    Pixels,
    Shared,
    Transparent,
)
from phosphene.core.optimization.priors import high_pass, l_alpha, opacity, total_variation
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import Transform, as_is, compose, crop, noisy, over_noise, several, shake
from phosphene.features.presets import Settings

Parts = list[tuple[list[int], Term]]
"""Which problems share a term, and the term that is made large for them."""


OPTIMIZERS: dict[str, Callable] = {"adam": adam, "nadam": nadam, "steepest": steepest, "normalized": normalized}


def default_side(network: Network) -> int:
    """Large enough to see something, small enough to be quick: the network's size between 128 and 160 px."""
    return min(network.size) if network.fixed else min(max(min(network.size), 128), 160)


def mean_colour(network: Network) -> tuple[float, ...]:
    """What the network calls zero: red, green, blue in [0, 1] (grey .5 where that is no colour)."""
    return tuple(network.mean) if all(0 < value < 1 for value in network.mean) else (0.5,)


def _image(
    network: Network, chosen: Settings, names: Sequence[int], size: tuple[int, int], seed: int, start: Tensor | None
) -> Parameterization:
    options: dict[str, Any] = {"seed": seed, "dtype": working_dtype(network), "device": network.device}
    if start is not None:
        start = start.to(network.device, working_dtype(network)).expand(len(names), -1, -1, -1)
    kind = chosen.parameterization
    image: Parameterization
    if kind == "pixels":
        image = Pixels(_noise(network, chosen, names, size, seed) if start is None else start)
    elif kind == "fourier":
        image = Fourier(names, size, decay=chosen.decay, deviation=chosen.deviation, start=start, **options)
    elif kind == "shared":
        image = Shared(names, size, start=start, **options)
    elif kind == "laplacian":
        image = Laplacian(names, size, start=start, **options)
    elif kind == "phase":
        image = Phase(names, size, start=start, **options)
    elif start is not None:
        raise Mistake(f"a {kind} can't start from a photograph; fourier, laplacian, phase and pixels can")
    else:
        image = CPPN(names, size, **options) if kind == "cppn" else DeepPrior(names, size, **options)
    return Transparent(image) if chosen.transparency == "learned" else image


def _noise(network: Network, chosen: Settings, names: Sequence[int], size: tuple[int, int], seed: int) -> Tensor:
    """The mean colour and noise about it."""
    noise = Key(seed, names).normal(torch.arange(len(names)), 3, *size)
    pictures = colour(mean_colour(network), noise) + chosen.deviation * noise
    return pictures.clamp(0, 1).to(network.device, working_dtype(network))


def stretched(
    pictures: Float[Tensor, "n c h w"], center: Sequence[float], ends: float = 0.01
) -> Float[Tensor, "n c h w"]:
    """With full contrast: c + .5 (x - c) / q, clipped to [0, 1], where q is the 1 - `ends` quantile of |x - c|."""
    middle = colour(center, pictures)
    away = pictures - middle
    sizes = away.abs().flatten(1)
    q = sizes.kthvalue(math.ceil((1 - ends) * sizes.shape[1]), dim=1).values.view(-1, 1, 1, 1)
    return (middle + 0.5 * away / torch.where(q > 0, q, 0.5)).clamp(0, 1)


def transform(chosen: Settings, size: tuple[int, int], view: int, reach: float = 1.0) -> Transform:
    """What a picture has to survive.

    Args:
        size: of the pictures.
        reach: of shifts, scalings and rotations, as a part of what was chosen.
        view: side of the square parts that the network is shown, where it is shown parts.
    """
    steps = []
    pad, jitter = (round(reach * part * min(size)) for part in (chosen.pad, chosen.jitter))
    if pad or jitter or chosen.rotate or (chosen.smallest, chosen.largest) != (1, 1):
        zoom = 1 - reach * (1 - chosen.smallest), 1 + reach * (chosen.largest - 1)
        steps.append(shake(pad=pad, jitter=jitter, scale=zoom, rotate=reach * chosen.rotate, border=chosen.border))
    if chosen.crop_from:
        steps.append(crop(chosen.crop_from, max(chosen.crop_from, chosen.crop_to), view))
    if chosen.noise:
        steps.append(noisy(chosen.noise))
    if chosen.transparency == "learned":
        steps.insert(0, over_noise())
    one = compose(*steps) if len(steps) > 1 else steps[0] if steps else as_is
    return several(chosen.views, one) if chosen.views > 1 else one


def _priors(chosen: Settings, center: Sequence[float]) -> list[Term]:
    every = [
        (chosen.tv, total_variation()), (chosen.l2, l_alpha(2, center)), (chosen.l6, l_alpha(6, center)),
        (chosen.high_pass, high_pass()),
    ]  # fmt: skip
    if chosen.transparency == "learned":
        every.append((chosen.opacity, opacity()))
    return [weight * term for weight, term in every if weight]


def _operator(chosen: Settings, center: Sequence[float]) -> Operator | None:
    every = []
    if chosen.shrink:
        every.append(shrink(chosen.shrink, center))
    if chosen.blur_width:
        every.append(blur(chosen.blur_width, chosen.blur_every))
    if chosen.small_norm:
        every.append(clip_norm(chosen.small_norm, center))
    if chosen.small_contribution:
        every.append(clip_contribution(chosen.small_contribution, center))
    return sequence(*every) if every else None


def has_places(network: Network, term: Term) -> bool:
    """Whether all layers that a term reads have rows and columns."""
    shapes = [network.layer(name).shape for name in term.layers]
    return all(len(shape) == 3 and min(shape[1:]) > 1 for shape in shapes)


def objective(network: Network, parts: Parts, views: Sequence[Transform], priors: Sequence[Term] = ()) -> Objective:
    """Terms of several readings are several objectives, each over its own rows and under its own transform."""
    objectives = [unblocked(network, -term, view) for (_, term), view in zip(parts, views, strict=True)]
    if priors:  # apart: a redirected gradient is of the unit's blocked gradient, which a prior would hide
        prior = gradient(network, sum(priors[1:], start=priors[0]))
        objectives = [total(one, prior) for one in objectives]
    return grouped([problems for problems, _ in parts], objectives)


@torch.no_grad()
def reached(network: Network, parts: Parts, pictures: Float[Tensor, "n 3 h w"], batch: int) -> Float[Tensor, " n"]:
    """What each problem's term is on its picture, as it is, without any transform."""
    reading, found = network.planned("reading"), pictures.new_zeros(len(pictures))
    for problems, term in parts:
        for some in torch.arange(len(problems)).split(batch):
            mine = torch.tensor(problems)[some]
            found[mine] = values(reading, term, pictures[mine], some)
    return found


def _until(chosen: Settings) -> Stop | None:
    return (lambda pictures, rows, seen: seen.values <= -chosen.until) if chosen.until else None


def _bounds(chosen: Settings) -> Constraint | None:
    return box() if chosen.parameterization == "pixels" else None


class Painting:
    """A climb in the making.

    Args:
        network: whose terms.
        parts: what is made large, for which problems.
        names: the identity of each problem for the random numbers.
        chosen: how.
        size: (height, width) in pixels.
        start: pictures to start from.
        batch: so many pictures at a time go through the network.
        together: so many neighbouring problems look at one another and must not be separated.
        held: what is made small besides, on the pictures as they are, without transforms.
        render: side in pixels that pictures are shown at, where they have any size (cppn).
    Attributes:
        path: the steps.
        chosen, names: as given.
    """

    def __init__(
        self, network: Network, parts: Parts, names: Sequence[int], chosen: Settings, size: tuple[int, int], *,
        seed: int = 0, start: Float[Tensor, "m 3 h w"] | None = None, batch: int = 16, together: int = 1,
        held: Term | None = None, render: int | None = None,
    ) -> None:  # fmt: skip
        self.network, self.parts, self.chosen, self.batch, self.names = network, parts, chosen, batch, names
        operated = chosen.small_norm or chosen.small_contribution or chosen.shrink or chosen.blur_width
        if operated and chosen.parameterization not in ("pixels", "fourier", "laplacian"):
            raise Mistake(
                f"shrink, blur and clipping need pixels that can be set, which {chosen.parameterization} has not; "
                "use pixels, fourier or laplacian"
            )
        center = mean_colour(network)
        reaches = [chosen.channel_reach if has_places(network, term) else 1.0 for _, term in parts]
        views = [transform(chosen, size, min(network.size), reach) for reach in reaches]
        priors = [*_priors(chosen, center), *([] if held is None else [held])]
        many = max(together, batch // (chosen.views * together) * together)
        climbed: Objective = chunked(objective(network, parts, views, priors), many)
        self._seen = Accumulated(climbed, len(names)) if chosen.transparency == "gradient" else None
        self._image, self._render = _image(network, chosen, names, size, seed, start), render
        if render and not isinstance(self._image, CPPN):
            raise Mistake(f"only a cppn can be rendered at another size, not {chosen.parameterization}; give a size")
        self.path: Iterator[Step] = argmin(
            self._image, self._seen or climbed, optimizer=OPTIMIZERS[chosen.optimizer](chosen.rate),
            operator=_operator(chosen, center), constraint=_bounds(chosen), stop=_until(chosen),
            steps=chosen.steps, key=Key(seed, names),
        )  # fmt: skip

    def _colours(self, step: Step) -> Float[Tensor, "n 3 h w"]:
        colours = seen(self.network, step.pictures[:, :3])
        return stretched(colours, mean_colour(self.network)) if self.chosen.stretch else colours

    def shown(self, step: Step) -> Float[Tensor, "n c h w"]:
        """A step's pictures, as the network can see them, with their transparency where there is one."""
        if self._render and isinstance(self._image, CPPN):
            return seen(self.network, self._image.at((self._render, self._render)).detach())
        colours = self._colours(step)
        if self._seen is not None and step.index:
            return torch.cat([colours, self._seen.visible()], 1)
        return torch.cat([colours, step.pictures[:, 3:]], 1)

    def reached(self, step: Step) -> Float[Tensor, " n"]:
        """What each problem's term is on its picture as it is shown, opaque and without transforms."""
        found = reached(self.network, self.parts, self._colours(step), self.batch)
        return torch.where(found.isfinite(), found, -step.values.to(found))  # where it fails, the last good one
