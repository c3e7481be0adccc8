"""What a layer says of photographs that are not in an index, as the index keeps it: the mean over positions."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image

from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import opaque
from phosphene.core.units.network_input import feed, fitted
from phosphene.dataset.answers import HALF, said


def photo_codes(
    index: Index, network: Network, layer: str, photos: Sequence[Photo]
) -> Float64[np.ndarray, "photos units"]:
    """The code of each photograph, rounded to float16 as those of the index are.

    Args:
        network: that of the index.
        layer: one of the index's.
    Raises:
        Mistake: one is not a photograph that can be read, or there is no such layer.
    """
    index.units(layer)  # that there is such a layer is said before a picture is opened
    reading, codes = network.planned("reading"), []
    with torch.no_grad():
        for photo in photos:
            y = reading.read(feed(network, photo, index.fit), [layer])[layer]
            code = said(network.head.flat(y) if layer == "logits" else y).code[0]
            codes.append(code.clamp(-HALF, HALF).half())
    return torch.stack(codes).double().numpy()


def small_picture(index: Index, network: Network, photo: Photo, side: int) -> Image.Image:
    """What the network is fed of a photograph, in a square of `side` px."""
    picture = opaque(to_pil(shown(fitted(network, photo, index.fit))))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def shown(fed: torch.Tensor) -> torch.Tensor:
    """The network's input in three colours: grey as grey, of many channels the first three."""
    return fed.expand(-1, 3, -1, -1) if fed.shape[1] == 1 else fed[:, :3]
