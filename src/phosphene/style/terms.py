"""What a picture in a style is to be like: a term for each layer, from the style's features there.

    targets(network, styles, layers, {"gram": 1.0, "spread": 1.0})  ->  a `LayerStyle` for each layer
    style.term                                                      ->  a `Term`, made small by any ascent

A layer's target is a list of regions, of one region without masks. What only sums over positions tell (`OF_SUMS`) can
be had block by block: `features` of each block, `sums` of them, `added`, and then `of_sums`; the rest (`of_features`)
needs all features at once. Both together are the term.

Features may be smoothed (Wang et al. 2021, arXiv:2104.05623): a softmax over all channels and positions takes away the
single large activations of residual networks, which Gram matrices are otherwise all about. What the softmax divides by
is a sum over positions as well, so it is divided afterwards; then its mean is subtracted, which the paper does not do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.ascent import Size
from phosphene.core.optimization.terms import Reading, Term, TokenGrid
from phosphene.core.units.token_grids import token_grid
from phosphene.style.moments import Moments, blended, moments
from phosphene.style.reading import moments_of
from phosphene.style.regions import Band, at_positions
from phosphene.style.statistics import OF_FEATURES, OF_SUMS

LARGEST = 30.0
"""Of exponents: sums of squares of their exponentials are finite in float32."""

WIDTH = 3.0
"""What the softmax takes for 1, in standard deviations of the style's features on a layer. The paper takes features as
they are, which are of about that size in the networks that it reads; others' are a hundred times as large."""

INSIDE = 0.5
"""A position belongs to a region, for what needs single positions, where its weight is at least this."""


class Smoothing(NamedTuple):
    """exp((f - shift) / width): what a softmax is proportional to."""

    shift: float
    width: float

    def __call__(self, features: Tensor) -> Tensor:
        return ((features - self.shift) / self.width).clamp(max=LARGEST).exp()


@dataclass(frozen=True)
class Region:
    """What some positions of a layer are to be like.

    Attributes:
        weight: how much each position counts, row by row; None where all do alike.
        sums: over the styles' positions, smoothed already where features are; of several styles blended.
        features: each style's share and its features, where a statistic needs them; likewise smoothed.
    """

    weight: Float[Tensor, " p"] | None
    sums: Moments
    features: Sequence[tuple[float, Float[Tensor, "1 c q"]]] = ()


