"""Photographs as squares of one size in memory, for whatever looks at each of them many times."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.optimization.training.pictures import Examples, held_rows
from phosphene.core.paths import given_path, is_folder
from phosphene.core.pictures.eight_bit import levels
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.photographs import pictures_in

LEAST = 4
"""Pictures: half to train on, of which a batch is two, and some that are held out."""

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


def read_pictures(
    folder: str | Path, side: int, without: Sequence[str] = (), watched: Watched = lambda files: files
) -> tuple[Examples, list[str]]:
    """All pictures in a folder and in its folders, as squares of this side, and a sentence for each that is left out.

    Args:
        without: folders in it, by name, whose pictures are left out.
    Raises:
        Mistake: it is no folder, has no such folder in it, or too few pictures.
    """
    path = given_path(folder, "data")
    if not is_folder(path):
        raise Mistake(f"{path} is not a folder; give one with pictures in it")
    files = pictures_in([path])
    parts = {file: Path(file).relative_to(path).parts[:-1] for file in files}
    for name in without:
        there = {part for every in parts.values() for part in every}
        if name not in there:
            raise Mistake(f"there is no folder '{name}' with pictures in {path}{did_you_mean(name, sorted(there))}")
    kept = [file for file in files if not set(parts[file]) & set(without)]
    pictures, _, refused = read_squares(kept, side, watched)
    if len(pictures) < LEAST:
        why = f": {refused[0]}" if refused else ""
        raise Mistake(f"{path} has {len(pictures)} pictures that can be used, and {LEAST} or more are needed{why}")
    return Examples(pictures, torch.zeros(len(pictures)).long()), refused


def apart(examples: Examples, seed: int = 0) -> tuple[Examples, Examples]:
    """Those to train on, and those that are held out: a tenth, from 64 to 512 (of few, a quarter)."""
    held = torch.zeros(len(examples.labels), dtype=torch.bool)
    held[held_rows(torch.zeros_like(examples.labels), seed)] = True
    return examples.part((~held).nonzero()[:, 0]), examples.part(held.nonzero()[:, 0])
