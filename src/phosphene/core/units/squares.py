"""Photographs as squares of one size in memory, for whatever looks at each of them many times."""

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import levels
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit

Watched = Callable[[Sequence[str]], Iterable[str]]
"""The same files, one after the other, with a bar beside them."""


def read_squares(
    files: Sequence[str], side: int, watched: Watched = lambda files: files
) -> tuple[UInt8[Tensor, "n 3 side side"], list[str], list[str]]:
    """The squares in the middle of pictures, their files, and a sentence for each that is left out.

    Left out are those that can't be read, and those that show what another one shows, pixel by pixel.

    Args:
        side: in pixels.
        watched: for whoever wants to show how far the reading is.
    """
    found: dict[bytes, str] = {}
    pictures, refused = [torch.empty(0, 3, side, side, dtype=torch.uint8)], []
    for file in watched(files):
        try:
            square = levels(fit(open_photo(file, least=2 * side), (side, side))).byte()
        except Mistake as mistake:
            refused.append(f"left out: {mistake}")
            continue
        first = found.setdefault(square.numpy().tobytes(), file)
        if first == file:
            pictures.append(square)
        else:
            refused.append(f"{file} is left out, as it shows what {first} shows, pixel by pixel")
    return torch.cat(pictures), list(found.values()), refused
