"""A film whose every frame is a picture in its own right: a `Run` whose steps are finished frames.

A frame is made by a `Run` of its own. What it takes over from frames before it, it takes from these as they are kept:
rounded to 8 bits, out of their files. So a film that was stopped after any frame goes on to the same bytes, and each
frame carries the recipe and its number, by which it can be made again.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.files import open_photo, stored
from phosphene.core.pictures.film import film_path, write_film
from phosphene.core.pictures.writing import save_png
from phosphene.core.results.results import Result, Run

Earlier = Callable[[int], Float[Tensor, "1 3 h w"]]
"""A frame before this one by its index, as it is kept: 8-bit levels in [0, 1], float32, on the CPU."""

Make = Callable[[int, Earlier], Run]
"""From a frame's index and those before it to what makes it; a frame depends on nothing else of other frames."""

FRAME = "frame"
"""The key under which the recipe of a film's frame says which one it is."""


class Reel(Run):
    """A film in the making: its steps are its frames, in the order in which they are made, its result is the last one.

    Args:
        make: what makes each frame, one picture of the same size as the others.
        times: when each frame begins to be shown, in seconds by the film's own clock, and at last when the film ends:
            rising, one number more than there are frames.
        name: of the film, as a file's name without ending.
        backward: whether the last frame that is made is the first that is shown.
        sound: a film whose sound is copied; its clock is that of `times`.
    Raises:
        Mistake: there are no frames, or the times don't rise.
    """

    def __init__(
        self, make: Make, times: Sequence[float], *, name: str, backward: bool = False, sound: Path | None = None
    ) -> None:
        if len(times) < 2:
            raise Mistake("a film needs at least one frame, and there is none")
        if any(later <= now for now, later in pairwise(times)):
            raise Mistake("the times of a film's frames have to rise, and these don't")
        self._make, self.times, self.name = make, times, name
        self.backward, self.sound = backward, sound
        self._latest: Result | None = None
        super().__init__(self._frames(), total=len(self) - 1, names=[name], finish=lambda step: self.so_far())

    def __len__(self) -> int:
        """How many frames there will be."""
        return len(self.times) - 1

    def begin(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame; its recipe says which one it is.

        Args:
            earlier: the frames before it, as they are kept.
        """
        run = self._make(index, earlier)
        run.recipe = self.recipe | {FRAME: index} if self.recipe else {}
        return run

    @cached_property
    def _kept(self) -> tempfile.TemporaryDirectory[str]:
        """The folder of the frames, for as long as this lives."""
        return tempfile.TemporaryDirectory(prefix="phosphene-")

    def _frames(self) -> Iterator[Step]:
        folder = Path(self._kept.name)
        for index in range(len(self)):
            result = self.begin(index, kept_in(folder)).result
            save_png(result.pil(), folder / frame_file(index))
            self._latest = result
            yield Step(index, result.image, torch.zeros(1))

    def so_far(self) -> Result:
        """The last frame that was made.

        Raises:
            Mistake: there was none yet.
        """
        if self._latest is None:
            raise Mistake("nothing was computed yet")
        return self._latest

    def until(self, index: int) -> None:
        """Let it end with this frame.

        Raises:
            Mistake: there is no such frame.
        """
        if not 0 <= index < len(self):
            raise Mistake(f"there is no frame {index}; this film has frames 0 to {len(self) - 1}")
        self.times, self.total = self.times[: index + 2], index

    def save(self, path: str | Path) -> Path:
        """Run to the end and write the film, .gif or .mp4 (needs PyAV), or its last frame, .png.

        A film carries no recipe, its frames do. Interrupted, it is the film so far.

        Raises:
            Mistake: another ending, or a place that can't be written to; before anything is computed.
        """
        if Path(path).suffix.lower() == ".png":
            return super().save(path)
        film = film_path(path)
        try:
            for _ in self:
                pass
        finally:
            if self.last is not None:
                self.write(film, Path(self._kept.name), self.last.index + 1)
        return film

    def film(self, path: str | Path) -> Path:
        """The same as `save`."""
        return self.save(path)

    def write(self, film: Path, folder: Path, many: int) -> None:
        """Write the film of the first frames.

        Args:
            film: its name, as `film_path` checks it.
            folder: where the frames are kept.
            many: how many of them are there.
        Raises:
            Mistake: it can't be encoded or written, or a frame can't be read.
        """
        order, times = range(many), self.times[: many + 1]
        if self.backward:
            order, times = range(many - 1, -1, -1), self.times[-many - 1 :]
        sound = None if self.backward else self.sound
        write_film(film, lambda: (np.asarray(stored(folder / frame_file(k))) for k in order), times, sound)


def kept_in(folder: Path) -> Earlier:
    """The frames that are kept in a folder."""
    return lambda index: open_photo(folder / frame_file(index))


def frame_file(index: int) -> str:
    """The name of a frame's file."""
    return f"{index:05}.png"
