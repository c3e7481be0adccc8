"""Whatever ends a command is told in one sentence, and in an exit code; a traceback is for `--debug`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from phosphene.core.errors import Note, exit_code, failed, out_of_memory
from phosphene.core.paths import reason
from phosphene.faces.cli.output import error, note


class Ended(SystemExit):
    """The program's own end, about which everything is said; its cause is what went wrong."""


@contextmanager
def guarded() -> Iterator[None]:
    """What goes wrong is one sentence and code 2; an interruption is 130, as shells count, and SIGTERM 143.

    Raises:
        Ended: something went wrong.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", Note)
            warnings.showwarning = _told
            yield
    except (Ended, typer.Exit, BrokenPipeError):  # `phosphene layers | head`: click ends without a word
        raise
    except KeyboardInterrupt as interruption:
        note("interrupted")
        raise Ended(exit_code(interruption)) from interruption
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # rich, for the same reason
            raise
        error(f"the network's code ended the program (sys.exit({ended.code or 0!r}))")
        raise Ended(2) from ended
    except Exception as wrong:
        error(_sentence(wrong))
        raise Ended(2) from wrong


def _sentence(wrong: Exception) -> str:
    """A refusal by the operating system, or anything else."""
    if not isinstance(wrong, OSError) or out_of_memory(wrong):
        return failed("", wrong)
    where = f"{wrong.filename} can't be read or written" if wrong.filename else "the operating system refused"
    return f"{where}: {reason(wrong)}"


def _told(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
    """A line for what is worth knowing; Python's own warnings are for programmers."""
    if issubclass(category, Note):
        note(f"note: {message}")
