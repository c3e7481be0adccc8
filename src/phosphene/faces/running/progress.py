"""How far the work is: one bar for a run, with the time that is left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from phosphene.core.units.photographs import counted

PATIENCE = 1.0
"""Seconds that photographs may take to be read until a bar says how far that is."""


def bars(console: Console | None = None, *, quiet: bool = False, stays: bool = False) -> Progress:
    """Bars on a terminal; nothing elsewhere.

    Args:
        console: where; by default the standard error.
        quiet: none at all.
        stays: they are left there when the work is done, and are written elsewhere than on terminals, too.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = quiet or console.quiet or not (stays or console.is_terminal)
    return Progress(*columns, console=console, transient=not stays, disable=hidden)


@contextmanager
def reading(title: str, console: Console | None = None, *, quiet: bool = False) -> Iterator[None]:
    """A bar of this title for the photographs that are read in here, wherever that takes longer than a moment."""
    progress, began = bars(console, quiet=quiet), 0.0
    task: TaskID | None = None

    def tell(done: int, total: int) -> None:
        nonlocal began, task
        if not done:
            began = time.monotonic()
        if task is None and time.monotonic() - began > PATIENCE:
            task = progress.add_task(f"{title}: photographs", total=total, completed=done)
        elif task is not None:
            progress.update(task, completed=done)
        if task is not None and done >= total:
            progress.remove_task(task)
            task = None

    with progress, counted(tell):
        yield
