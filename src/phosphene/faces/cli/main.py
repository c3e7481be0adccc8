"""Where the program begins: from its first line on, whatever ends it is no traceback, but with `--debug`.

Nothing is imported here that takes time: an interruption in the meantime is one like any other.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from phosphene.core.errors import Terminated, exit_code

SPINS = "1000"
"""Rounds that a thread of GNU's OpenMP waits busily for the others, while nobody else has its core.

By its default, many more, a picture took up to ten times as long beside other programs on two cores; alone, 4 to 7 %
less.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    in_main_thread = threading.current_thread() is threading.main_thread()
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is loaded
    before = signal.signal(signal.SIGTERM, _terminate) if in_main_thread else None
    try:
        code = _run([word for word in given if word != "--debug"], debug)
    except KeyboardInterrupt as interruption:  # while what guards the commands was loaded
        code = exit_code(interruption)
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)
    if arguments is None and in_main_thread:  # what is left is Python's own end
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _run(given: list[str], debug: bool) -> int:
    from phosphene.faces.cli.guard import Ended, guarded
    from phosphene.faces.cli.program import run

    try:
        with guarded():
            return run(given)
    except Ended as ended:
        if debug and ended.__cause__ is not None:
            import traceback

            traceback.print_exception(ended.__cause__)
        return int(ended.code or 0)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
