"""A picture in a style, size after size: what is to be made small at each, and how the picture gets there.

The smallest size comes first, where a style's large forms are a few pixels wide, and each is sqrt 2 times the one
before (crowsonkb, style-transfer-pytorch): so every layer sees strokes that it can move, and most steps are cheap ones.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent, Nouns, Size, ascent, stages
from phosphene.core.optimization.engine import Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.optimizers import AdamMemory, adam, scheduled
from phosphene.core.optimization.steps import Step, Waypoints, averaged
from phosphene.core.optimization.terms import Term, code_distance, weighted
from phosphene.core.optimization.transforms import Transform, as_is
from phosphene.style.blocks import Additive, by_blocks, of_code
from phosphene.style.borders import replicated
from phosphene.style.moves import by_lbfgs
from phosphene.style.parts import of_style
from phosphene.style.presets import Setup
from phosphene.style.reading import code_of
from phosphene.style.regions import Band
from phosphene.style.terms import LayerStyle, targets

RATIO = math.sqrt(2)
"""Of one size to the next."""

FULL = 512
"""px; at each size above it, of the longer side, there are fewer steps."""


def sizes(last: Size, smallest: int | None) -> list[Size]:
    """(height, width) of each size, the smallest first: the longer side of the first one is at least `smallest`."""
    found, scale = [last], RATIO
    while smallest is not None and round(max(last) / scale) >= smallest:
        found.insert(0, (max(1, round(last[0] / scale)), max(1, round(last[1] / scale))))
        scale *= RATIO
    return found


def resized(pictures: Float[Tensor, "n 3 h w"], size: Size) -> Float[Tensor, "n 3 rh rw"]:
    """Pictures at another size, in [0, 1]."""
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


@dataclass(frozen=True)
class Mixture:
    """How much counts in one picture: the weight of each style layer, and of the content."""

    layers: Sequence[float]
    content: float


@dataclass(frozen=True)
class Aim:
    """What is to be made small at one size.

    Attributes:
        styles: of each layer.
        code: the photograph's, where its content is read.
        layer: that layer.
        mixtures: of each picture.
    """

    styles: Sequence[LayerStyle]
    code: Tensor
    layer: str
    mixtures: Sequence[Mixture]

    @property
    def content(self) -> Term:
        """How far pictures are from the photograph's code."""
        return code_distance(self.layer, self.code.expand(len(self.mixtures), *self.code.shape[1:]))

    @property
    def term(self) -> Term:
        """All of it, each picture's by its own mixture."""
        whole = weighted([one.content for one in self.mixtures], self.content)
        for i, style in enumerate(self.styles):
            whole = whole + weighted([one.layers[i] for one in self.mixtures], style.term)
        return whole

    def reading(self, network: Network, term: Term, transform: Transform) -> Objective:
        """The same with its gradient: block by block where the picture is large and sums tell everything."""
        many = len(self.mixtures)
        parts = [_weighted(of_code(self.layer, self.code.expand(many, *self.code.shape[1:])), self._weights(None))]
        parts += [_weighted(of_style(style), self._weights(i)) for i, style in enumerate(self.styles)]
        return by_blocks(network, parts, transform, replicated)

    def _weights(self, layer: int | None) -> list[float]:
        return [one.content if layer is None else one.layers[layer] for one in self.mixtures]


def _weighted(part: Additive, weights: Sequence[float]) -> Additive:
    """The same, times the weight of each problem."""

    def value(sums: Sequence[Tensor], rows: Tensor) -> Float[Tensor, " n"]:
        found = part.value(sums, rows)
        return found * torch.tensor(weights, dtype=found.dtype, device=found.device)[rows.to(found.device)]

    return replace(part, value=value)


