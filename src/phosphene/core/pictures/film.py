"""The way of a run from start to end, as a film: GIF or MP4.

Most happens in the first steps, so frames lie evenly on a logarithmic scale of steps: dense at first, then rarer. How
long a run will be is not known (it may stop early, or be interrupted), so they are thinned out as it goes: whenever
there is one too many, the one whose neighbours lie closest together on that scale leaves. The first and the last stay.
"""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake, first_line
from phosphene.core.extras import needed
from phosphene.core.paths import check_length, given_path, is_folder, reason
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.encoding import GIF_SIDE, Frame, Frames, film_bytes
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import grid
from phosphene.core.saving import save

SIDES = {".gif": GIF_SIDE, ".mp4": 720}  # px of the longer side at most
LINEAR = 16  # steps: so far the scale is about linear, from there on logarithmic
SHORTEST, LONGEST, WHOLE, HOLD = 80, 500, 3000, 1500  # ms of a frame, of a short film, of the last frame


def film_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """A film's name, checked before any work begins.

    Args:
        path: a name that ends in .gif or .mp4.
        overwrite: whether a file that is there may be replaced.
    Raises:
        Mistake: another ending, a folder that is not there or can't be written to, a file that is there already, or
            an MP4 without PyAV.
    """
    film = given_path(path, "film")
    if film.suffix.lower() not in SIDES:
        raise Mistake(f"{film.name} is not a film's name; give one that ends in .gif or .mp4")
    check_length(film)
    if is_folder(film):
        raise Mistake(f"{film} is a folder; give a film's name in it, such as {film / 'film.gif'}")
    if not is_folder(film.parent):
        raise Mistake(f"there is no folder {film.parent} for {film.name}; make it first")
    if os.path.lexists(film) and not overwrite:
        raise Mistake(f"{film} is there already; give --force to overwrite it, or another --film")
    try:
        with tempfile.TemporaryFile(dir=film.parent):
            pass
    except OSError as error:
        raise Mistake(f"{film.parent} can't be written to: {reason(error)}") from error
    if film.suffix.lower() == ".mp4":
        needed("av", f"{film.name}, unlike a GIF,", "PyAV", "film")
    return film


def write_film(path: Path, frames: Frames, times: Sequence[float], sound: Path | None = None) -> None:
    """Write a film at once: there is the old file or the whole new one.

    Args:
        frames, times, sound: as for `film_bytes`.
    Raises:
        Mistake: it can't be encoded or written.
    """
    try:
        data = film_bytes(path.suffix.lower(), frames, times, sound)
    except Mistake:
        raise
    except Exception as error:  # whatever an encoder raises
        why = reason(error) if isinstance(error, OSError) else first_line(error)
        raise Mistake(f"{path} cannot be written: {why}") from error
    save({path: data})


class Film:
    """Pictures on their way, fed one step at a time; several are shown in one sheet.

    Args:
        path, overwrite: as for `film_path`.
        most_frames: how many are kept, whatever the number of steps: the memory is bounded, and so is the film's
            length (8 seconds, and the last frame stands for 1.5).
    Raises:
        Mistake: as `film_path`.
    """

    def __init__(self, path: str | os.PathLike[str], *, most_frames: int = 100, overwrite: bool = True) -> None:
        self.path, self.most_frames = film_path(path, overwrite=overwrite), max(2, most_frames)
        self._frames: list[tuple[int, Frame]] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, index: int, pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Keep these pictures as what step `index` shows, and let go of what is one too many."""
        sheet = (pictures if len(pictures) == 1 else grid(pictures)).detach().float().cpu()
        scale = min(1.0, SIDES[self.path.suffix.lower()] / max(sheet.shape[2:]))
        size = (max(1, round(scale * sheet.shape[2])), max(1, round(scale * sheet.shape[3])))
        self._frames.append((index, to_uint8(resize(sheet, size))[0]))
        if len(self._frames) > self.most_frames:
            at = [math.log(LINEAR + i) for i, _ in self._frames]
            del self._frames[min(range(1, len(at) - 1), key=lambda k: at[k + 1] - at[k - 1])]

    def write(self) -> Path:
        """Write the film of what was added so far, at once: there is the old file or the whole new one.

        The same frames have the same bytes.

        Raises:
            Mistake: nothing was added, or the file can't be written.
        """
        if not self._frames:
            raise Mistake("a film needs at least one step, and none was taken")
        frames = [frame for _, frame in self._frames]
        duration = min(LONGEST, max(SHORTEST, WHOLE // len(frames) // 10 * 10))  # GIF counts in 10 ms
        if self.path.suffix.lower() == ".mp4":  # players know no frame that is held: it comes again and again
            frames += [frames[-1]] * (HOLD // duration - 1)
        times = [duration * k / 1000 for k in range(len(frames))]
        write_film(self.path, lambda: _alike(frames), [*times, times[-1] + max(duration, HOLD) / 1000])
        return self.path


def _alike(frames: list[Frame]) -> Iterator[Frame]:
    """All at the size of the last one: a dream grows."""
    height, width, _ = frames[-1].shape
    for frame in frames:
        image = Image.fromarray(frame)
        same = image.size == (width, height)
        yield frame if same else np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
