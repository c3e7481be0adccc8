"""Results go to the standard output, and nothing else does: what a model prints by itself goes to the standard error.

Whoever pipes a command's path or its JSON into another program gets these alone.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any

from rich import markup
from rich.console import Console

from phosphene.core.errors import printable


def escape(words: str) -> str:
    """Anybody's words as they are: neither rich nor the terminal does what they say."""
    return markup.escape(printable(words))


_results: ContextVar[Any] = ContextVar("results", default=None)


@contextmanager
def results_apart() -> Iterator[None]:
    """Whatever is printed from now on is no result, unless it is written to `results()`."""
    before = _results.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.reset(before)


def results() -> Any:
    """The stream that results go to."""
    return _results.get() or sys.stdout


def tell(text: object) -> None:
    """Print a result."""
    print(text, file=results())


def error(words: str) -> None:
    """One sentence on the standard error."""
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(words)}", highlight=False)


def note(words: str, *, quiet: bool = False) -> None:
    """A line on the standard error."""
    Console(stderr=True, quiet=quiet, soft_wrap=True).print(escape(words), highlight=False)


def legible() -> None:
    r"""Print letters that a terminal does not have, or that are none, as \xe9: no result is lost by its name."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
