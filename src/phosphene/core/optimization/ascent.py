"""One way to ascend, as a value: everything of argmin L(f(T(x(theta)))) + lambda R(x) but the network and the term.

An `Ascent` holds nouns: a parameterization, a transform, priors, an operator, a constraint, an optimizer. `ascent`
makes one of `Settings`, their spelling in plain values, and of the nouns that somebody gives instead. Ascents chain
into `stages` (octaves, sizes, frames), with the stage in the random key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import (
    Constraint,
    Objective,
    Operator,
    Optimizer,
    Parameterization,
    Stop,
    argmin,
)
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.natural import natural_density, natural_match, shipped
from phosphene.core.optimization.objectives import Accumulated, chunked, gradient, grouped, remembered, total, unblocked
from phosphene.core.optimization.operators import blur, clip_contribution, clip_norm, colour, sequence, shrink
from phosphene.core.optimization.optimizers import (
    Rate,
    adam,
    momentum,
    nadam,
    normalized,
    scheduled,
    steepest,
)
from phosphene.core.optimization.parameterizations import (
    CPPN,
    DeepPrior,
    Fourier,
    Laplacian,
    Natural,
    Phase,
    Pixels,
    Shared,
    Transparent,
)
from phosphene.core.optimization.priors import opacity, weighted_priors
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.stillness import Stillness
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import Transform, as_is, compose, crop, noisy, over_noise, several, shake

Size = tuple[int, int]

SET = ("pixels", "fourier", "natural", "laplacian")
"""Parameterizations that can be set to given pictures."""

Parts = Sequence[tuple[Sequence[int], Term]]
"""Which problems share a term, and the term that is made large for them."""


@runtime_checkable
class Factory(Protocol):
    """What begins a parameterization: `Fourier`, `Laplacian`, `partial(Fourier, decay=1.5)`, or one's own."""

    def __call__(
        self,
        problems: Sequence[int],
        size: Size,
        *,
        seed: int,
        start: Float[Tensor, "n c h w"] | None,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> Parameterization:
        """The identities of the problems, (height, width), and pictures to start from instead of noise."""
        ...


@dataclass(frozen=True)
class Nouns:
    """What somebody gives in place of settings.

    Attributes:
        parameterization, transform, operator, constraint, optimizer: instead of what the settings say.
        prior: a term that is made small besides, on the pictures as they are, without transforms.
    """

    parameterization: Factory | None = None
    transform: Transform | None = None
    prior: Term | None = None
    operator: Operator | None = None
    constraint: Constraint | None = None
    optimizer: Optimizer | None = None

    @classmethod
    def among(cls, given: Mapping[str, Any]) -> "Nouns":
        """Those of some options: all that are no words."""
        names = {one.name for one in fields(cls)}
        return cls(**{k: v for k, v in given.items() if k in names and not isinstance(v, str)})

    def besides(self, prior: Term | None) -> "Nouns":
        """The same, and a further prior."""
        both = prior if self.prior is None else self.prior if prior is None else self.prior + prior
        return replace(self, prior=both)


@dataclass(frozen=True)
class Ascent:
    """How pictures are moved, whatever they shall excite.

    Attributes:
        parameterization: what is moved.
        transform: what a picture has to survive.
        placed: the same for terms of layers with rows and columns, where that is another.
        views: how many of a picture the transform makes; memory is kept flat by it.
        priors: what is made small besides, on the pictures as they are.
        operator, constraint: applied after every move.
        optimizer, steps, stop: as in `argmin`.
        redirected: whether gradients that rectifiers block are led past them in the first steps (`unblocked`).
        accumulated: whether to remember where gradients were (`Accumulated`).
        remembering: whether nothing in it is random, so that no picture need be looked at twice (`remembered`).
        reading: how the gradient of a term is had, in place of `gradient`: by tiles (`tiled`), for one.
    """

    parameterization: Factory = Fourier
    transform: Transform = as_is
    placed: Transform | None = None
    views: int = 1
    priors: Sequence[Term] = ()
    operator: Operator | None = None
    constraint: Constraint | None = None
    optimizer: Optimizer = field(default_factory=adam)
    steps: int = 256
    stop: Stop | None = None
    redirected: bool = True
    accumulated: bool = False
    remembering: bool = False
    reading: Callable[[Network, Term, Transform], Objective] = gradient

    def objective(self, network: Network, parts: Parts, stillness: Stillness | None = None) -> Objective:
        """Terms of several readings are several objectives, each over its own rows and under its own transform.

        Args:
            stillness: watches the gradients, without those of priors and before they are redirected.
        """
        objectives = [self._part(network, term, problems, stillness) for problems, term in parts]
        whole = grouped([problems for problems, _ in parts], objectives)
        if self.priors:  # apart: a redirected gradient is of the unit's blocked gradient, which a prior would hide
            whole = total(whole, gradient(network, sum(self.priors[1:], start=self.priors[0])))
        return whole

    def _part(self, network: Network, term: Term, problems: Sequence[int], stillness: Stillness | None) -> Objective:
        def watched(plain: Objective) -> Objective:
            return stillness.watching(plain, problems) if stillness else plain

        transform = self._transform(network, term)
        if self.redirected:
            return unblocked(network, -term, transform, watched=watched)
        return watched(self.reading(network, -term, transform))

    def _transform(self, network: Network, term: Term) -> Transform:
        return self.placed if self.placed is not None and has_places(network, term) else self.transform

    def begin(
        self, network: Network, key: Key, size: Size, start: Float[Tensor, "m c h w"] | None = None, many: int = 1
    ) -> Parameterization:
        """The parameterization on the network's device, of `many` problems; from one picture or from many, or noise."""
        device, dtype = network.device, working_dtype(network)
        if start is not None:
            start = start.to(device, dtype).expand(many, -1, -1, -1)
        names = [int(key.problems[row]) for row in range(many)]
        return self.parameterization(names, size, seed=key.seed, start=start, dtype=dtype, device=device)

    def trajectory(
        self, network: Network, parts: Parts, key: Key, size: Size, *,
        start: Float[Tensor, "m c h w"] | None = None, batch: int = 16, together: int = 1,
    ) -> "Trajectory":  # fmt: skip
        """Begin, and move until the last step.

        Args:
            parts: what is made large, for which problems.
            key: the seed, the stage and the identity of each problem.
            size: (height, width) in pixels.
            start: pictures to start from.
            batch: so many views at a time go through the network.
            together: so many neighbouring problems look at one another and must not be separated.
        """
        many = sum(len(problems) for problems, _ in parts)
        size_of_chunks = max(together, batch // (self.views * together) * together)
        network.allowance.check_made(many, size)
        network.allowance.check_read(min(many, size_of_chunks) * self.views, size)
        network.allowance.check_steps(self.steps, many, size, self.views)
        stillness = Stillness(many)
        objective: Objective = chunked(self.objective(network, parts, stillness), size_of_chunks)
        objective = remembered(objective) if self.remembering else objective
        seen = Accumulated(objective, many) if self.accumulated else None
        parameterization = self.begin(network, key, size, start, many)
        path = argmin(
            parameterization, seen or objective, optimizer=self.optimizer, operator=self.operator,
            constraint=self.constraint, stop=self.stop, steps=self.steps, key=key,
        )  # fmt: skip
        return Trajectory(stillness.noted(path), parameterization, seen)


@dataclass(frozen=True)
class Trajectory:
    """An ascent under way.

    Attributes:
        steps: the steps.
        parameterization: of the pictures, as it moves.
        accumulated: where gradients were so far, if that is remembered.
    """

    steps: Iterator[Step]
    parameterization: Parameterization
    accumulated: Accumulated | None = None


def stages(
    ascents: Sequence[Callable[[Key, Step | None], Iterator[Step]]],
    key: Key = Key(),
) -> Iterator[Step]:
    """Several ascents, one after the other, counted through.

    Args:
        ascents: from the key of the stage and the last step of the stage before (of the first: None) to its steps.
        key: of the first stage.
    """
    last: Step | None = None
    for number, ascend in enumerate(ascents):
        steps = ascend(replace(key, stage=key.stage + number), last)
        index, before = (0, torch.zeros(0, dtype=torch.bool)) if last is None else (last.index, last.still)
        last = None  # a large picture is not kept beside the next one
        for step in steps:
            still = step.still & before if len(step.still) == len(before) else step.still
            last = replace(step, index=index + step.index, still=still)
            yield last


# ----------------------------------------------------------------------------------------------- settings to nouns


def check_colours(network: Network) -> None:
    """Raise a Mistake if pictures for this network are not red, green and blue."""
    if network.channels != 3:
        raise Mistake(
            f"{network.name} takes pictures of {network.channels} channels, and only three colours are painted; "
            "it can be asked about pictures, in Python: arrays (channels, h, w)"
        )


def ascent(settings: Settings, network: Network, size: Size, nouns: Nouns = Nouns()) -> Ascent:
    """What settings mean for pictures of this size and this network, and what is given instead.

    Raises:
        Mistake: operators where pixels can't be set, or pictures of other than three channels.
    """
    check_colours(network)
    operated = settings.small_norm or settings.small_contribution or settings.shrink or settings.blur_width
    if operated and not nouns.parameterization and settings.parameterization not in SET:
        raise Mistake(
            f"shrink, blur and clipping need pixels that can be set, which {settings.parameterization} has not; "
            "use pixels, fourier, natural or laplacian"
        )
    center, view = mean_colour(network), min(network.size)
    priors = [*weighted_priors(settings, center), *_natural_priors(settings, network)]
    if settings.transparency == "learned":
        priors += [settings.opacity * opacity()] if settings.opacity else []
    pixels = settings.parameterization == "pixels" and not nouns.parameterization
    return Ascent(
        parameterization=nouns.parameterization or factory(settings, center),
        transform=nouns.transform or transform(settings, size, view),
        placed=None if nouns.transform else transform(settings, size, view, settings.channel_reach),
        views=settings.views,
        priors=priors if nouns.prior is None else [*priors, nouns.prior],
        operator=nouns.operator or _operator(settings, center),
        constraint=nouns.constraint or (box() if pixels else None),
        optimizer=nouns.optimizer or optimizer(settings),
        steps=settings.steps,
        stop=_until(settings.until) if settings.until else None,
        accumulated=settings.transparency == "gradient",
    )


def _natural_priors(settings: Settings, network: Network) -> Iterator[Term]:
    """Those of what layers do on photographs."""
    for weight, prior in ((settings.natural, natural_density), (settings.natural_match, natural_match)):
        if weight:
            layer, statistics = shipped(network, settings.natural_layer)
            yield weight * prior(layer, statistics)


def optimizer(settings: Settings) -> Optimizer:
    """What moves parameters, at a rate that falls as the settings say."""
    if settings.optimizer == "lbfgs":  # which finds its own
        return lbfgs()
    rate = scheduled(settings.schedule, settings.rate, settings.steps)
    if settings.optimizer == "momentum":
        return momentum(rate, settings.momentum)
    plain: dict[str, Callable[[Rate], Optimizer]] = {
        "adam": adam, "nadam": nadam, "steepest": steepest, "normalized": normalized
    }  # fmt: skip
    return plain[settings.optimizer](rate)


def mean_colour(network: Network) -> tuple[float, ...]:
    """What the network calls zero: red, green, blue in [0, 1] (grey .5 where that is no colour)."""
    return tuple(network.mean) if all(0 < value < 1 for value in network.mean) else (0.5,)


def has_places(network: Network, term: Term) -> bool:
    """Whether all layers that a term reads have rows and columns."""
    shapes = [network.layer(name).shape for name in term.layers]
    return all(len(shape) == 3 and min(shape[1:]) > 1 for shape in shapes)


def factory(settings: Settings, center: Sequence[float]) -> Factory:
    """What begins the parameterization that settings name; pixels begin about the colour `center`."""
    kind = settings.parameterization

    def begin(problems: Sequence[int], size: Size, *, seed: int, start: Tensor | None, **how: Any) -> Parameterization:
        image: Parameterization
        if kind == "pixels":
            image = Pixels(_noise(settings, center, problems, size, seed, **how) if start is None else start)
        elif kind in ("fourier", "natural"):
            image = {"fourier": Fourier, "natural": Natural}[kind](
                problems, size, seed=seed, start=start, decay=settings.decay, deviation=settings.deviation, **how
            )
        elif kind in ("shared", "laplacian", "phase"):
            image = {"shared": Shared, "laplacian": Laplacian, "phase": Phase}[kind](
                problems, size, seed=seed, start=start, **how
            )
        elif start is not None:
            raise Mistake(f"a {kind} can't start from a photograph; fourier, natural, laplacian, phase and pixels can")
        else:
            image = {"cppn": CPPN, "deep-prior": DeepPrior}[kind](problems, size, seed=seed, **how)
        return Transparent(image) if settings.transparency == "learned" else image

    return begin


def _noise(
    settings: Settings, center: Sequence[float], problems: Sequence[int], size: Size, seed: int, **how: Any
) -> Tensor:
    """The colour `center` and noise about it."""
    noise = Key(seed, problems).normal(torch.arange(len(problems)), 3, *size)
    return (colour(center, noise) + settings.deviation * noise).clamp(0, 1).to(**how)


def transform(settings: Settings, size: Size, view: int, part: float = 1.0) -> Transform:
    """What a picture has to survive.

    Args:
        size: of the pictures.
        view: side of the square parts that the network is shown, where it is shown parts.
        part: of the shifts, scalings and rotations that the settings say.
    """
    steps = []
    pad, jitter = (round(part * length * min(size)) for length in (settings.pad, settings.jitter))
    if settings.jitter == 2 * settings.pad:
        jitter = 2 * pad  # whatever is rounded, views are as large as the picture
    if pad or jitter or settings.rotate or (settings.smallest, settings.largest) != (1, 1):
        zoom = 1 - part * (1 - settings.smallest), 1 + part * (settings.largest - 1)
        steps.append(shake(pad=pad, jitter=jitter, scale=zoom, rotate=part * settings.rotate, border=settings.border))
    if settings.crop_from:
        steps.append(crop(settings.crop_from, max(settings.crop_from, settings.crop_to), view))
    if settings.noise:
        steps.append(noisy(settings.noise))
    if settings.transparency == "learned":
        steps.insert(0, over_noise())
    one = compose(*steps) if len(steps) > 1 else steps[0] if steps else as_is
    return several(settings.views, one) if settings.views > 1 else one


def _operator(settings: Settings, center: Sequence[float]) -> Operator | None:
    every = []
    if settings.shrink:
        every.append(shrink(settings.shrink, center))
    if settings.blur_width:
        every.append(blur(settings.blur_width, settings.blur_every))
    if settings.small_norm:
        every.append(clip_norm(settings.small_norm, center))
    if settings.small_contribution:
        every.append(clip_contribution(settings.small_contribution, center))
    return sequence(*every) if every else None


def _until(value: float) -> Stop:
    return lambda pictures, rows, seen: seen.values <= -value