@dataclass(frozen=True)
class Making:
    """A picture, or several of one photograph, in a style.

    Attributes:
        network: that is read.
        photo: the photograph.
        styles: pictures, in the colours that are meant.
        shares: of each style.
        layers, layer: where the style and the content are read.
        how: the settings, the statistics and so on.
        mixtures: of each picture.
        sizes: the smallest first.
        scale: how large strokes are, as a factor of the style's size at which its area is the picture's.
        smooth: whether features are smoothed.
        parts: how much each pixel of a style counts; None where all do alike.
        regions: which styles are meant where; without any, all everywhere.
        nouns: in place of settings.
    """

    network: Network
    photo: Float[Tensor, "1 3 h w"]
    styles: Sequence[Float[Tensor, "1 3 sh sw"]]
    shares: Sequence[float]
    layers: Sequence[str]
    layer: str
    how: Setup
    mixtures: Sequence[Mixture]
    sizes: Sequence[Size]
    scale: float = 1.0
    smooth: bool = False
    parts: Sequence[Float[Tensor, "_ _"] | None] = ()
    regions: Sequence[Band] = ()
    nouns: Nouns = field(default_factory=Nouns)

    @property
    def steps(self) -> list[int]:
        """How many moves at each size: as many at all that are not above 512 px, and then fewer and fewer."""
        large = [sum(max(one) > FULL for one in self.sizes[: i + 1]) for i in range(len(self.sizes))]
        return [round(self.how.settings.steps * self.how.kept**above) for above in large]

    def aim(self, size: Size) -> Aim:
        """What is to be made small at this size."""
        styles = [resized(one, self.style_size(one, size)) for one in self.styles]
        found = targets(
            self.network, styles, self.layers, self.how.statistics,
            shares=self.shares, parts=self.parts, regions=self.regions, size=size, smooth=self.smooth, rule=replicated,
        )  # fmt: skip
        code = code_of(self.network, resized(self.photo, size), self.layer, replicated)
        return Aim(found, code, self.layer, self.mixtures)

    def style_size(self, style: Float[Tensor, "1 3 sh sw"], size: Size) -> Size:
        """At which a style is read beside a picture of this size: as many pixels, times the scale's square."""
        height, width = style.shape[2:]
        factor = self.scale * math.sqrt(size[0] * size[1] / (height * width))
        return max(8, round(height * factor)), max(8, round(width * factor))

    @cached_property
    def last(self) -> Aim:
        """At the last size."""
        return self.aim(self.sizes[-1])

    def path(
        self, key: Key, start: Float[Tensor, "1 3 h w"] | None, waypoints: Waypoints | None = None
    ) -> Iterator[Step]:
        """The steps, size after size; between two sizes is a waypoint.

        Args:
            start: the picture to begin at instead of noise.
        """
        memory, begun, done, before = AdamMemory(), start, 0, 0
        ways = waypoints or Waypoints()
        if ways.kept is not None:
            begun = ways.kept["pictures"].to(self.network.device)
            done, before = int(ways.kept["sizes"]), int(ways.kept["steps"])
            memory.take(ways.kept)
        last: Step | None = None
        for step in stages(self.ascents(begun, memory)[done:], replace(key, stage=key.stage + done)):
            if last is not None and step.pictures.shape != last.pictures.shape:
                done += 1
                reached = {"pictures": last.pictures, "sizes": torch.tensor(done), "steps": torch.tensor(last.index)}
                ways.reached(reached | memory.tensors())
            last = replace(step, index=before + step.index)
            yield last

    def ascents(
        self, start: Float[Tensor, "n 3 h w"] | None, memory: AdamMemory
    ) -> list[Callable[[Key, Step | None], Iterator[Step]]]:
        """An ascent for each size, which begins where the one before has ended; the first at `start`, or at noise."""

        def at(index: int) -> Callable[[Key, Step | None], Iterator[Step]]:
            def ascend(key: Key, before: Step | None) -> Iterator[Step]:
                size = self.sizes[index]
                begun = self._begun(index, start if before is None else before.pictures)
                aim = self.last if index == len(self.sizes) - 1 else self.aim(size)
                how = ascent(replace(self.how.settings, steps=self.steps[index]), self.network, size, self.nouns)
                how = replace(how, redirected=False, reading=aim.reading, remembering=how.transform is as_is)
                how = self._moved(how, memory)
                many = len(self.mixtures)
                steps = how.trajectory(self.network, [(range(many), -aim.term)], key, size, start=begun).steps
                return averaged(steps, self.how.beta) if self.how.beta else steps

            return ascend

        return [at(index) for index in range(len(self.sizes))]

    def _begun(self, index: int, pictures: Float[Tensor, "n 3 h w"] | None) -> Float[Tensor, "m 3 nh nw"] | None:
        """Where a size begins: at the photograph and what was added to it at the size before, so that its detail is
        there; or at the enlarged picture, where it did not begin at the photograph."""
        if pictures is None:
            return None
        size, old = self.sizes[index], (pictures.shape[2], pictures.shape[3])
        if index == 0 or self.how.begin == "noise" or old == size:
            return resized(pictures, size)
        added = pictures - resized(self.photo, old)
        grown = F.interpolate(added, size, mode="bicubic", antialias=True, align_corners=False)
        return (resized(self.photo, size) + grown).clamp(0, 1)

    def _moved(self, how: Ascent, memory: AdamMemory) -> Ascent:
        """The same, with what moves the picture where that is not said otherwise.

        Args:
            memory: Adam's, of the size before.
        """
        settings, nouns = self.how.settings, self.nouns
        pixels = settings.parameterization == "pixels" and not nouns.parameterization
        if settings.optimizer == "lbfgs":
            return by_lbfgs(how, nouns, pixels=pixels)
        if settings.optimizer != "adam" or not pixels or nouns.optimizer:
            return how
        rate = scheduled(settings.schedule, settings.rate, settings.steps)
        return replace(how, optimizer=adam(rate, self.how.betas, memory=memory))
