"""A picture in the making, to be looked at: its file, rewritten every few steps, and a preview in the terminal.

The file is the one that the result will be in, and is replaced at once, so that an image viewer that follows it sees
the picture grow and never half a file. Until the end its recipe says that it is unfinished. Whatever goes wrong with
what is only looked at, the work goes on.
"""

import os
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console, ConsoleOptions, Group
from rich.live import Live
from rich.progress import Progress
from rich.segment import ControlType, Segment

from phosphene.core.errors import Mistake
from phosphene.core.paths import is_file, opened
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import MOST_BYTES
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.results import Run
from phosphene.core.saving import save

EVERY = 0.5  # seconds from one look to the next: the eye has enough
SHARE = 0.02  # of the time that looking may take
UPPER_HALF = "▀"  # its colour above, the background's below: two square pixels in one letter
MIDDLES = (48, 115, 155, 195, 235)  # between the levels 0, 95, 135, 175, 215 and 255 of xterm's cube of colours
BESIDES = 2  # lines of a terminal that are not the preview's: the bar, and where the cursor stands


class Pace:
    """When it is time again: about twice a second, less often where that would take more than `SHARE` of the time."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY

    @property
    def due(self) -> bool:
        """Whether it is."""
        return time.monotonic() >= self._next

    @contextmanager
    def taken(self) -> Iterator[None]:
        """What is done in here takes its time, and goes wrong without consequences."""
        begun = time.monotonic()
        try:
            with suppress(Exception):  # a disk that is full, memory that is short: the work itself will tell
                yield
        finally:
            ended = time.monotonic()
            self._next = ended + max(EVERY, (ended - begun) / SHARE)


# ------------------------------------------------------------------------------------------------------------ the file


class Watched:
    """The file that a picture grows in.

    Args:
        path: where the result will be.
        force: whether what is there may be replaced.
        anonymous: leave out how it is made.
    """

    def __init__(self, path: Path, *, force: bool = False, anonymous: bool = False) -> None:
        self.path, self.force, self.anonymous = path, force, anonymous
        self._pace = Pace()
        self._mark: tuple[int, ...] | None = None
        self._before: bytes | None = None

    @property
    def ours(self) -> bool:
        """Whether what is there was written here."""
        return self._mark is not None and _mark(self.path) == self._mark

    def look(self, run: Run) -> None:
        """Write the present step, if it is time."""
        if self._pace.due:
            with self._pace.taken():
                self._write(run)

    def _write(self, run: Run) -> None:
        """Over nothing that somebody else wrote in the meantime, unless it may be replaced."""
        if os.path.lexists(self.path) and not self.ours:
            if not self.force:
                return
            if self._mark is None and is_file(self.path):
                with opened(self.path, MOST_BYTES) as file:
                    self._before = file.read()
        result = run.picture_alone()
        result.recipe = {} if self.anonymous else result.recipe
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save({self.path: png_bytes(result.shown(*result.whole), result.text(*result.whole), quick=True)})
        self._mark = _mark(self.path)

    def withdraw(self) -> None:
        """Put back what was there, as the result went elsewhere."""
        if not self.ours:
            return
        with suppress(OSError, Mistake):
            if self._before is None:
                self.path.unlink()
            else:
                save({self.path: self._before})


def _mark(path: Path) -> tuple[int, ...] | None:
    """What tells a file from another one of its name."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


# ------------------------------------------------------------------------------------------------------- the terminal


class Blocks:
    """A picture as letters, two pixels in each: as large as the terminal has room for, and no larger than it is.

    The colours are written as escape sequences here, as rich needs twenty times as long for a style of each letter.

    Args:
        image: the picture; where it is transparent it stands on white.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def fitted(self, width: int, height: int) -> Image.Image:
        """The picture within so many letters and so many lines; it has an even number of rows."""
        scale = min(1.0, width / self.image.width, 2 * height / self.image.height)
        columns, lines = (max(1, round(scale * side)) for side in (self.image.width, self.image.height / 2))
        small = self.image.resize((columns, 2 * lines), Image.Resampling.BOX, reducing_gap=2.0).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        small = np.asarray(self.fitted(options.max_width, max(1, console.size.height - BESIDES)))
        spelled = _true_colour if console.color_system == "truecolor" else _of_256
        for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
            letters = (
                f"\x1b[38;{spelled(*a)};48;{spelled(*b)}m{UPPER_HALF}" for a, b in zip(upper, lower, strict=True)
            )
            yield Segment("".join(letters) + "\x1b[0m", None, [(ControlType.CURSOR_MOVE_TO_COLUMN, 0)])  # has no width
            yield Segment.line()


def _true_colour(red: int, green: int, blue: int) -> str:
    return f"2;{red};{green};{blue}"


def _of_256(red: int, green: int, blue: int) -> str:
    """The nearest colour of the cube of 6 x 6 x 6 that terminals have behind their 16 own."""
    levels = (bisect(MIDDLES, level) for level in (red, green, blue))
    return f"5;{16 + sum(one * times for one, times in zip(levels, (36, 6, 1), strict=True))}"


def can_preview(console: Console) -> bool:
    """Whether somebody sees a picture there: a terminal of many colours that has the letter."""
    return (
        console.is_terminal
        and console.file.isatty()
        and console.color_system in ("256", "truecolor")
        and not (console.no_color or console.is_dumb_terminal or console.options.ascii_only)
    )


@contextmanager
def screen(progress: Progress, *, preview: bool) -> Iterator[Callable[[Run | None], None]]:
    """The bar and, if wanted and where it can be seen, a preview above it; both are gone at the end.

    Yields:
        What draws the present step of a run, if it is time.
    """
    if not preview or progress.disable or not can_preview(progress.console):
        with progress:
            yield lambda run: None
        return
    pace = Pace()
    with Live(progress, console=progress.console, transient=True, auto_refresh=False) as live:

        def draw(run: Run | None) -> None:
            if run is not None and run.last is not None and pace.due:
                with pace.taken():
                    pictures = run.shown(run.last).detach().float().cpu()
                    sheet = pictures if len(pictures) == 1 else grid(pictures)
                    live.update(Group(Blocks(to_pil(sheet)), progress), refresh=True)

        yield draw