@dataclass(frozen=True)
class LayerStyle:
    """What a layer's features are to be like.

    Attributes:
        layer: its name.
        regions: of the picture.
        statistics: the weight of each, by name.
        smoothing: of features; None where they are left as they are.
        grid: where patches are among tokens, in a layer of tokens.
    """

    layer: str
    regions: Sequence[Region]
    statistics: Mapping[str, float]
    smoothing: Smoothing | None = None
    grid: TokenGrid | None = None

    # ------------------------------------------------------------------------------------------------ by sums

    def features(self, activations: Tensor) -> Float[Tensor, "n c p"]:
        """The layer's activations, position by position, as everything else here takes them."""
        flat = flat_features(activations, self.grid)
        return flat if self.smoothing is None else self.smoothing(flat)

    def sums(self, features: Float[Tensor, "n c p"], part: Tensor | slice = slice(None)) -> list[Moments]:
        """The sums of each region over these positions.

        Args:
            part: which of the layer's positions they are, where they are a block of them.
        """
        return [
            moments(features, None if region.weight is None else region.weight[part].to(features))
            for region in self.regions
        ]

    def of_sums(self, found: Sequence[Moments]) -> Float[Tensor, " n"]:
        """What the statistics of sums say about those of a whole picture, regions weighted by their size."""
        own = [self._divided(one) for one in found]
        total = torch.zeros_like(own[0].weight)
        for name, distances in self._distances_of_sums.items():
            for one, share, distance in zip(own, self._shares, distances, strict=True):
                total = total + self.statistics[name] * share * distance(one)
        return total

    def _divided(self, sums: Moments) -> Moments:
        """Sums of exponentials as those of the softmax over its mean, less 1; others as they are."""
        return sums if self.smoothing is None else divided(sums)

    # -------------------------------------------------------------------------------------------- by features

    def of_features(self, features: Float[Tensor, "n c p"]) -> Float[Tensor, " n"]:
        """What the other statistics say about a whole picture's features, regions weighted by their size."""
        total = features.new_zeros(len(features))
        for name, each in self._distances_of_features.items():
            for where, share, distances in zip(self._inside, self._shares, each, strict=True):
                own = features if where is None else features[..., where]
                own = own if self.smoothing is None else own / own.mean((1, 2), keepdim=True) - 1
                for part, distance in distances:
                    total = total + self.statistics[name] * share * part * distance(own)
        return total

    def alone(self, index: int) -> "LayerStyle":
        """One of its regions by itself."""
        return LayerStyle(self.layer, [self.regions[index]], self.statistics, self.smoothing, self.grid)

    @property
    def additive(self) -> bool:
        """Whether sums tell everything."""
        return not self._distances_of_features

    # ------------------------------------------------------------------------------------------------- both

    @property
    def term(self) -> Term:
        """Both together."""

        def of(r: Reading) -> Float[Tensor, " n"]:
            features = self.features(r.layers[self.layer])
            values = self.of_sums(self.sums(features))
            return r.mean(values if self.additive else values + self.of_features(features))

        return Term(of, frozenset([self.layer]), f"style of {self.layer}")

    @cached_property
    def _shares(self) -> list[float]:
        if len(self.regions) == 1:
            return [1.0]
        sizes = [float(one.weight.sum()) for one in self.regions if one.weight is not None]
        return [size / sum(sizes) for size in sizes]

    @cached_property
    def _inside(self) -> list[Bool[Tensor, " p"] | None]:
        return [None if one.weight is None else inside(one.weight) for one in self.regions]

    @cached_property
    def _distances_of_sums(self) -> dict:
        named = {name: OF_SUMS[name] for name, weight in self.statistics.items() if weight and name in OF_SUMS}
        return {name: [distance(region.sums) for region in self.regions] for name, distance in named.items()}

    @cached_property
    def _distances_of_features(self) -> dict:
        named = {name: OF_FEATURES[name] for name, weight in self.statistics.items() if weight and name in OF_FEATURES}
        return {
            name: [[(part, distance(f)) for part, f in region.features] for region in self.regions]
            for name, distance in named.items()
        }


def flat_features(activations: Tensor, grid: TokenGrid | None = None) -> Float[Tensor, "n c p"]:
    """Activations position by position, channels on axis 1; of tokens only the patches: a class token is no place."""
    flat = activations.flatten(2)
    return flat if grid is None else flat[..., grid.prefix : flat.shape[2] - grid.suffix]


def divided(sums: Moments) -> Moments:
    """The sums of features that are divided by their mean over all positions and channels, less 1.

    Without that 1, which all of them have, what is alike in every picture would be most of what is compared.
    """
    mean = sums.mean.mean(1)
    total, products = sums.total / mean[:, None], sums.products / mean.square()[:, None, None]
    whole = sums.weight[:, None, None]
    return Moments(sums.weight, total - sums.weight[:, None], products - total[:, :, None] - total[:, None] + whole)


def inside(weight: Float[Tensor, " p"]) -> Bool[Tensor, " p"]:
    """Which positions are in a region that counts so much at each: from half on, or where it counts most."""
    return weight >= min(INSIDE, float(weight.max()))


def style_grid(network: Network, layer: str, what: str = "style") -> TokenGrid | None:
    """Where patches are among the tokens of a layer; None where it has rows and columns.

    Raises:
        Mistake: it has no positions, or its tokens are no patches of the picture.
    """
    known = network.layer(layer)
    places = [size for axis, size in enumerate(known.shape, 1) if axis != known.channel_axis]
    if layer == "logits" or not places or max(places) == 1:
        raise Mistake(f"{layer} has no rows and columns, so it knows no {what}; take an earlier layer")
    return None if len(places) == 2 else token_grid(network, known)[0]


