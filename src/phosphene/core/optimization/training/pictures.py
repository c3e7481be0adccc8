"""Pictures for a training: a part held out, the order of an epoch, and crops, mirrors and sizes of a batch.

Every random number is keyed by (seed, picture, epoch, batch), so that a training that was interrupted goes on as if it
had not been.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key

SHARE, LEAST, MOST = 0.1, 64, 512
"""Of the pictures that are held out: so large a share of each class, but in all no fewer and no more than this."""

HOLDING, ORDER, CROPS, PLACES, START, LAYERS, PARTS, STARTS = range(8)
"""Streams of random numbers: whoever draws has numbers of their own."""


class Examples(NamedTuple):
    """Square pictures and their classes.

    Attributes:
        pictures: of 8 bits.
        labels: the number of each one's class.
    """

    pictures: UInt8[Tensor, "n 3 side side"]
    labels: Int[Tensor, " n"]

    def part(self, rows: Int[Tensor, " m"]) -> "Examples":
        """These of them."""
        return Examples(self.pictures[rows], self.labels[rows])


def held_out(examples: Examples, names: Sequence[str], seed: int = 0) -> tuple[Examples, Examples]:
    """The pictures to train on, and those that are held out: a tenth of each class, in all from 64 to 512.

    A class gives at least one and keeps at least one; of few pictures in all, no more than a quarter is held out.

    Raises:
        Mistake: a class has one picture, or none; or there is one class.
    """
    many = torch.bincount(examples.labels, minlength=len(names))
    if len(names) < 2:
        raise Mistake(f"there is one class, '{names[0]}'; a network is trained to tell two or more apart")
    if int(many.min()) < 2:
        few, number = names[int(many.argmin())], int(many.min())
        raise Mistake(f"class '{few}' has {number or 'no'} picture{'s' * (number != 1)}; each needs two or more")
    apart = torch.zeros(len(examples.labels), dtype=torch.bool)
    apart[held_rows(examples.labels, seed)] = True
    return examples.part((~apart).nonzero()[:, 0]), examples.part(apart.nonzero()[:, 0])


def held_rows(labels: Int[Tensor, " n"], seed: int = 0) -> Int[Tensor, " m"]:
    """The rows of the pictures that are held out, of two or more of each class."""
    total, rows = len(labels), []
    share = min(max(SHARE * total, LEAST), MOST, total / 4) / total
    for index in range(int(labels.max()) + 1):
        own = (labels == index).nonzero()[:, 0]
        order = Key(seed).child(HOLDING).uniform(torch.tensor([index]), len(own))[0].argsort()
        rows.append(own[order[: min(max(round(share * len(own)), 1), len(own) - 1)]])
    return torch.cat(rows)


def order_of(many: int, key: Key) -> Int[Tensor, " many"]:
    """The order in which an epoch sees so many pictures."""
    return key.child(ORDER).uniform(torch.tensor([0]), many)[0].argsort()


def resized(pictures: Tensor, side: int) -> Float[Tensor, "n 3 side side"]:
    """Pictures of 8 bits in [0, 1], at this side."""
    x = pictures.float() / 255
    return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def augmented(
    pictures: UInt8[Tensor, "n 3 h h"], key: Key, side: int, crops: tuple[int, int], pad: int, flip: bool
) -> Float[Tensor, "n 3 side side"]:
    """A square out of each picture and its mirrored border, half of them mirrored, at this side, in [0, 1].

    Args:
        key: its problems are the pictures.
        crops: the range of the squares' sides in pixels; one side a batch, a place for each picture.
        pad: pixels of mirrored border.
        flip: mirror them; otherwise only the place is random.
    """
    n, height = len(pictures), pictures.shape[-1]
    crop = crops[0] + int(key.child(CROPS).integers(torch.tensor([0]), 1, crops[1] - crops[0] + 1))
    drawn = key.child(PLACES).uniform(torch.arange(n), 3)
    tops, lefts = (drawn[:, :2] * (height + 2 * pad - crop + 1)).long().unbind(1)
    along = torch.arange(crop)
    rows, columns = (_mirrored(start[:, None] + along - pad, height) for start in (tops, lefts))
    if flip:
        columns = torch.where(drawn[:, 2:] < 0.5, columns.flip(1), columns)
    cut = pictures[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return resized(cut.permute(0, 3, 1, 2), side)


def _mirrored(places: Int[Tensor, "n many"], length: int) -> Int[Tensor, "n many"]:
    """Places in a row of pixels that goes on mirrored beyond its ends, which are not repeated."""
    return (length - 1) - (places.abs() - (length - 1)).abs()
