"""Ten classes that are there on every machine: views of ten of scikit-image's photographs.

A view is a square part of a photograph, as it is or mirrored, in another tint. Which photograph is it from? Where
things are in it tells so, and the weights of a classifier that has learnt it look like the photographs.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.eight_bit import levels
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.pictures.samples import SKIMAGE
from phosphene.core.units.labelled import LabelledPictures

PHOTOGRAPHS = "astronaut camera chelsea coffee coins hubble_deep_field immunohistochemistry moon retina rocket".split()

WHAT = (
    "views of ten photographs that come with scikit-image, each a square part, perhaps mirrored, in a tint drawn at "
    "random, and the question is which photograph it is from"
)

SIDE, EACH = 32, 200
"""Pixels of a view's side, and views of each photograph."""

SHORTER = 128
"""To so many pixels the shorter side of a photograph is brought before views are cut out of it, which is faster."""


def views(seed: int = 0, each: int = EACH) -> LabelledPictures:
    """So many views of each photograph, and which it is.

    Raises:
        Mistake: scikit-image is not installed.
    """
    found = []
    for number, name in enumerate(PHOTOGRAPHS):
        photo = open_photo(SKIMAGE + name)
        shrinks = SHORTER / min(photo.shape[2:])
        small = fit(photo, (round(photo.shape[2] * shrinks), round(photo.shape[3] * shrinks)), "squash")
        draws = Key(seed).child(number).uniform(torch.arange(each), 7)
        found += [_view(small, *draw) for draw in draws.tolist()]
    labels = torch.arange(len(PHOTOGRAPHS)).repeat_interleave(each)
    names = [f"{name} {i}" for name in PHOTOGRAPHS for i in range(each)]
    classes = {number: name.replace("_", " ") for number, name in enumerate(PHOTOGRAPHS)}
    return LabelledPictures(names, levels(torch.cat(found)).byte(), labels, classes)


def _view(
    photo: Float[Tensor, "1 3 h w"], size: float, top: float, left: float, mirrored: float, *tint: float
) -> Float[Tensor, "1 3 side side"]:
    """One view; all numbers in [0, 1): a side of .4 to 1 times the shorter one, each colour's mean from .3 to .7."""
    height, width = photo.shape[2:]
    side = round((0.4 + 0.6 * size) * min(height, width))
    y, x = int(top * (height - side + 1)), int(left * (width - side + 1))
    part = fit(photo[..., y : y + side, x : x + side], (SIDE, SIDE))
    part = part.flip(3) if mirrored < 0.5 else part
    means = 0.3 + 0.4 * part.new_tensor(tint).view(1, 3, 1, 1)
    return (part - part.mean((2, 3), keepdim=True) + means).clamp(0, 1)
