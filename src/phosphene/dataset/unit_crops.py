"""What the units of a layer see of their strongest photographs, small, for pages that show hundreds of units at once.

A photograph may be among the strongest of many units, so each is opened once, whatever is cut out of it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Found, Index
from phosphene.core.index.photographs import Indexed
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import MID_GREY
from phosphene.core.units.exemplars import cut_original, visible_box

Track = Callable[[Sequence[int]], Iterable[int]]
"""Goes through numbers and tells people how far it is."""


@dataclass(frozen=True)
class Crops:
    """The strongest photographs of every unit, cut to what it sees.

    Attributes:
        found: of each unit, strongest first.
        pixels: of each unit its crops in a row, grey where there is nothing.
        gone: the photographs that are not there any more; what stands for them is cut out of thumbnails.
    """

    found: Sequence[Sequence[Found]]
    pixels: UInt8[np.ndarray, "units side row 3"]
    gone: Sequence[int]


def crops(index: Index, network: Network, layer: str, count: int, side: int, track: Track = iter) -> Crops:
    """The `count` strongest photographs of every unit of a layer, each cut to the unit's field, at `side` px.

    Args:
        index: of the network.
        network: which says what a unit sees.
        layer: one of the index's.
        count: of each unit, at most as many as the index has.
        side: of a crop, in px.
        track: told of every photograph.
    Raises:
        Mistake: the index has no such layer, or keeps fewer photographs of a unit.
    """
    found = [index.exemplars(layer, unit, "strongest", count) for unit in range(index.units(layer))]
    wanted: dict[int, list[tuple[int, int]]] = {}
    for unit, own in enumerate(found):
        for rank, one in enumerate(own):
            wanted.setdefault(one.image, []).append((unit, rank))
    pixels = np.full((len(found), side, count * side, 3), round(255 * MID_GREY), np.uint8)
    gone = []
    photos, field = Indexed(index), network.receptive_field(layer)
    for image in track(sorted(wanted)):
        try:
            photo = open_photo(photos[image])
        except Mistake:
            photo = index.thumbnail(image)[None]
            gone.append(image)
        size = _fed(network, index, image)
        how = "squash" if image in gone else index.fit  # a thumbnail is all of what was fed
        for unit, rank in wanted[image]:
            box = visible_box(field.of(unit), found[unit][rank].position, size)
            part = squared(cut_original(photo, box, size, how), side)
            pixels[unit, :, rank * side : (rank + 1) * side] = to_uint8(part)[0]
    return Crops(found, pixels, gone)


def _fed(network: Network, index: Index, image: int) -> tuple[int, int]:
    """The size of what the network was fed of an image."""
    height, width = (int(length) for length in index.sizes[image])
    return (height, width) if index.fit == "whole" and not network.fixed else network.size


def squared(picture: Float[Tensor, "1 3 h w"], side: int) -> Float[Tensor, "1 3 side side"]:
    """A picture in a square, grey around it: smoothly scaled, or with its pixels as squares if they grow to twice."""
    scale = side / max(picture.shape[2:])
    size = [max(1, round(scale * length)) for length in picture.shape[2:]]
    if scale >= 2:
        scaled = F.interpolate(picture, size, mode="nearest-exact")
    else:
        scaled = F.interpolate(picture, size, mode="bilinear", antialias=True)
    top, left = ((side - length) // 2 for length in size)
    made = torch.full((1, 3, side, side), MID_GREY)
    made[..., top : top + size[0], left : left + size[1]] = scaled.clamp(0, 1)
    return made
