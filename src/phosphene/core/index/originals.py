"""The pictures that an index was made of: files, members of tar archives, arrays in a .npz file."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from phosphene.core.errors import Mistake
from phosphene.core.paths import given_path, opened, reason
from phosphene.core.pictures.files import MOST_BYTES, Photo, file_pixels, size_in
from phosphene.core.units.labelled import read_arrays


def original(source: Mapping[str, Any], row: Mapping[str, Any]) -> Photo:
    """A picture at its own size: its path, or its pixels.

    Args:
        source: the kind, "files", "tar", "arrays" or "python", and the path that files are named from.
        row: of the images' table: id, number, file, offset, size, height, width.
    Raises:
        Mistake: it is not there any more, or another picture is in its place.
    """
    kind, name = source["kind"], row["id"]
    if kind == "python":
        raise Mistake(f"picture {name} was given in Python, and an index keeps none; index a folder or a .npz file")
    base = given_path(source["path"], "data set")
    if kind == "arrays":
        return array_picture(base, row["number"])
    file = base / row["file"]
    if not file.is_file():
        raise Mistake(f"picture {name} is gone: there is no file {file}; put it back, or make the index again")
    if kind == "tar":
        return file_pixels(member(file, row["offset"], row["size"]), name)
    _check_size(file, name, row["height"], row["width"])
    return str(file)


def _check_size(file: Path, name: str, height: int, width: int) -> None:
    """Raise a Mistake where a picture has another size than it had; it may lie on its side in its file."""
    now = size_in(file)
    if sorted(now) != sorted((height, width)):
        raise Mistake(
            f"picture {name} is another one than when it was indexed: {now[0]} x {now[1]} pixels, not {width} x "
            f"{height}; put it back, or make the index again"
        )


def array_picture(path: Path, number: int) -> Photo:
    """A picture of a .npz file, 8-bit pixels (h, w) or (c, h, w).

    Raises:
        Mistake: the file is gone, or has no such picture any more.
    """
    pictures = _arrays(path)
    if number >= len(pictures):
        raise Mistake(f"{path} has no picture {number} any more; make the index again")
    picture = pictures[number]
    return picture[0] if len(picture) == 1 else picture


@lru_cache(maxsize=1)
def _arrays(path: Path) -> Sequence[Any]:
    """The pictures of a .npz file, which is read as a whole: once for many of them."""
    return read_arrays(path)[0]


def member(file: Path, offset: int, size: int) -> bytes:
    """So many bytes of an archive.

    Raises:
        Mistake: it can't be read, or ends earlier.
    """
    try:
        with opened(file) as archive:
            archive.seek(offset)
            data = archive.read(min(size, MOST_BYTES)) or b""
    except OSError as error:
        raise Mistake(f"{file} can't be read: {reason(error)}") from error
    if len(data) != size:
        raise Mistake(f"{file} ends before its member at byte {offset} does; copy it again")
    return data
