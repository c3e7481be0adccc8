"""Many photographs: which pictures are in folders, which can be read, and how they are fed to a network in batches."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path, is_folder, reason
from phosphene.core.pictures.files import Photo, is_code, open_photo
from phosphene.core.pictures.samples import bare_name
from phosphene.core.units.inputs import Fit, feed

Tell = Callable[[int, int], None]
"""Is told how many photographs were fed, and of how many."""

_tell: ContextVar[Tell | None] = ContextVar("tell", default=None)

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}


def pictures_in(given: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Files as they are, and for each folder the pictures in it and in its folders, sorted by path; each one once.

    In a folder a picture is told by its ending, and what begins with a dot is left alone.

    Raises:
        Mistake: a folder that can't be looked into.
    """
    found: dict[str, None] = {}
    for one in given:
        found |= dict.fromkeys(_pictures_of(given_path(one, "picture")) if is_folder(one) else [str(one)])
    return list(found)


def _pictures_of(folder: Path) -> list[str]:
    try:
        os.listdir(folder)
    except OSError as error:
        raise Mistake(f"the folder {folder} can't be looked into: {reason(error)}") from error
    return [str(p) for p in files_in(folder) if p.suffix.lower() in ENDINGS and not _hidden(p.relative_to(folder))]


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and in its folders, sorted; in those that are linked to as well, each folder once."""
    found, linked, seen = list[Path](), [str(folder)], set[str]()
    while linked:
        for at, folders, names in os.walk(linked.pop(0)):
            here = os.path.realpath(at)
            if here in seen:
                folders.clear()
                continue
            seen.add(here)
            linked += [path for one in folders if os.path.islink(path := os.path.join(at, one))]
            found += [Path(at) / name for name in names]
    return sorted(found)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def readable(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The pictures in files and folders that can be opened, and a sentence for each one that can't; files of codes too.

    Raises:
        Mistake: there is not a single one.
    """
    files, refused = [], []
    for file in pictures_in(given):
        try:
            if not is_code(file):
                open_photo(file)
            files.append(file)
        except Mistake as mistake:
            refused.append(str(mistake))
    if not files:
        why = f": {refused[0]}" if refused else ""
        raise Mistake(f"there is no picture in {' '.join(map(str, given)) or 'nothing'}{why}")
    return files, refused


@contextmanager
def counted(tell: Tell) -> Iterator[None]:
    """In here `fed` tells how far it is after every photograph, for whoever shows it."""
    before = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(before)


def fed(
    network: Network, photos: Sequence[Photo], how: Fit = "crop", batch: int = 16
) -> Iterator[tuple[list[int], Float[Tensor, "n c h w"]]]:
    """What the network is fed for photographs, as `feed`: neighbours of one size together, with their indices."""
    tell = _tell.get()
    waiting: list[tuple[int, Tensor]] = []
    for index, photo in enumerate(photos):
        if tell is not None:
            tell(index, len(photos))
        one = feed(network, photo, how)
        if waiting and (len(waiting) == batch or waiting[0][1].shape != one.shape):
            yield [i for i, _ in waiting], torch.cat([x for _, x in waiting])
            waiting = []
        waiting.append((index, one))
    if waiting:
        yield [i for i, _ in waiting], torch.cat([x for _, x in waiting])
    if tell is not None:
        tell(len(photos), len(photos))


def photo_name(photo: Photo) -> str:
    """What a photograph is called: its file's name without folder and ending; nothing for pixels."""
    return bare_name(photo) if isinstance(photo, (str, os.PathLike)) else ""
