"""Paths as people give them: what is no path is refused, and what can't be read is told why.

Nothing here opens an address, waits for a pipe, or lets an error of the operating system pass as it is.
"""

import codecs
import errno
import math
import os
import re
import stat
from collections.abc import Iterable
from io import BufferedReader
from itertools import count
from pathlib import Path
from zlib import crc32

from phosphene.core.errors import Mistake

LONGEST_NAME = 255
"""Bytes of a file's name, on nearly every file system."""

A_FOLDER, NO_FILE = "it is a folder", "there is no such file"

MOST_TEXT = 10_000_000
"""Bytes of a file that people or programs write, such as a plan or a network's source."""

_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]+:/|data:|www\.)", re.IGNORECASE)
"""With one slash too, as `Path` writes an address; `C:/` is none."""


class Unreadable(OSError):
    """There is nothing to be read; says why, as the end of a sentence ("it is a folder")."""


def reason(error: OSError) -> str:
    """What the operating system says, in small letters; or why there is nothing to be read."""
    return str(error) if isinstance(error, Unreadable) else (error.strerror or str(error)).lower()


def given_path(given: str | os.PathLike[str], what: str = "file") -> Path:
    """The path that somebody gave, with `~` for the home folder unless there is a file of this name.

    Args:
        what: it is to be, for messages.
    Raises:
        Mistake: an empty name, an address, or what no file system has.
    """
    text = os.fsdecode(given)
    if not text.strip():
        raise Mistake(f"the name of the {what} is empty; give a file")
    if text.casefold().startswith("file:"):
        raise Mistake(f"addresses are not opened, and {text} is one; give the path: {_after_scheme(text)}")
    if _ADDRESS.match(text):
        raise Mistake(f"addresses are not opened, and {text} is an address, not a file; download it first")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise Mistake(f"the name {text} has letters that names of files here can't have; rename it") from error
    if "\0" in text:
        raise Mistake(f"the name of the {what} has a zero byte in it, which no file's name has")
    path = Path(text)
    if text.endswith(("/", os.sep)) and path.parts and is_file(path):
        raise Mistake(f"{text} ends like a folder, but {path} is a file; leave out what is behind its name")
    return _home(path) if text.startswith("~") and not os.path.lexists(path) else path


def _after_scheme(address: str) -> str:
    return "/" + address.partition(":")[2].removeprefix("//localhost").lstrip("/")


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user
        return path


def _mode(path: str | os.PathLike[str]) -> int:
    """The kind of what is there; 0 where nothing is, or nobody may look."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):  # a name with a zero byte
        return 0


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder, as far as one may look; "" is none."""
    return stat.S_ISDIR(_mode(path)) or stat.S_ISDIR(_mode(os.path.expanduser(path)))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether this is a file, as far as one may look."""
    return stat.S_ISREG(_mode(path))


def opened(path: Path, most: float = math.inf) -> BufferedReader:
    """A file that somebody named, open for reading: one that is there, is a file, and not too large.

    It is looked at before it is opened, which a device may take for a command, and once more afterwards, when nobody
    can exchange it any more. Nothing waits: a pipe that takes the file's place is opened without its other end.

    Args:
        most: so many bytes; what is read into memory may have as many as the machine has, whatever is given.
    Raises:
        Unreadable: there is none, or it is something else.
        OSError: one may not look, or read.
    """
    _check_kind(path, _looked_at(path), most)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_kind(path, os.fstat(file.fileno()), most)
    except Unreadable:
        file.close()
        raise
    return file


def _looked_at(path: Path) -> os.stat_result:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        linked = f"it is a link to {os.readlink(path)}, which is not there" if os.path.islink(path) else NO_FILE
        raise Unreadable(linked) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unreadable("it is a link that leads in a circle") from error
        raise


def _check_kind(path: Path, found: os.stat_result, most: float) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(A_FOLDER)
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable("it is a device or a pipe")
    if found.st_size > (limit := min(most, _memory())):
        raise Unreadable(f"it has {_size_words(found.st_size)}, and {_size_words(limit)} is the limit")


def _memory() -> float:
    """Bytes of this machine's memory, as far as it says."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return math.inf


def _size_words(size: float) -> str:
    return f"{size / 1e9:,.0f} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def content(path: Path, most: int = MOST_TEXT) -> bytes:
    """All of a file that somebody named.

    Raises:
        Unreadable, OSError: as `opened`; or it has no end, as files that the system makes up while one reads.
    """
    with opened(path, most) as file:
        found = file.read(most + 1) or b""
    if len(found) > most:
        raise Unreadable(f"it has more than {_size_words(most)}, which is the limit")
    return found


def broken(path: Path, most: float = math.inf) -> str | None:
    """Why there is nothing to be read, as the end of a sentence ("it is a folder"); None where there is.

    Args:
        most: so many bytes.
    Raises:
        OSError: one may not look, or read.
    """
    try:
        opened(path, most).close()
    except Unreadable as error:
        return str(error)
    return None


def textual(head: bytes) -> str | None:
    """What a file seems to be that begins with text where numbers or pixels should be; None where it does not.

    Args:
        head: its first bytes, 512 or so.
    """
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of git-lfs and not the file itself, which `git lfs pull` fetches"
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut in two
    except UnicodeDecodeError:
        return None
    return "it begins with text" if text and all(c.isprintable() or c.isspace() for c in text) else None


# --------------------------------------------------------------------------------------------------------- lengths


def shortened(name: str, most: int = 200) -> str:
    """A file's name in at most `most` bytes; a long one is cut and ends in a hash of the whole."""
    whole = os.fsencode(name)
    if len(whole) <= most:
        return name
    return f"{whole[: most - 9].decode(errors='ignore')}-{crc32(whole):08x}"


def told_apart(names: Iterable[str]) -> list[str]:
    """Names for files, no two alike, whatever the case of their letters: `cat`, `cat-2`, `cat-3`."""
    taken: dict[str, str] = {}
    for name in names:
        numbered = (f"{name}-{i}" if i > 1 else name for i in count(1))
        name = next(one for one in numbered if one.casefold() not in taken)
        taken[name.casefold()] = name
    return list(taken.values())


def check_length(path: Path, room: int = 0) -> None:
    """Raise a Mistake if a file's name is too long.

    Args:
        room: bytes that are kept free, behind the name without its ending, for the endings of files beside it.
    """
    name = path.stem if room else path.name
    many, most = len(os.fsencode(name)), LONGEST_NAME - room
    if many > most:
        why = ", as files with longer endings are written beside it" if room else ""
        raise Mistake(f"the name {name[:24]}... has {many} bytes; it may have {most}{why}")
