"""Tar archives in the form of webdataset: members of one name belong together, `0001.jpg` and its class `0001.cls`.

Only headers are read, so that an archive of many gigabytes is listed in seconds; a picture's bytes are then read by its
place (github.com/webdataset/webdataset: the name ends at the first dot behind the last slash).
"""

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from phosphene.core.errors import Mistake, brief
from phosphene.core.index.originals import member
from phosphene.core.paths import opened, reason
from phosphene.core.units.photographs import ENDINGS
from phosphene.dataset.listing import Listing

ARCHIVE = ".tar"
CLASS = "cls"
MOST_DIGITS = 20
"""Bytes of a file that holds the number of a class."""

Place = tuple[int, int]
"""Where a member's bytes begin, and how many they are."""


def archives(paths: Sequence[Path]) -> Listing:
    """The pictures of archives, by the name of the archive and their own, in order of names.

    Raises:
        Mistake: one can't be read, has no picture, or two pictures have one name.
    """
    rows = []
    base = os.path.commonpath([path.resolve().parent for path in paths])
    for path in sorted(paths):
        file = path.resolve().relative_to(base).as_posix()
        for key, place, label in sorted(_pictures(path)):
            rows.append((f"{file.removesuffix(ARCHIVE)}/{key}", file, *place, label))
    if not rows:
        raise Mistake(f"there is no picture in {' '.join(path.name for path in paths)}; members such as 0001.jpg are")
    names, files, offsets, lengths, labels = zip(*rows, strict=True)
    there = sorted(set(labels) - {-1})
    return Listing(
        "tar", base, names, np.array(labels, np.int64), dict.fromkeys(there, ""), files, offsets, lengths
    )  # fmt: skip


def _pictures(path: Path) -> Iterator[tuple[str, Place, int]]:
    """The name, place and label of each picture in one archive."""
    pictures: dict[str, Place] = {}
    labels: dict[str, Place] = {}
    for name, place in _members(path):
        folder, _, file = name.rpartition("/")
        stem, _, ending = file.partition(".")
        key, kind = f"{folder}/{stem}" if folder else stem, ending.rpartition(".")[2].lower()
        if f".{kind}" in ENDINGS:
            if key in pictures:
                raise Mistake(
                    f"{path.name} has two pictures called {brief(key)}; every picture needs a name of its own"
                )
            pictures[key] = place
        elif kind == CLASS:
            labels[key] = place
    for key, place in pictures.items():
        yield key, place, _label(path, key, labels[key]) if key in labels else -1


def _members(path: Path) -> Iterator[tuple[str, Place]]:
    """The files in an archive; what begins with a dot is left alone."""
    try:
        with opened(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for one in archive:
                if one.isreg() and not one.name.rpartition("/")[2].startswith("."):
                    yield one.name, (one.offset_data, one.size)
    except OSError as error:
        raise Mistake(f"{path} can't be read: {reason(error)}") from error
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise Mistake(
            f"{path} is no plain tar archive, or is damaged; one that is compressed can't be read in parts, unpack it"
        ) from error


def _label(path: Path, key: str, place: Place) -> int:
    text = member(path, place[0], min(place[1], MOST_DIGITS)).strip()
    if not text.isdigit() or len(text) > 9:
        raise Mistake(
            f"{key}.{CLASS} in {path.name} holds {brief(text.decode('latin1'))}; it has to be a class's number"
        )
    return int(text)
