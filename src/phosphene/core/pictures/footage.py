"""Films, read frame by frame as they come: two frames of one are in memory, however long it is.

What comes from outside is guarded: only containers that hold their pictures themselves, a limit on pixels, and one
sentence for everything that can be wrong with a film.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, Note
from phosphene.core.extras import needed
from phosphene.core.paths import given_path, opened, reason, textual
from phosphene.core.pictures.eight_bit import fraction
from phosphene.core.pictures.files import MOST_FILM_BYTES, check_size, missing
from phosphene.core.pictures.fitting import resize

CONTAINERS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,ogg,asf,flv,wav"
"""FFmpeg's names of those that are opened. A playlist names other files, or addresses, and is none of them."""

READABLE = "MP4, MOV, MKV, WebM, AVI, MPEG, OGV, WMV and FLV work"
SIGNATURES = (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV")
LACKING = 0.5
"""Seconds: a film that ends so long before its header says so is cut off."""
USUAL = 1 / 25
"""Seconds of a frame, where nothing says it."""

CUT = "what comes then is cut off or damaged; copy it again for the rest"


class Footage:
    """A film as pictures: when each is shown, and any one of them, best in order.

    Frames stand upright, as the film says, and have square pixels. One is found by decoding all that come before it, as
    not every keyframe is a place where decoding may begin with the same outcome: a film that is read from frame 50 on
    has the same pixels as one that is read from its start. Where it is cut off or damaged it ends, with a `Note`.

    Attributes:
        path: the file.
        times: when each frame begins to be shown, in seconds by its clock, and at last when the film ends.
        size: (height, width) in pixels.

    Args:
        path: a file.
    Raises:
        Mistake: PyAV is not installed; there is no such file; it is no film or has no picture, none of its frames can
            be decoded, or they are too large.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = given_path(path, "film")
        head = _head(self.path)
        needed("av", f"reading {self.path.name}", "PyAV", "flow")
        self._begin()
        try:
            self.times, self.size, why = _index(self.path)
        except Mistake:
            raise
        except Exception as error:  # parsers of files from anywhere raise nearly anything
            raise Mistake(f"{self.path} is not a film that can be read: {_beginning(head)}; {READABLE}") from error
        if not self.times:
            raise Mistake(f"{self.path} has no frame that can be decoded; give another film")
        if why:
            many = "one frame" if len(self) == 1 else f"{len(self)} frames"
            warnings.warn(Note(f"{self.path} is read for {many}: {why}"), stacklevel=2)

    def _begin(self) -> None:
        self._kept: dict[int, Float[Tensor, "1 3 h w"]] = {}
        self._coming, self._next = _decoded(self.path, []), 0

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.times) - 1

    def frame(self, index: int) -> Float[Tensor, "1 3 h w"]:
        """A frame, in [0, 1]."""
        if index not in self._kept:
            if index < self._next:
                self._begin()
            while self._next <= index:
                frame = next(self._coming)
                if self._next >= index - 1:  # its neighbour is asked for, too
                    self._kept = {k: one for k, one in self._kept.items() if k == self._next - 1}
                    self._kept[self._next] = resize(frame.picture, self.size)
                self._next += 1
        return self._kept[index]


def open_film(path: Path) -> Any:
    """PyAV's container of a film that is there, and of nothing else."""
    import av

    return av.open(str(path), container_options={"format_whitelist": CONTAINERS})


def _head(path: Path) -> bytes:
    """The first bytes of a file that is there, is one, and may be read."""
    try:
        with opened(path, MOST_FILM_BYTES) as file:
            head = file.read(512)
    except OSError as error:
        if not os.path.lexists(path):
            raise Mistake(missing(path)) from error
        raise Mistake(f"{path} cannot be read as a film: {reason(error)}") from error
    if not head:
        raise Mistake(f"{path} is empty (0 bytes); {READABLE}")
    return head


def _beginning(head: bytes) -> str:
    """What a file that is no readable film seems to be."""
    if head[4:8] == b"ftyp" or head.startswith(SIGNATURES):
        return "it begins as one, but is cut off or damaged"
    return textual(head) or f"it begins with the bytes {head[:4].hex(' ')}"


@dataclass(frozen=True)
class _Frame:
    """A frame as it comes.

    Attributes:
        image: PyAV's.
        begins, lasts: seconds, as far as the film says.
        pixel: the width of one by its height, where it is stored.
    """

    image: Any
    begins: float | None
    lasts: float
    pixel: float

    @property
    def picture(self) -> Float[Tensor, "1 3 h w"]:
        """It upright, with square pixels."""
        stored = fraction(torch.from_numpy(self.image.to_ndarray(format="rgb24")).permute(2, 0, 1)[None], 255)
        square = resize(stored, (stored.shape[2], max(1, round(stored.shape[3] * self.pixel))))
        return torch.rot90(square, round(self.image.rotation / 90), (2, 3)).contiguous()


def _decoded(path: Path, why: list[str]) -> Iterator[_Frame]:
    """The frames, up to what is wrong, which is put into `why`."""
    import av

    with open_film(path) as film:
        stream, ends = _pictures(film, path), 0.0

        def timed(image: Any) -> _Frame:
            begins = None if image.pts is None else float(image.pts * stream.time_base)
            lasts = float((image.duration or 0) * stream.time_base)
            return _Frame(image, begins, lasts, float(stream.sample_aspect_ratio or 1))

        try:
            for packet in film.demux([stream, *film.streams.audio]):
                if packet.is_corrupt:
                    raise EOFError
                if packet.pts is not None:
                    ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream is stream:
                    yield from map(timed, packet.decode())
            lasts = (film.duration or 0) / av.time_base
            if ends - (film.start_time or 0) / av.time_base < lasts - LACKING:
                why.append(f"it is cut off, and should last {lasts:.1f} seconds")
        except (av.FFmpegError, EOFError):
            why.append(CUT)
            yield from map(timed, stream.decode(None))  # what was read, but not given yet


def _pictures(film: Any, path: Path) -> Any:
    """The stream of the film's pictures; a cover is none.

    Raises:
        Mistake: there is none, or they are too large.
    """
    from av.stream import Disposition

    streams = [one for one in film.streams.video if not one.disposition & Disposition.attached_pic]
    if not streams and not film.streams.audio:
        raise ValueError("there is nothing to be seen or heard")
    if not streams:
        raise Mistake(f"{path} has sound and no picture; give a film that one can see")
    check_size((streams[0].width, streams[0].height), str(path))
    return streams[0]


def _index(path: Path) -> tuple[list[float], tuple[int, int], str]:
    """The times of a film's frames and of its end, their size, and why it ended early; by decoding all of it once."""
    why: list[str] = []
    starts: list[float | None] = []
    size, lasts = (0, 0), 0.0
    for frame in _decoded(path, why):
        if not starts:
            size = (frame.picture.shape[2], frame.picture.shape[3])
            check_size((size[1], size[0]), str(path))
        starts.append(frame.begins)
        lasts = frame.lasts or lasts
    return _rising(starts, lasts), size, "; ".join(why)


def _rising(starts: Sequence[float | None], lasts: float) -> list[float]:
    """Times that rise, whatever a film says, and its end.

    Frames of some AVIs have the times at which they are decoded, which are right when they are sorted.

    Args:
        lasts: seconds of the last frame; 0: nobody knows.
    """
    known = sorted(one for one in starts if one is not None)
    gaps = [later - now for now, later in pairwise(known)]
    if len(known) < len(starts) or min(gaps, default=1) <= 0:
        return [i * (lasts or USUAL) for i in range(len(starts) + 1)]
    return [*known, known[-1] + (lasts or median(gaps or [USUAL]))] if known else []
