"""A tour that is not finished, in its folder: a tour that was stopped goes on from there.

Beside the page and its pictures lies `.tour.json`, as long as the tour is not finished. It says what the tour is of, on
which day it began, which files are its own, and what each stop says; the pictures of a stop are in their files. It is
written together with a stop's pictures and the page so far, so all of these are there or none of them.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from phosphene.core.errors import Mistake
from phosphene.core.paths import is_file, is_folder
from phosphene.core.saving import save
from phosphene.faces.tour.contact import SHEET
from phosphene.faces.tour.guide import Guide, Section, Shown

STATE, PAGE, PICTURES = ".tour.json", "index.html", "pictures"


@dataclass(frozen=True)
class Tour:
    """What came of a tour.

    Attributes:
        network: its name.
        page: the path of index.html.
        there, many: how many stops are finished, and how many there are.
        failures: what failed in stops, other than what a network can't do, by the sentence that says so.
        stopped: why it ended early.
    """

    network: str
    page: Path
    there: int
    many: int
    failures: Mapping[str, BaseException]
    stopped: BaseException | None = None

    @property
    def why(self) -> BaseException | None:
        """The first thing that went wrong."""
        return self.stopped or next(iter(self.failures.values()), None)


class Unfinished:
    """What is there of a tour, and its files.

    Args:
        folder: the page's.
        force: begin anew, over whatever is there.
    Attributes:
        of: what its bytes depend on.
        day: on which it began.
        files: from the name of each file that is the tour's own to the SHA-256 of its bytes.
    Raises:
        Mistake: files are there that are not an unfinished tour's.
    """

    def __init__(self, folder: Path, force: bool) -> None:
        self.folder = folder
        state = {} if force else _state(folder / STATE)
        self.of: dict[str, Any] = state.get("of", {})
        self.day = str(state.get("day", date.today().isoformat()))
        self.force = force or bool(state.get("force"))
        self.files: dict[str, str] = state.get("files", {})
        self.stops: dict[str, Any] = state.get("stops", {})
        self._written: set[str] = set()
        foreign = [PAGE, SHEET, *(f"{PICTURES}/{file.name}" for file in _pictures(folder / PICTURES))]
        self._refuse_foreign(foreign)

    def _refuse_foreign(self, names: list[str]) -> None:
        for name in names:
            if not self.force and name not in self.files and os.path.lexists(self.folder / name):
                raise Mistake(f"{self.folder / name} is there already; give --force to overwrite it, or another --out")

    def go_on(self, of: Mapping[str, Any]) -> None:
        """Say what the tour is of.

        Raises:
            Mistake: that of which stops are there is another one.
        """
        wanted = json.loads(json.dumps(of))
        if self.of not in ({}, wanted):
            other = " and ".join(key for key in wanted if self.of.get(key) != wanted[key])
            raise Mistake(
                f"{self.folder} has an unfinished tour with another {other}; give --force to begin anew, or "
                "another --out"
            )
        self.of = wanted

    def restored(self, stop: str) -> Section | None:
        """The section of a stop, as it was made.

        Raises:
            KeyError: it was not made, or a picture of it is damaged.
        """
        kept = self.stops[stop]
        if kept is None:
            return None
        try:
            shown = [self._picture(caption, file) for caption, file in kept["pictures"]]
            section = Section(**{**kept, "pictures": shown})
        except (TypeError, ValueError) as error:  # it was not written by this program
            raise KeyError(stop) from error
        self._written |= {one.file for one in shown}
        return section

    def _picture(self, caption: str, file: str) -> Shown:
        path = self._path(file)
        data = path.read_bytes() if is_file(path) else b""
        if hashlib.sha256(data).hexdigest() != self.files[file]:
            raise KeyError(file)
        return Shown(caption, file, data)

    def keep(self, guide: Guide, page: str, sheet: Shown | None = None) -> None:
        """Write the stops so far, their pictures and the page.

        Raises:
            Mistake: that can't be done; the cause is the OSError.
        """
        shown = [one for section in guide.sections for one in section.pictures] + ([sheet] if sheet else [])
        new = {one.file: one.png for one in shown if one.file not in self._written} | {
            PAGE: page.encode(errors="backslashreplace")
        }
        self._refuse_foreign(list(new))
        self.files |= {name: hashlib.sha256(data).hexdigest() for name, data in new.items()}
        self.stops = {stop: _plain(section) for stop, section in guide.made.items() if stop not in guide.again}
        kept = {"of": self.of, "day": self.day, "force": self.force, "files": self.files, "stops": self.stops}
        state = json.dumps(kept).encode()  # first, so that what is renamed behind it is known to be the tour's
        save({self.folder / STATE: state} | {self.folder / name: data for name, data in new.items()})
        self._written |= set(new) - {PAGE}

    def finish(self, guide: Guide, page: str, sheet: Shown | None) -> None:
        """Write the page as it stays, and leave nothing behind that is not on it."""
        self.keep(guide, page, sheet)
        for name in set(self.files) - self._written - {PAGE}:  # of a stop that came out otherwise
            self._path(name).unlink(missing_ok=True)
        (self.folder / STATE).unlink()

    def _path(self, name: str) -> Path:
        """Where the contact sheet, or a picture, is; whatever the name is, in the tour's own folders."""
        return self.folder / (SHEET if name == SHEET else f"{PICTURES}/{Path(name).name}")

    def there(self) -> int | None:
        """How many stops are in the folder; None where there is no page."""
        state = _state(self.folder / STATE)
        return len(state["stops"]) if state and state["of"] == self.of else None


def _state(path: Path) -> dict[str, Any]:
    """What is kept of a tour; nothing where there is none, or where it can't be understood."""
    try:
        state = json.loads(path.read_text(encoding="utf-8")) if is_file(path) else {}
    except (OSError, ValueError):
        return {}
    whole = isinstance(state, dict) and all(isinstance(state.get(key), dict) for key in ("of", "files", "stops"))
    return state if whole else {}


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".png") if is_folder(folder) else []


def _plain(section: Section | None) -> dict[str, Any] | None:
    """A section, ready for JSON; of its pictures the names."""
    return (
        None if section is None else vars(section) | {"pictures": [(one.caption, one.file) for one in section.pictures]}
    )
