"""Files of one command, written whole or not at all: whatever happens, there are the old ones or all of the new."""

import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from phosphene.core.errors import Mistake
from phosphene.core.paths import check_length, reason

ENDS = ("SIGINT", "SIGTERM")
"""Signals that wait until a set of files is whole."""


def save(files: Mapping[Path, bytes]) -> None:
    """Write every file, all of them or none; their folders have to be there.

    Each is written beside its place first, under a hidden name that ends in `.part`, which is where a full disk shows;
    then all are renamed while Ctrl-C and SIGTERM wait. Where a rename fails, the files that were there are put back.

    Raises:
        Mistake: one can't be written; the cause is the OSError.
    """
    parts: dict[Path, Path] = {}
    for path in files:
        check_length(path)
    try:
        for path, data in files.items():
            parts[path] = _beside(path)
            parts[path].write_bytes(data)
        with undisturbed():
            _put_in_place(parts)
    except OSError as error:
        at = Path(error.filename2) if error.filename2 else path
        raise Mistake(f"{at} cannot be written: {reason(error)}") from error
    finally:
        with undisturbed():
            for part in parts.values():
                part.unlink(missing_ok=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM come when this has ended, and no earlier; in threads other than the main one they never do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in ENDS}
    before = {number: handler for number, handler in before.items() if handler is not None}  # None: not Python's own
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem[:32]}-{secrets.token_hex(4)}.part")


def _put_in_place(parts: Mapping[Path, Path]) -> None:
    """Rename each; where one can't be, everything is as it was."""
    new = {path for path in parts if not os.path.lexists(path)}
    old: dict[Path, Path] = {}
    try:
        for path, part in parts.items():
            if len(parts) > 1 and (link := _linked(path)):
                old[path] = link
            os.replace(part, path)
    except BaseException:
        for path in new:
            if not parts[path].exists():  # it was renamed
                path.unlink(missing_ok=True)
        for path, link in old.items():
            os.replace(link, path)
        raise
    finally:
        for link in old.values():
            link.unlink(missing_ok=True)


def _linked(path: Path) -> Path | None:
    """A second name of what is there; None where nothing is, or where the file system has no second names."""
    link = _beside(path)
    with suppress(OSError, NotImplementedError):
        os.link(path, link, follow_symlinks=False)
        return link
    return None
