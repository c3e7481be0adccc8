"""A texture of any size, grown from noise: what is to be made small at each size, and how the picture gets there.

Each size is twice the one before, and the textures are seen at the same scale: so large forms are found where they are
a few pixels wide, and every layer meets what it can still move (Gatys et al. 2015, arXiv:1505.07376, at one size).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns, Size, ascent
from phosphene.core.optimization.engine import Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import Transform, as_is
from phosphene.core.pictures.fitting import resize
from phosphene.style.blocks import Additive, by_blocks
from phosphene.style.borders import replicated
from phosphene.style.cuts import margins_of
from phosphene.style.moments import Moments, blended, moments
from phosphene.style.moves import by_lbfgs
from phosphene.style.parts import of_style, placed
from phosphene.style.regions import Band, at_positions, bands
from phosphene.style.terms import LayerStyle, Region, targets
from phosphene.style.wrapping import Wrapping

SMALLEST = 96
"""px; the shorter side of the first size is at least as long."""

KEPT, LEAST = 0.5, 30
"""The part of the steps that the next size takes, and how many it takes at least."""


@dataclass(frozen=True)
class Synthesis:
    """A texture that is to be.

    Attributes:
        network: that is read.
        textures: pictures of them.
        shares: of each; where there are masks, of each where all are white.
        masks: where each is meant, at the last size; None: all everywhere, blended.
        layers: where they are read.
        statistics: the weight of each, by name.
        smooth: whether features are smoothed.
        seamless: whether what leaves on one side comes in on the other.
        last: (height, width) of the texture.
        scale: of the textures, as a factor of their own pixels.
        settings, nouns: of the ascents; the steps are those at the first size.
    """

    network: Network
    textures: Sequence[Float[Tensor, "1 3 sh sw"]]
    shares: Sequence[float]
    masks: Float[Tensor, "textures h w"] | None
    layers: Sequence[str]
    statistics: Mapping[str, float]
    smooth: bool
    seamless: bool
    last: Size
    scale: float
    settings: Settings
    nouns: Nouns

    @cached_property
    def sizes(self) -> list[Size]:
        """(height, width) of each size, the smallest first."""
        found = [self.last]
        while min(found[0]) >= 2 * SMALLEST:
            found.insert(0, (round(found[0][0] / 2), round(found[0][1] / 2)))
        return found

    @cached_property
    def steps(self) -> list[int]:
        """How many moves at each size."""
        first = self.settings.steps
        return [max(min(first, LEAST), round(first * KEPT**i)) for i in range(len(self.sizes))]

    @cached_property
    def wrapping(self) -> Wrapping | None:
        """How far pictures are repeated; None where they end at their borders.

        Raises:
            Mistake: what the network says of a place depends on the whole picture.
        """
        if not self.seamless:
            return None
        margins = margins_of(self.network, self.layers)
        if margins is None:
            raise Mistake(
                f"what {self.network.name} says of a place depends on the whole picture, so it can't look over the "
                "edge; a seamless texture needs a convolutional network or earlier layers"
            )
        return Wrapping.of(margins)

    def seen(self, size: Size) -> list[Float[Tensor, "1 3 sh sw"]]:
        """The textures, at the scale of this size."""
        factor = self.scale * size[0] / self.last[0]
        return [
            resize(one, (max(8, round(one.shape[2] * factor)), max(8, round(one.shape[3] * factor))))
            for one in self.textures
        ]

    def parts(self, size: Size) -> list[Additive]:
        """What is to be made small at this size."""
        seen = self.seen(size)

        def wanted(shares: Sequence[float]) -> list[LayerStyle]:
            return targets(
                self.network, seen, self.layers, self.statistics, shares=shares, smooth=self.smooth, rule=replicated
            )

        if self.masks is None and self.wrapping is None:
            return [of_style(style) for style in wanted(self.shares)]
        masks = torch.ones(1, *size) if self.masks is None else resize(self.masks[None], size)[0].cpu()
        areas = [Band(masks[0], tuple(self.shares))] if self.masks is None else bands(masks, self.shares)
        each = [wanted(area.shares) for area in areas]
        return [
            placed(layer, self._at([area.where for area in areas], [styles[i] for styles in each], size))
            for i, layer in enumerate(self.layers)
        ]

    def _at(
        self, where: Sequence[Float[Tensor, "h w"]], styles: Sequence[LayerStyle], size: Size
    ) -> Callable[[Size], LayerStyle]:
        """From the rows and columns of a layer to its style, with how much each position counts in each region."""
        layer, wrapping = styles[0].layer, self.wrapping
        inside = None if wrapping is None else wrapping.inside(self.network, layer, size)

        def at(shape: Size) -> LayerStyle:
            regions: list[Region] = []
            for area, style in zip(where, styles, strict=True):
                whole = area if wrapping is None else wrapping(area[None, None])[0, 0]
                weight = at_positions(whole, *shape) * (1 if inside is None else inside(shape).flatten())
                if weight.sum() > 0:
                    regions.append(replace(style.regions[0], weight=weight))
            return replace(styles[0], regions=regions)

        return at

    def start(self, key: Key) -> Float[Tensor, "1 3 h w"]:
        """Noise with the colours of the textures: their mean and their covariance."""
        size = self.sizes[0]
        colours: Moments = blended([moments(one.double().flatten(2)) for one in self.seen(size)], self.shares)
        values, vectors = torch.linalg.eigh(colours.covariance[0])
        root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        noise = key.normal(torch.zeros(1, dtype=torch.long), 3, *size).to(root)
        found = (root @ noise.flatten(2)).view_as(noise) + colours.mean[0].view(1, 3, 1, 1)
        return found.clamp(0, 1).to(self.textures[0])

    def ascents(self) -> list[Callable[[Key, Step | None], Iterator[Step]]]:
        """An ascent for each size, which begins where the one before has ended."""

        def at(index: int) -> Callable[[Key, Step | None], Iterator[Step]]:
            def ascend(key: Key, before: Step | None) -> Iterator[Step]:
                size = self.sizes[index]
                parts, wrapping = self.parts(size), self.wrapping

                def reading(network: Network, term: Term, transform: Transform) -> Objective:
                    if wrapping is not None and transform is not as_is:
                        raise Mistake("a seamless texture is looked at as it is; leave its transforms out")
                    shown = transform if wrapping is None else wrapping.transform
                    return by_blocks(network, parts, shown, replicated)

                begun = self.start(key) if before is None else resize(before.pictures, size)
                how = ascent(replace(self.settings, steps=self.steps[index]), self.network, size, self.nouns)
                how = replace(how, redirected=False, reading=reading, remembering=how.transform is as_is)
                if self.settings.optimizer == "lbfgs":
                    how = by_lbfgs(how, self.nouns, pixels=self.settings.parameterization == "pixels")
                term = Term(lambda r: r.pictures.new_zeros(len(r.pictures)), frozenset(self.layers), "texture")
                return how.trajectory(self.network, [([0], -term)], key, size, start=begun).steps

            return ascend

        return [at(index) for index in range(len(self.sizes))]
