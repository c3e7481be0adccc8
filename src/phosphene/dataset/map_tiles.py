"""A picture of any size as Deep Zoom tiles: each level half as large as the next, cut into squares.

It is made row of tiles by row of tiles, and each level from the rows of the one above it, so that memory holds a few
rows and never the picture. The names are those of Microsoft's Deep Zoom format (FILES/LEVEL/COLUMN_ROW.jpg, and a
descriptor), which other viewers read, too.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from phosphene.dataset.grids import Shape

GROUND = (239, 236, 230)
"""What is where no picture is: the page's ground by day."""

QUALITY = 88
"""Of the tiles as JPEG."""

LARGEST = 4000
"""Px of the longer side of the map as one picture."""

Pixels = UInt8[np.ndarray, "_ _ 3"]
Write = Callable[[str, bytes], None]
"""Takes a file's name, with its folders, and what is in it."""


@dataclass(frozen=True)
class Tiling:
    """How a grid of pictures is cut into tiles.

    Attributes:
        shape: of the grid.
        side: of a picture in px.
        tile: side of a tile in px, a multiple of `side`, so that each picture of the last level is in one tile.
    """

    shape: Shape
    side: int
    tile: int

    @classmethod
    def of(cls, shape: Shape, side: int, wanted: int) -> "Tiling":
        """With tiles of about the size that is wanted; it has to be even, so that halves of two make one."""
        each = max(1, wanted // side)
        return cls(shape, side, side * (each + each * side % 2))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the whole in px."""
        return self.shape.rows * self.side, self.shape.columns * self.side

    @property
    def levels(self) -> int:
        """The number of the largest level; level 0 is one px."""
        return math.ceil(math.log2(max(self.size)))

    def level_size(self, level: int) -> tuple[int, int]:
        """(height, width) of a level in px."""
        part = 2 ** (self.levels - level)
        return math.ceil(self.size[0] / part), math.ceil(self.size[1] / part)

    @property
    def one_level(self) -> int:
        """The largest level that is no larger than `LARGEST`."""
        return next(level for level in range(self.levels, -1, -1) if max(self.level_size(level)) <= LARGEST)

    @property
    def total(self) -> int:
        """How many tiles there are in all."""
        sizes = (self.level_size(level) for level in range(self.levels + 1))
        return sum(math.ceil(h / self.tile) * math.ceil(w / self.tile) for h, w in sizes)

    @property
    def descriptor(self) -> str:
        """The .dzi file, for other viewers."""
        height, width = self.size
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" Overlap="0" '
            f'TileSize="{self.tile}">'
            f'<Size Width="{width}" Height="{height}"/></Image>\n'
        )


def thumbnail(data: bytes, side: int) -> Pixels:
    """A small picture in the middle of a square of `side` px, whole, on the ground."""
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        picture = image.convert("RGB")
    scale = side / max(picture.size)
    size = tuple(max(1, round(scale * one)) for one in picture.size)
    square = Image.new("RGB", (side, side), GROUND)
    if picture.size != size:
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    square.paste(picture, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(square)


def strips(tiling: Tiling, cells: Int[np.ndarray, " n"], picture: Callable[[int], Pixels]) -> Iterator[Pixels]:
    """The rows of tiles of the largest level, from top to bottom.

    Args:
        cells: of each picture.
        picture: the pixels of one by its number, (side, side, 3).
    """
    rows, columns, side = tiling.shape.rows, tiling.shape.columns, tiling.side
    inside = np.full(tiling.shape.cells, -1)
    inside[cells] = np.arange(len(cells))
    each = tiling.tile // side
    for first in range(0, rows, each):
        some = range(first, min(rows, first + each))
        strip = np.empty((len(some) * side, columns * side, 3), np.uint8)
        strip[:] = GROUND
        for row in some:
            for column in range(columns):
                if (image := inside[row * columns + column]) >= 0:
                    top, left = (row - first) * side, column * side
                    strip[top : top + side, left : left + side] = picture(int(image))
        yield strip


def write_tiles(
    tiling: Tiling, rows: Iterator[Pixels], folder: str, write: Write, done: Callable[[], None] | None = None
) -> Pixels:
    """Write every tile of every level; the level that is the map as one picture.

    Args:
        rows: of tiles of the largest level.
        folder: what the names begin with.
        write: is handed each file.
        done: is called after each tile.
    """
    whole: list[Pixels] = []
    waiting: dict[int, list[Pixels]] = defaultdict(list)  # of each level, halves of rows that are not whole yet
    numbers: dict[int, int] = defaultdict(int)

    def push(level: int, row: Pixels) -> None:
        for column, left in enumerate(range(0, row.shape[1], tiling.tile)):
            write(f"{folder}/{level}/{column}_{numbers[level]}.jpg", _jpeg(row[:, left : left + tiling.tile]))
            if done is not None:
                done()
        numbers[level] += 1
        if level == tiling.one_level:
            whole.append(row)
        if level:
            waiting[level - 1].append(halved(row))
            if len(waiting[level - 1]) == 2:
                push(level - 1, np.concatenate(waiting.pop(level - 1)))

    for row in rows:
        push(tiling.levels, row)
    for level in range(tiling.levels - 1, -1, -1):
        if level in waiting:
            push(level, np.concatenate(waiting.pop(level)))
    return np.concatenate(whole)


def halved(pixels: Pixels) -> Pixels:
    """Means of two by two pixels; an odd last row or column counts twice."""
    height, width, _ = pixels.shape
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def _jpeg(pixels: Pixels) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
