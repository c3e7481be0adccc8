"""Masks: pictures that say where of another picture something is meant."""

import torch
from jaxtyping import Float

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import Photo, open_photo

NEARLY = 0.02
"""A shape whose proportions differ by less is the same, rounded to other pixels."""


def read_mask(mask: Photo, size: tuple[int, int], of: str = "the photograph") -> Float[torch.Tensor, "1 1 mh mw"]:
    """How much is meant where: 1 where a mask is white, 0 where it is black.

    Args:
        size: (height, width) of the picture that it is a mask of; it may be smaller or larger itself.
        of: what that is called.
    Raises:
        Mistake: it is of another shape, or no picture.
    """
    opened = open_photo(mask)
    (height, width), (own_height, own_width) = size, opened.shape[2:]
    across, down = own_width * height, width * own_height
    if abs(across - down) > NEARLY * max(across, down):
        raise Mistake(
            f"the mask is {own_width} x {own_height} pixels and {of} {width} x {height}; give one of the same shape"
        )
    return opened.mean(1, keepdim=True)
