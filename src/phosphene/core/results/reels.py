"""A film whose every frame is a picture in its own right: what a recipe gives back besides a `Result` and a `Run`.

A frame is made by a `Run` of its own. What it takes over from frames before it, it takes from these as they are kept:
rounded to 8 bits, out of their files. So a film that was stopped after any frame goes on to the same bytes, and each
frame carries the recipe and its number, by which it can be made again.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.writing import save_png
from phosphene.core.results.results import Result, Run

Earlier = Callable[[int], Float[Tensor, "1 3 h w"]]
"""A frame before this one by its index, as it is kept: 8-bit levels in [0, 1], float32, on the CPU."""

Make = Callable[[int, Earlier], Run]
"""From a frame's index and those before it to what makes it; a frame depends on nothing else of other frames."""


class Reel:
    """A film in the making.

    Iterate over it to have the frames, in the order in which they are made, as results; or `save` it as a film.

    Args:
        make: what makes each frame, one picture of the same size as the others.
        times: when each frame begins to be shown, in seconds by the film's own clock, and at last when the film ends:
            rising, one number more than there are frames.
        name: of the film, as a file's name without ending.
        backward: whether the last frame that is made is the first that is shown.
        sound: a file whose sound is copied into the film; its clock is that of `times`.
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
        self.recipe: dict[str, Any] = {}

    def __len__(self) -> int:
        """How many frames there will be."""
        return len(self.times) - 1

    def begin(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame; its recipe says which one it is.

        Args:
            earlier: the frames before it, as they are kept.
        """
        run = self._make(index, earlier)
        run.recipe = self.recipe | {"frame": index} if self.recipe else {}
        return run

    def __iter__(self) -> Iterator[Result]:
        with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
            yield from self.made_in(Path(folder))

    def made_in(self, folder: Path) -> Iterator[Result]:
        """Every frame, each kept in a folder before the next one begins."""
        for index in range(len(self)):
            result = self.begin(index, lambda k: open_photo(folder / frame_file(k))).result
            save_png(result.pil(), folder / frame_file(index))
            yield result


def frame_file(index: int) -> str:
    """The name of a frame's file."""
    return f"{index:05}.png"
