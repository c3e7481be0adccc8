"""Names of files that a command will write, held against other processes for as long as it runs.

Whether a file is there already is asked when a command begins and the file is written when it ends; in between, a
second process with the same names would not know of the first. So each name is claimed: a lock on a hidden, empty file
beside it, which the system takes away from a process that is killed.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from phosphene.core.errors import Mistake
from phosphene.core.paths import reason, shortened

if sys.platform != "win32":
    import fcntl


class Claims:
    """The names that a command holds, and the folders that it made: those that nothing came into go again.

    with Claims() as claims:
        claims.hold([Path("cat.png")])
    """

    def __init__(self) -> None:
        self._held: dict[Path, int] = {}
        self._made: list[Path] = []

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._held:
            lock, descriptor = self._held.popitem()
            lock.unlink(missing_ok=True)
            os.close(descriptor)
        while self._made:
            with suppress(OSError):  # something is in it
                self._made.pop().rmdir()

    def hold(self, files: Iterable[Path]) -> None:
        """Hold names and make their folders.

        Raises:
            Mistake: another process holds one; or there is no place for it.
        """
        for path in files:
            try:
                self.folder(path.parent)
                self._hold(path)
            except OSError as error:
                raise Mistake(f"{path.parent} can't be written to ({reason(error)}); give --out") from error

    def folder(self, folder: Path) -> None:
        """Make a folder, with those above it.

        Raises:
            OSError: it can't be made.
        """
        new = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self._made += reversed(new)

    def _hold(self, path: Path) -> None:
        """Hold the name of one file; where a file system has no locks, nothing is held.

        Raises:
            Mistake: another process holds it.
        """
        lock = path.with_name(f".{shortened(path.name)}.lock")
        if sys.platform == "win32" or lock in self._held:
            return
        while True:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise Mistake(f"{path} is being made by another process; wait for it, or give another --out") from None
            except OSError:
                pass
            if _is(descriptor, lock):
                self._held[lock] = descriptor
                return
            os.close(descriptor)  # its holder ended in between, and took the file away


def check_new(files: Iterable[Path], *, force: bool) -> None:
    """Raise a Mistake if a file that is to be written is there already; with `force`, if a folder has its name."""
    for path in filter(os.path.lexists, files):
        if not force:
            raise Mistake(f"{path} is there already; give --force to overwrite it, or another --out")
        if path.is_dir() and not path.is_symlink():
            raise Mistake(f"{path} is a folder; give another --out")


def _is(descriptor: int, lock: Path) -> bool:
    """Whether the open file is still the one that has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(lock))
    except FileNotFoundError:
        return False
