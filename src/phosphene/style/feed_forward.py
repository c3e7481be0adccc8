"""Style networks in files, and on pictures of any size: `loaded(file)`, `applied(net, picture)`.

A large picture is made tile by tile. By themselves neighbouring tiles would have other contrasts and colours, as each
would be normalized by its own statistics; so all of them take those of a small copy of the whole picture (thumbnail
instance normalization, Chen et al. 2021, arXiv:2103.11784). Tiles overlap by what a network can see around a place, and
of each only the middle is kept: what comes of them is what the undivided picture would give by the same statistics.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from phosphene.core.errors import Mistake, brief
from phosphene.core.paths import broken, given_path
from phosphene.core.pictures.fitting import enlarge, resize
from phosphene.models.embedded import WEIGHTS
from phosphene.models.headers import filled, header
from phosphene.style.style_net import Shape, Statistics, StyleNet, laid_out

HEADER, ARCHITECTURE, FORMAT = "style", "residual", 1
"""The entry of a file's header that holds the record; what it calls the network above; and how files are laid out."""

SHIPPED = WEIGHTS / "style-starry-night.safetensors"
"""The style network that this package has."""

MOST = Shape(512, 64, 5, 5)
"""No larger network is made out of a file's header."""

TILE, THUMBNAIL = 512, 1024
"""Pixels: the sides of tiles, without their overlap, and the longer side of the copy that tells the statistics."""


def net_bytes(net: StyleNet, record: Mapping[str, Any]) -> bytes:
    """A style network as a file, in half precision, with what it is and how it was made in the header."""
    halves = {name: value.detach().cpu().half().contiguous() for name, value in net.state_dict().items()}
    own = {"architecture": ARCHITECTURE, "format": FORMAT, "shape": net.shape._asdict()}
    return save(halves, {HEADER: json.dumps({**own, **record})})


@dataclass(frozen=True, eq=False)
class Loaded:
    """A style network out of a file.

    Attributes:
        net: the network.
        record: what the file's header says.
        name: of the file, without folder and ending.
    """

    net: StyleNet
    record: Mapping[str, Any]
    name: str

    @property
    def about(self) -> str:
        """What it does, in the words of its file."""
        words = self.record.get("about")
        return words[:200] if isinstance(words, str) and words.isprintable() else self.name


