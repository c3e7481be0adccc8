"""Frames as the bytes of a film, GIF or MP4: one frame at a time is in memory, however many there are."""

import math
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.GifImagePlugin import getdata, getheader

from phosphene.core.errors import Note
from phosphene.core.pictures.footage import open_film

Frame = UInt8[np.ndarray, "h w 3"]

Frames = Callable[[], Iterable[Frame]]
"""All frames, of one size, from the first on; asked for again where a GIF has to be made smaller."""

SMALLEST = 256  # px of the longer side: what is smaller is shown with its pixels as squares
GIF_SIDE = 480  # px of the longer side at most
MOST_BYTES = 10_000_000  # of a GIF; what would be larger is made smaller
GIF_SHORTEST = 20  # ms: browsers show what is shorter for 100
TICKS = 90_000  # of an MP4's clock in a second: all usual rates have whole ones


def film_bytes(ending: str, frames: Frames, times: Sequence[float], sound: Path | None = None) -> bytes:
    """The film's bytes; the same for the same frames. It begins at 0 whatever the first time is.

    Args:
        ending: ".gif" or ".mp4".
        times: when each frame begins to be shown, in seconds, and at last when the film ends.
        sound: a file whose sound is copied into an MP4, as far as the film lasts; its clock is that of the times.
    """
    return _gif(frames, times) if ending == ".gif" else _mp4(frames, times, sound)


def enlarged(frame: Frame) -> UInt8[np.ndarray, "eh ew 3"]:
    """Small ones with their pixels as squares."""
    times = max(1, SMALLEST // max(frame.shape[:2]))
    return frame if times == 1 else frame.repeat(times, 0).repeat(times, 1)


# GIF


def _gif(frames: Frames, times: Sequence[float]) -> bytes:
    """For ever in a circle, each frame with 256 colours of its own."""
    side = GIF_SIDE
    while True:
        data, part = _small_gif(frames, times, side)
        if part == 1 or side <= SMALLEST:
            return data
        side = max(SMALLEST, round(side * max(0.5, 0.95 * math.sqrt(MOST_BYTES * part / len(data)))))


def _small_gif(frames: Frames, times: Sequence[float], side: int) -> tuple[bytes, float]:
    """A GIF of this longer side, and which part of the film it is: it ends where it has become too large."""
    data, end = BytesIO(), round(1000 * (times[-1] - times[0]))
    for begin, ms, frame in _spaced(frames(), times):
        image = Image.fromarray(enlarged(frame))
        if (scale := side / max(image.size)) < 1:
            width, height = (max(1, round(scale * one)) for one in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
        if not data.tell():
            data.writelines(getheader(image, info={"loop": 0})[0])
        data.writelines(getdata(image, duration=ms, include_color_table=True))
        if data.tell() > MOST_BYTES and side > SMALLEST:
            return data.getvalue(), max(1, begin + ms) / (end + 1)
    return data.getvalue() + b";", 1


def _spaced(frames: Iterable[Frame], times: Sequence[float]) -> Iterator[tuple[int, int, Frame]]:
    """The frames of a GIF, which counts in 10 ms: begin and duration in ms; of those that are too short, the first."""
    starts = [10 * round(100 * (time - times[0])) for time in times]
    held: tuple[int, Frame] | None = None
    for start, frame in zip(starts, frames, strict=False):
        if held is not None and start - held[0] < GIF_SHORTEST:
            continue
        if held is not None:
            yield held[0], start - held[0], held[1]
        held = start, frame
    if held is not None:
        yield held[0], max(GIF_SHORTEST, starts[-1] - held[0]), held[1]


# MP4


def _mp4(frames: Frames, times: Sequence[float], sound: Path | None) -> bytes:
    """H.264 as every player knows it: yuv420p, which needs even sides, and what a player needs first comes first."""
    import av

    mean = (len(times) - 1) / (times[-1] - times[0])
    with tempfile.TemporaryDirectory() as folder:  # `faststart` reads the file once more, and by its name
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
            stream = film.add_stream("libx264", rate=Fraction(mean).limit_denominator(1001), options={"crf": "18"})
            stream.codec_context.time_base = Fraction(1, TICKS)
            with _Sound(sound, film, times[0]) as heard:
                for index, (time, frame) in enumerate(zip(times, frames(), strict=False)):
                    pixels = _even(enlarged(frame))
                    if not index:
                        stream.height, stream.width, stream.pix_fmt = *pixels.shape[:2], "yuv420p"
                    image = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                    image.pts, image.time_base = round((time - times[0]) * TICKS), Fraction(1, TICKS)
                    film.mux(stream.encode(image))
                    heard.copy(time)
                film.mux(stream.encode())
                heard.copy(times[-1])
        return path.read_bytes()


def _even(frame: Frame) -> UInt8[np.ndarray, "eh ew 3"]:
    """With its border once more where a side is odd."""
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _end(packet: Any) -> float:
    """When it has been heard, in seconds."""
    return float((packet.dts + (packet.duration or 0)) * packet.time_base)


class _Sound:
    """The sound of another film on its way into this one, packet by packet as it is encoded there.

    Args:
        path: the other film; None: there is no sound.
        film: this one, an output container of PyAV.
        start: what time of the other one is heard first, in seconds.
    """

    def __init__(self, path: Path | None, film: Any, start: float) -> None:
        self._film, self._start = film, start
        self._open = None if path is None else open_film(path)
        self._packets: Iterator[Any] = iter(())
        if path is not None and self._open is not None and self._open.streams.audio:
            stream = self._open.streams.audio[0]
            if _fits(path):
                self._stream = film.add_stream_from_template(stream)
                self._packets = _packets(self._open, stream, start)
            else:
                kind = stream.codec_context.name
                warnings.warn(Note(f"the sound of {path.name} is left out: an MP4 can't hold {kind}"), stacklevel=2)
        self._next = next(self._packets, None)

    def __enter__(self) -> "_Sound":
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()

    def copy(self, end: float) -> None:
        """Put what begins before this time of the other film, in seconds, into this one."""
        while self._next is not None and self._next.dts * self._next.time_base < end:
            packet, self._next = self._next, next(self._packets, None)
            packet.pts -= round(self._start / packet.time_base)
            packet.dts -= round(self._start / packet.time_base)
            packet.stream = self._stream
            self._film.mux(packet)


def _packets(film: Any, stream: Any, start: float) -> Iterator[Any]:
    """Those of a film's sound that are heard behind a time, in seconds, up to where the file is cut off."""
    import av

    with suppress(av.FFmpegError):
        for packet in film.demux(stream):
            if packet.is_corrupt:
                return
            if packet.dts is not None and packet.pts is not None and _end(packet) > start:
                yield packet


def _fits(path: Path) -> bool:
    """Whether an MP4 can hold a film's sound, by trying: of some kinds it is known when the first packet is written."""
    import av

    try:
        with open_film(path) as film, av.open(BytesIO(), "w", format="mp4") as trial:
            stream = trial.add_stream_from_template(film.streams.audio[0])
            for packet in film.demux(film.streams.audio[0]):
                packet.stream = stream
                trial.mux(packet)
                break
    except (ValueError, av.FFmpegError):
        return False
    return True
