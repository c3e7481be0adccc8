"""Photographs, and beside each the images of an index that are most like it for a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.options import shown as number
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.units.embedding import Metric
from phosphene.core.units.network_input import fitted
from phosphene.core.units.photographs import photo_name
from phosphene.dataset.map_drawing import class_name
from phosphene.dataset.neighbour_statistics import check_count
from phosphene.dataset.neighbours import Codes
from phosphene.dataset.photo_codes import photo_codes, shown

PANEL = 150  # px
A_ROW = 10  # neighbours
NAMED = 5  # classes in a heading


@dataclass(frozen=True, eq=False)
class Alike:
    """The neighbours of one photograph.

    Attributes:
        name: of the photograph.
        images: their numbers in the index, nearest first.
        distances: of their codes.
    """

    name: str
    images: Sequence[int]
    distances: Sequence[float]

    def record(self, index: Index) -> dict[str, Any]:
        """For JSON: the id, class and distance of each."""
        near = [
            {"image": image, "id": index.ids[image], "distance": distance}
            | ({"class": label, "label": class_name(index.classes, label)} if (label := _label(index, image)) >= 0
               else {})
            for image, distance in zip(self.images, self.distances, strict=True)
        ]  # fmt: skip
        return {"photo": self.name, "neighbours": near}

    def classes(self, index: Index) -> str:
        """Which classes its neighbours are of, most frequent first: `6 tabby, 2 tiger cat`; nothing without classes.

        A class of one neighbour has no number; of more than five classes, the others are dots.
        """
        labels = [label for image in self.images if (label := _label(index, image)) >= 0]
        known, first, many = np.unique(labels, return_index=True, return_counts=True)
        order = np.lexsort((first, -many))
        names = [class_name(index.classes, int(known[i])) for i in order]
        words = [f"{many[i]} {name}" if many[i] > 1 else name for i, name in zip(order, names, strict=True)]
        return ", ".join(words if len(words) <= NAMED else [*words[:NAMED], "..."])


def _label(index: Index, image: int) -> int:
    return int(index.labels[image])


def alike(
    index: Index, network: Network, layer: str, photos: Sequence[Photo], count: int, metric: Metric = "cosine"
) -> list[Alike]:
    """The images of an index most like each photograph.

    Args:
        network: that of the index.
        layer: whose codes are compared.
        count: how many.
    Raises:
        Mistake: there are not so many, or a photograph can't be read.
    """
    check_count(count, index.count)
    codes: Float64[np.ndarray, "photos units"] = photo_codes(index, network, layer, photos)
    near = Codes(index.codes(layer), metric).nearest(codes, count)
    names = [photo_name(photo) or f"photograph {i + 1}" for i, photo in enumerate(photos)]
    return [
        Alike(name, images, distances)
        for name, images, distances in zip(names, near.images.tolist(), near.distances.tolist(), strict=True)
    ]


def drawn(
    index: Index, network: Network, layer: str, photos: Sequence[Photo], found: Sequence[Alike], metric: Metric
) -> Image.Image:
    """The figure: a photograph, as the network was fed it, then its neighbours with their classes and distances."""
    strips = []
    for photo, one in zip(photos, found, strict=True):
        panels = [("the photograph", shown(fitted(network, photo, index.fit)))]
        for image, distance in zip(one.images, one.distances, strict=True):
            label = _label(index, image)
            name = class_name(index.classes, label) if label >= 0 else index.ids[image]
            panels.append((f"{name}\n{number(float(f'{distance:.3g}'))}", picture(index, network, image)))
        lines = [panels[i : i + A_ROW + 1] for i in range(0, len(panels), A_ROW + 1)]
        classes = one.classes(index)
        heading = f"{one.name}: {classes}" if classes else one.name
        strips += [Strip(heading if i == 0 else "", line) for i, line in enumerate(lines)]
    title = f"Most like them for {layer} of {index.network_name}, among {index.count} images"
    words = "The number below each is its distance: 1 - cosine of both codes, the means of the layer over positions."
    if metric == "euclidean":
        words = "The number below each is the Euclidean distance of both codes, the means of the layer over positions."
    return rows(strips, title, words, side=PANEL)


def picture(index: Index, network: Network, image: int) -> Float[Tensor, "*one 3 _ _"]:
    """An image of an index as the network was fed it; where it is gone, its thumbnail."""
    try:
        return shown(fitted(network, index.photo(image), index.fit))
    except Mistake:
        return index.thumbnail(image)