def loaded(
    given: str | PathLike[str] | None = None, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Loaded:
    """The style network in a file; nothing of the file is executed.

    Args:
        given: a file that `phosphene train-style` wrote; by default the one that this package has.
    Raises:
        Mistake: it is no such file, of another architecture or format, or its weights don't fit or aren't finite.
    """
    file = SHIPPED if given is None else given_path(given, "style network")
    record = header(file, HEADER)
    if record is None:
        why = broken(file) or "its header does not say that it is one"
        raise Mistake(f"{file.name} is no style network ({why}); phosphene train-style writes them")
    net = StyleNet(_shape(file, record))
    filled(net, file)
    return Loaded(laid_out(net.eval().requires_grad_(False), device, dtype), record, file.stem)


def _shape(file: Path, record: Mapping[str, Any]) -> Shape:
    """Of the network that a header describes.

    Raises:
        Mistake: it describes another one.
    """
    kind, layout, numbers = record.get("architecture"), record.get("format"), record.get("shape")
    if kind != ARCHITECTURE or layout != FORMAT:
        what = f"architecture {brief(kind)}, format {brief(layout)}"
        raise Mistake(
            f"{file.name} is a style network of {what}, and here they are of architecture '{ARCHITECTURE}', format "
            f"{FORMAT}; train it anew: phosphene train-style"
        )
    fields = Shape._fields
    if (
        not isinstance(numbers, dict) or set(numbers) != set(fields)
        or not all(type(numbers[one]) is int and 0 <= numbers[one] <= getattr(MOST, one) for one in fields)
        or numbers["width"] < 1 or numbers["doublings"] < numbers["halvings"]
    ):  # fmt: skip
        raise Mistake(f"{file.name} describes no network of this architecture: its shape is {brief(numbers)}")
    return Shape(**numbers)


# ---------------------------------------------------------------------------------------------------------- pictures


def statistics_of(net: StyleNet, pictures: Float[Tensor, "n 3 h w"], thumbnail: int = THUMBNAIL) -> Statistics:
    """Of the normalizations, from copies of these pictures that are no larger than so many pixels, all together."""
    height, width = pictures.shape[2:]
    scale = min(thumbnail / max(height, width), 1)
    size = (max(round(scale * height), 1), max(round(scale * width), 1))
    return net.statistics(_fast(resize(pictures, size)))


@dataclass(frozen=True)
class Tile:
    """A part of a picture, as (rows, columns) of it.

    Attributes:
        read: what the network sees.
        kept: what is kept of it.
    """

    read: tuple[slice, slice]
    kept: tuple[slice, slice]

    def made(self, times: int) -> tuple[slice, slice]:
        """What is kept, in a picture that is so many times as large."""
        rows, columns = self.kept
        return slice(times * rows.start, times * rows.stop), slice(times * columns.start, times * columns.stop)

    def inside(self, times: int) -> tuple[slice, slice]:
        """The same, in what is made of what was read."""
        (top, left), (rows, columns) = self.read, self.made(times)
        up, by = times * top.start, times * left.start
        return slice(rows.start - up, rows.stop - up), slice(columns.start - by, columns.stop - by)


def tiles(shape: Shape, size: tuple[int, int], side: int = TILE) -> list[Tile]:
    """A picture cut into squares, around each of which the network sees all that counts.

    Args:
        shape: of the network.
        size: (height, width) of the picture.
        side: of the squares; rounded down to where the network's coarsest features begin.
    """
    cell = 2**shape.halvings
    side = max(side // cell, 1) * cell
    rows, columns = ([(a, min(a + side, length)) for a in range(0, length, side)] for length in size)

    def seen(begin: int, end: int, length: int) -> slice:
        return slice(max(begin - shape.halo, 0), min(end + shape.halo, length))

    return [
        Tile((seen(top, bottom, size[0]), seen(left, right, size[1])), (slice(top, bottom), slice(left, right)))
        for top, bottom in rows
        for left, right in columns
    ]


@torch.no_grad()
def painted(
    net: StyleNet, picture: Float[Tensor, "1 3 h w"], fixed: Statistics | None = None, tile: int = TILE
) -> Iterator[Float[Tensor, "1 3 height width"]]:
    """The picture in the network's style, tile by tile; what is still to come is as it was.

    Args:
        fixed: the statistics of the normalizations; by default those of a thumbnail.
        tile: the sides of tiles, in pixels.
    """
    shape, fixed = net.shape, statistics_of(net, picture) if fixed is None else fixed
    canvas = enlarge(picture, shape.upscale).clone()
    for one in tiles(shape, (picture.shape[2], picture.shape[3]), tile):
        made = net(_fast(picture[..., *one.read]), fixed)
        canvas[..., *one.made(shape.upscale)] = made[..., *one.inside(shape.upscale)]
        yield canvas


def applied(
    net: StyleNet, picture: Float[Tensor, "1 3 h w"], fixed: Statistics | None = None, tile: int = TILE
) -> Float[Tensor, "1 3 height width"]:
    """A picture in the network's style, whatever its size: the last of what `painted` yields."""
    *_, last = painted(net, picture, fixed, tile)
    return last


@dataclass(frozen=True, eq=False)
class FeedForward:
    """A style network, ready for pictures.

    Attributes:
        style: the network.
        thumbnail: the longer side of the copies whose statistics are taken.
        tile: the sides of tiles, in pixels.
    """

    style: Loaded
    thumbnail: int = THUMBNAIL
    tile: int = TILE

    def pooled(self, frames: Sequence[Float[Tensor, "1 3 h w"]]) -> Statistics:
        """The statistics of all of these frames together."""
        return statistics_of(self.style.net, torch.cat(list(frames)), self.thumbnail)

    def pictures(
        self, photo: Float[Tensor, "1 3 h w"], fixed: Statistics | None = None
    ) -> Iterator[Float[Tensor, "1 3 height width"]]:
        """The picture behind each tile."""
        size = (photo.shape[2], photo.shape[3])
        if fixed is None and self.total(size) == 1 and max(size) <= self.thumbnail:  # its own statistics, on the way
            with torch.no_grad():
                yield self.style.net(_fast(photo))
            return
        yield from painted(self.style.net, photo, self.pooled([photo]) if fixed is None else fixed, self.tile)

    def total(self, size: tuple[int, int]) -> int:
        """How many tiles a picture of (height, width) has."""
        return len(tiles(self.style.net.shape, size, self.tile))

    def told(self, done: int) -> dict[str, Any]:
        """What is to be said of a picture."""
        return {"model": self.style.name, "tiles": done}


def _fast(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """As convolutions take pictures best: colours of a pixel side by side."""
    return x.contiguous(memory_format=torch.channels_last)