@torch.no_grad()
def targets(
    network: Network,
    styles: Sequence[Float[Tensor, "1 3 h w"]],
    layers: Sequence[str],
    statistics: Mapping[str, float],
    *,
    shares: Sequence[float] = (),
    parts: Sequence[Float[Tensor, "_ _"] | None] = (),
    regions: Sequence[Band] = (),
    size: Size | None = None,
    smooth: bool = False,
    rule: Rule = "gradient",
) -> list[LayerStyle]:
    """What each of these layers is to be like, as it is in these styles, each of which is read once.

    Args:
        styles: pictures, at the size at which their strokes are meant.
        statistics: the weight of each, by name (`OF_SUMS`, `OF_FEATURES`).
        shares: of each style among several; by default all the same.
        parts: how much each pixel of a style counts; None where all do alike.
        regions: of the picture, each with shares of its own; by default it is one region.
        size: (height, width) of the picture, where it has regions.
        smooth: whether features are smoothed by a softmax.
        rule: how the network is read.
    Raises:
        Mistake: an unknown layer, or one without positions.
    """
    grids = {layer: style_grid(network, layer) for layer in layers}
    kept = any(statistics.get(name) for name in OF_FEATURES)
    if not (kept or smooth or regions or any(part is not None for part in parts) or any(grids.values())):
        return _by_sums(network, styles, layers, statistics, list(shares) or [1.0] * len(styles), rule)
    read = [network.read(one, layers, rule) for one in styles]
    pixels = [(one.shape[2], one.shape[3]) for one in styles]
    every = list(parts) or [None] * len(styles)
    shown = network.read(styles[0].new_zeros(1, 3, *size), layers, rule) if regions and size else {}
    found = []
    for layer in layers:
        grid = grids[layer]
        features = [flat_features(one[layer], grid) for one in read]
        counted = [
            None if part is None else at_positions(part, *places(one[layer], grid, size)).to(one[layer])
            for part, one, size in zip(every, read, pixels, strict=True)
        ]
        own: list[tuple[Tensor | None, list[float]]] = [(None, list(shares) or [1.0] * len(styles))]
        if regions and size:
            at = places(shown[layer], grid, size)
            own = [(at_positions(band.where, *at).to(styles[0]), list(band.shares)) for band in regions]
        found.append(_layer_style(layer, features, counted, own, statistics, smooth, grid))
    return found


def _by_sums(
    network: Network, styles: Sequence[Float[Tensor, "1 3 h w"]], layers: Sequence[str],
    statistics: Mapping[str, float], shares: Sequence[float], rule: Rule,
) -> list[LayerStyle]:  # fmt: skip
    """What sums over whole styles tell, each of which is read block by block where it is large."""
    seen = [moments_of(network, one, layers, rule) for one in styles]
    return [
        LayerStyle(layer, [Region(None, blended([one[layer] for one in seen], shares))], statistics) for layer in layers
    ]


def places(activations: Tensor, grid: TokenGrid | None, size: Size) -> tuple[int, int]:
    """Rows and columns of a layer's positions, on a picture of (height, width)."""
    shape = activations.shape[2:] if grid is None else grid.shape(activations.shape[2], size)
    assert shape is not None
    return shape[0], shape[1]


def _layer_style(
    layer: str, features: Sequence[Float[Tensor, "1 c q"]], counted: Sequence[Float[Tensor, " q"] | None],
    regions: Sequence[tuple[Float[Tensor, " p"] | None, list[float]]],
    statistics: Mapping[str, float], smooth: bool, grid: TokenGrid | None,
) -> LayerStyle:  # fmt: skip
    """What a layer is to be like, from the features of each style there.

    Args:
        counted: how much each position of each style counts.
        regions: how much each position of the picture counts, and the shares of the styles there.
    """
    smoothing = None
    if smooth:
        every = torch.cat([one.flatten() for one in features])
        smoothing = Smoothing(float(every.mean()), WIDTH * float(every.std(correction=0)))
        features = [smoothing(one) for one in features]
    kept = any(statistics.get(name) for name in OF_FEATURES)
    within = [one if w is None else one[..., inside(w)] for one, w in zip(features, counted, strict=True)]
    sums = [moments(one, w) for one, w in zip(features, counted, strict=True)]
    if smooth:
        within, sums = [one / one.mean() - 1 for one in within], [divided(one) for one in sums]
    found = []
    for weight, shares in regions:
        meant = [(share / sum(shares), i) for i, share in enumerate(shares) if share]
        blend = blended([sums[i] for _, i in meant], [share for share, _ in meant])
        found.append(Region(weight, blend, [(share, within[i]) for share, i in meant] if kept else []))
    return LayerStyle(layer, found, statistics, smoothing, grid)
