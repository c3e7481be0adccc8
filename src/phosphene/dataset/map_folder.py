"""A map as a folder: a page that zooms, its tiles, two pictures, and its numbers; whole or not at all."""

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.paths import reason
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.saving import save, undisturbed
from phosphene.dataset.map_drawing import picture, scatter
from phosphene.dataset.map_page import page
from phosphene.dataset.map_tiles import Tiling, strips, thumbnail, write_tiles
from phosphene.dataset.maps import NUMBERS, Map, Report, is_map

PAGE, PICTURE, SCATTER, DESCRIPTOR, FILES = "index.html", "map.png", "scatter.png", "map.dzi", "map_files"


def check_folder(folder: Path, *, force: bool) -> None:
    """Raise a Mistake where a map can't be written to a folder: something is there already.

    A folder that is no map is never taken away, whatever is asked for.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise Mistake(f"{folder} is a file; give another --out")
    if not any(folder.iterdir()):
        return
    if not is_map(folder):
        raise Mistake(f"{folder} is there already and has no map in it; give another --out")
    if not force:
        raise Mistake(f"{folder} has a map already; give --force to make it anew, or another --out")


def write(
    shown: Map,
    index: Index,
    folder: Path,
    pictures: Sequence[Image.Image] = (),
    report: Report | None = None,
) -> Path:
    """Write a map; it has its name when all of it is there.

    Args:
        pictures: of the photographs that were placed on the map.
        report: is told how many tiles are written.
    Raises:
        Mistake: it can't be written; the cause is the OSError, and what was there still is.
    """
    tiling = Tiling.of(shown.shape, shown.side, shown.tile)
    part = folder.with_name(f".{folder.name[:32]}-{secrets.token_hex(4)}.part")
    written = 0

    def put(name: str, data: bytes) -> None:
        path = part / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        path.write_bytes(data)

    def done() -> None:
        nonlocal written
        written += 1
        if report is not None:
            report("tiles", written, tiling.total)

    try:
        small = [index.thumbnail_jpeg(int(image)) for image in shown.images]
        rows = strips(tiling, shown.cells, lambda i: thumbnail(small[i], shown.side))
        whole = write_tiles(tiling, rows, FILES, put, done)
        put(DESCRIPTOR, tiling.descriptor.encode())
        put(PICTURE, png_bytes(picture(shown, whole)))
        for name, data in _about(shown, tiling, pictures).items():
            put(name, data)
        _exchange(part, folder)
    except OSError as error:
        raise Mistake(f"{folder} cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / PAGE


def write_placed(shown: Map, folder: Path, pictures: Sequence[Image.Image]) -> Path:
    """Write what photographs on a map change: its page, its scatter and its numbers; the tiles stay as they are.

    Raises:
        Mistake: it can't be written; the cause is the OSError, and what was there still is.
    """
    about = _about(shown, Tiling.of(shown.shape, shown.side, shown.tile), pictures)
    save({folder / name: data for name, data in about.items()})
    return folder / PAGE


def _about(shown: Map, tiling: Tiling, pictures: Sequence[Image.Image]) -> dict[str, bytes]:
    return {
        SCATTER: png_bytes(scatter(shown)),
        PAGE: page(shown, tiling, FILES, pictures).encode(errors="backslashreplace"),
        NUMBERS: json.dumps(shown.record()).encode(),
    }


def _exchange(part: Path, folder: Path) -> None:
    """Give a finished folder its name; an older map of this name, or an empty folder, goes."""
    old = folder.with_name(f".{folder.name[:32]}-{secrets.token_hex(4)}.old")
    with undisturbed():
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(part, folder)
        except OSError:
            if old.exists():
                os.replace(old, folder)
            raise
    with suppress(OSError):
        shutil.rmtree(old)
