"""From a picture's file to the pixels that a network is fed: in a thread or in processes, in order, a few ahead.

What a network is fed is what `feed` says everywhere else, to the bit. A large JPEG can be decoded at a half, a quarter
or an eighth ("draft"), several times as fast; its pixels then differ by a few levels, as the file's own transform does
the averaging, so a unit's value can't be had again to the bit from the original.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
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

from phosphene.core.errors import Mistake, printable
from phosphene.core.paths import given_path
from phosphene.core.pictures.eight_bit import levels
from phosphene.core.pictures.files import Photo, as_fractions, file_pixels
from phosphene.core.pictures.samples import is_sample
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
    except Mistake as mistake:
        return Broken(str(mistake))
    if isinstance(picture, np.ndarray) and not door.entrance.changes(picture.shape[:2]):
        fed = picture.transpose(2, 0, 1)  # what fits already is not even made fractions of
    else:
        picture = as_fractions(picture) if isinstance(picture, np.ndarray) else picture
        fed = levels(door.entrance.fit(picture)).byte()[0].numpy()
    return Decoded(fed, size, _thumbnail(fed, door))


def _opened(
    item: Photo | Encoded, door: Door
) -> tuple[UInt8[np.ndarray, "h w 3"] | Float[Tensor, "1 c h w"], tuple[int, int]]:
    """Its pixels, of a file in 8 bits; and (height, width) before a draft."""
    entrance = door.entrance
    if isinstance(item, str) and not item.isprintable() and any("\udc80" <= letter <= "\udcff" for letter in item):
        raise Mistake(f"the name of {printable(item)} is not UTF-8, by which an index finds it again; give it another")
    if not isinstance(item, Encoded) and (not isinstance(item, (str, os.PathLike)) or is_sample(item)):
        picture = entrance.opened(item)
        return picture, (picture.shape[2], picture.shape[3])
    if entrance.channels != 3:
        raise Mistake(f"the network takes pictures of {entrance.channels} channels, and a photograph has 3")
    least = max(entrance.size) if door.draft and (entrance.how != "whole" or entrance.fixed) else None
    pixels = file_pixels(item.data, item.name, least) if isinstance(item, Encoded) else file_pixels(item, least=least)
    size = pixels.shape[0], pixels.shape[1]
    return pixels, size if least is None else _own_size(item, size)


def _own_size(item: str | os.PathLike[str] | Encoded, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as the file's header says, of a file that could be read."""
    with Image.open(BytesIO(item.data) if isinstance(item, Encoded) else given_path(item)) as image:
        width, height = image.size
    return (height, width) if (height > width) == (size[0] > size[1]) else (width, height)  # it may lie on its side


def _thumbnail(fed: UInt8[np.ndarray, "c h w"], door: Door) -> bytes:
    shown = np.broadcast_to(fed[list(door.shown)], (3, *fed.shape[1:]))
    picture = Image.fromarray(np.ascontiguousarray(shown.transpose(1, 2, 0)))
    scale = door.thumbnail / max(picture.size)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BOX if scale <= 0.25 else Image.Resampling.LANCZOS)
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


# ----------------------------------------------------------------------------------------------------- side by side


class Decoder:
    """Decodes pictures ahead of whoever takes them.

    Args:
        door: how.
        pool: the thread or the processes that do it; None for nobody but the caller.
        workers: how many they are.
    """

    def __init__(self, door: Door, pool: Executor | None = None, workers: int = 1) -> None:
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
    """A decoder with so many processes, which end with it; with 0 a thread of this one.

    A thread begins at once, and decoding itself needs no lock of Python's; processes take seconds to begin and keep up
    with a fast network. They begin anew and share nothing with this one, whose threads could be anywhere (spawn); a
    script that asks for them needs `if __name__ == "__main__":`, as for any pool of processes.
    """
    threads = torch.get_num_threads()
    pool: Executor
    if workers == 0:
        pool = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))  # holds for that thread
    else:
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone)
    try:
        yield Decoder(door, pool, max(workers, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)  # of threads to come, too


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
