"""How far the work is: one bar for a run, with the time that is left."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
