"""Does the map of a class lie where the class is? Four photographs in one mosaic answer that without boxes.

The grid pointing game of Böhle et al. 2021 (arXiv:2104.00032), with 2 x 2 photographs: each stands, half as large, in a
quarter of the picture, and each one's class is asked about the whole. Where the largest number lies is the pointing
game of Zhang et al. 2016 (arXiv:1608.00507); how much of what is positive lies on the quarter is Böhle's. By chance
both are a quarter.

A photograph's class is what the network says of it alone; that it sees it in the mosaic too is not made sure (Böhle et
al. choose photographs of which it is sure), so 4 of 4 is not to be had everywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.checks.likeness import seen
from phosphene.attribution.maps import About, Method, found
from phosphene.attribution.question import Pictures, Question
from phosphene.core.networks.network import Network
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.inputs import feed, logits
from phosphene.core.units.units import Unit

FURTHER = ("chelsea", "coffee", "rocket", "astronaut", "camera", "clock", "coins", "hubble_deep_field", "retina")
"""scikit-image's photographs, for a mosaic of fewer than four classes."""


@dataclass(frozen=True)
class Mosaic:
    """Four photographs in one picture, row by row, and the class of each."""

    picture: Float[Tensor, "1 c h w"]
    classes: Sequence[int]


@dataclass(frozen=True)
class Pointing:
    """Where the maps of a mosaic's classes lie.

    Attributes:
        mosaic: what was asked about.
        maps: of each class, over the whole mosaic.
        hits: whether the largest number lies on the class's own photograph.
        shares: how much of what is positive does.
    """

    mosaic: Mosaic
    maps: Float[Tensor, "4 h w"]
    hits: Sequence[bool]
    shares: Sequence[float]


def quarters(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of each quarter, row by row; of an odd side the middle belongs to the second half."""
    rows, columns = ((slice(0, side // 2), slice(side // 2, side)) for side in (height, width))
    return [(r, c) for r in rows for c in columns]


def mosaic(photos: Sequence[Float[Tensor, "1 c _ _"]], classes: Sequence[int], size: tuple[int, int]) -> Mosaic:
    """Four photographs of these classes in one picture of this size: each is cut to the quarter's shape and shrunk."""
    picture = photos[0].new_zeros(1, photos[0].shape[1], *size)
    for photo, (rows, columns) in zip(photos, quarters(*size), strict=True):
        picture[:, :, rows, columns] = fit(photo, (rows.stop - rows.start, columns.stop - columns.start))
    return Mosaic(picture, list(classes))


def cast(network: Network, pictures: Pictures, batch: int = 16) -> Mosaic | None:
    """A mosaic of the first of these photographs that are of different classes, filled up with scikit-image's.

    None where there are not four that the network tells apart.
    """
    if network.classes < 4 or not network.head.has_probabilities:
        return None
    chosen: dict[int, Tensor] = {}
    for photo, index in _candidates(network, pictures, batch):
        chosen.setdefault(index, photo)
        if len(chosen) == 4:
            return mosaic(list(chosen.values()), list(chosen), (pictures.shape[2], pictures.shape[3]))
    return None


def _candidates(network: Network, pictures: Pictures, batch: int) -> Iterator[tuple[Tensor, int]]:
    """Photographs and what the network says of each; further ones are read only where they are needed."""
    for some in pictures.split(batch):
        yield from zip(some.split(1), network.head.decided(logits(network, some)).tolist(), strict=True)
    for name in FURTHER:
        photo = feed(network, f"skimage:{name}")
        yield photo.to(pictures), int(network.head.decided(logits(network, photo))[0])


def pointing(method: Method, about: About, asked: Question, made: Mosaic, options: Mapping[str, Any]) -> Pointing:
    """Where a method's maps of a mosaic's four classes lie."""
    classes = Question(asked.network, [Unit("logits", index) for index in made.classes], asked.score, asked.batch)
    maps = seen(found(method, classes, made.picture.expand(4, -1, -1, -1), **options).values, about)
    places = quarters(maps.shape[1], maps.shape[2])
    return Pointing(
        made,
        maps,
        [bool(one[place].max() == one.max() > one.min()) for one, place in zip(maps, places, strict=True)],
        [_share(one, place) for one, place in zip(maps, places, strict=True)],
    )


def _share(one: Float[Tensor, "h w"], place: tuple[slice, slice]) -> float:
    positive = one.clamp(min=0)
    return float(positive[place].sum() / positive.sum()) if positive.any() else 0.0
