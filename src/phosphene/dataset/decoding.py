"""From a picture's file to the pixels that a network is fed, in processes of their own, in order, a few ahead.

What a network is fed is what `feed` says everywhere else, to the bit. A large JPEG can be decoded at a half, a quarter
or an eighth ("draft"), several times as fast; its pixels then differ by a few levels, as the file's own transform does
the averaging, so a unit's value can't be had again to the bit from the original.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from multiprocessing import connection, get_context, parent_process

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.pictures.eight_bit import levels, to_pil
from phosphene.core.pictures.files import Photo, open_photo, photo_of_bytes
from phosphene.core.units.network_input import Entrance
from phosphene.dataset.listing import Encoded, Item, Within

CHUNK = 8
"""Pictures that a process is given at a time."""

AHEAD = 4
"""Chunks for each process that are decoded before they are needed."""

QUALITY = 85
"""Of a thumbnail's JPEG."""


@dataclass(frozen=True)
class Door:
    """How a picture becomes a network's input, and a thumbnail.

    Attributes:
        entrance: the network's size and channels, and the way to fit.
        thumbnail: its longer side in px.
        shown: which channels a thumbnail shows.
        draft: large JPEGs are decoded smaller.
    """

    entrance: Entrance
    thumbnail: int = 64
    shown: tuple[int, ...] = (0, 1, 2)
    draft: bool = False


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture, ready.

    Attributes:
        pixels: what the network is fed, 8 bits.
        size: (height, width) of the original.
        thumbnail: a JPEG of what the network is fed.
    """

    pixels: UInt8[np.ndarray, "c h w"]
    size: tuple[int, int]
    thumbnail: bytes


@dataclass(frozen=True)
class Broken:
    """A picture that can't be read, and why, in a sentence."""

    why: str


def decode(item: Item, door: Door) -> Decoded | Broken:
    """One picture."""
    try:
        picture, size = _opened(item.read() if isinstance(item, Within) else item, door)
        fed = levels(door.entrance.fit(picture)).byte()
        return Decoded(fed[0].numpy(), size, _thumbnail(fed, door))
    except Mistake as mistake:
        return Broken(str(mistake))


def _opened(item: Photo | Encoded, door: Door) -> tuple[Float[Tensor, "1 c h w"], tuple[int, int]]:
    """Its pixels, and its size before a draft."""
    entrance = door.entrance
    if isinstance(item, (np.ndarray, Tensor)) and entrance.channels != 3:
        picture = entrance.opened(item)
        return picture, (picture.shape[2], picture.shape[3])
    least = max(entrance.size) if door.draft and (entrance.how != "whole" or entrance.fixed) else None
    picture = photo_of_bytes(item.data, item.name, least) if isinstance(item, Encoded) else open_photo(item, least)
    size = picture.shape[2], picture.shape[3]
    return picture, size if least is None else _own_size(item, size)


def _own_size(item: Photo | Encoded, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as the file's header says, of a file that could be read."""
    if not isinstance(item, (str, os.PathLike, Encoded)) or not (isinstance(item, Encoded) or os.path.exists(item)):
        return size
    with Image.open(BytesIO(item.data) if isinstance(item, Encoded) else item) as image:
        width, height = image.size
    return (height, width) if (height > width) == (size[0] > size[1]) else (width, height)  # it may lie on its side


def _thumbnail(fed: UInt8[Tensor, "1 c h w"], door: Door) -> bytes:
    shown = fed[:, list(door.shown)].expand(1, 3, *fed.shape[2:])
    picture = to_pil(shown.float() / 255)
    scale = door.thumbnail / max(picture.size)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BOX if scale <= 0.25 else Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


# ----------------------------------------------------------------------------------------------------- in processes


class Decoder:
    """Decodes in this process, or in others.

    Args:
        door: how.
        pool: processes, and how many; None for this one.
    """

    def __init__(self, door: Door, pool: ProcessPoolExecutor | None = None, workers: int = 0) -> None:
        self._door, self._pool, self._ahead = door, pool, AHEAD * workers

    def decoded(self, items: Iterable[Item]) -> Iterator[Decoded | Broken]:
        """Each picture, in order.

        Raises:
            Mistake: a process was ended from outside.
        """
        if self._pool is None:
            yield from (decode(item, self._door) for item in items)
            return
        rest, waiting = iter(items), deque[Future]()
        try:
            while True:
                while len(waiting) < self._ahead and (chunk := list(islice(rest, CHUNK))):
                    waiting.append(self._pool.submit(_decode_all, chunk, self._door))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise Mistake(
                "a process that decodes pictures was ended from outside, perhaps for want of memory; the same command "
                "goes on, with --workers 0 in this process alone"
            ) from error
        finally:
            for one in waiting:
                one.cancel()


@contextmanager
def decoder(door: Door, workers: int) -> Iterator[Decoder]:
    """A decoder with so many processes, which end with it; 0 for none.

    They begin anew and share nothing with this one, whose threads could be anywhere (spawn); a script that asks for
    them needs `if __name__ == "__main__":`, as for any pool of processes.
    """
    if workers == 0:
        yield Decoder(door)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone)
    try:
        yield Decoder(door, pool, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode_all(items: Sequence[Item], door: Door) -> list[Decoded | Broken]:
    return [decode(item, door) for item in items]


def _alone() -> None:
    """One thread; Ctrl-C is for the process that asked, and where that is gone this one ends, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
