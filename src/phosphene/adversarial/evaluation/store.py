"""An evaluation in a folder, part by part: whatever ends it, the same command goes on from what is there.

While it is not finished, `.evaluation` lies beside its files: `of.json` says what the evaluation is of, and each part
is a file of its own, written whole or not at all. What comes out is made of the parts alone, so that an evaluation that
was ended five times has the bytes of one that was not.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from phosphene.adversarial.evaluation.parts import Part
from phosphene.core.errors import Mistake
from phosphene.core.paths import content, is_file, is_folder, reason
from phosphene.core.saving import save

PARTS = ".evaluation"
OF = "of.json"
MOST = 8_000_000_000
"""Bytes of a part that is read."""


@runtime_checkable
class Parts(Protocol):
    """Where the parts of an evaluation are kept."""

    def get(self, name: str) -> Part | None:
        """A part; None where it is not there, or damaged."""
        ...

    def put(self, name: str, part: Part) -> None:
        """Keep a part."""
        ...


class Memory:
    """Parts that are kept as long as the program runs."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}

    def get(self, name: str) -> Part | None:
        """A part; None where it is not there."""
        return self._parts.get(name)

    def put(self, name: str, part: Part) -> None:
        """Keep a part."""
        self._parts[name] = part


class Folder:
    """Parts in a folder, and the files that come of them.

    Args:
        folder: it is made when the first part is kept.
        outputs: the names of the files that will come of it.
        force: begin anew, over whatever is there.
    Raises:
        Mistake: a file is there that is not an unfinished evaluation's.
    """

    def __init__(self, folder: Path, outputs: Iterable[str], *, force: bool = False) -> None:
        self.folder, self._force = folder, force
        if force and is_folder(folder / PARTS):
            shutil.rmtree(folder / PARTS)
        unfinished = is_file(folder / PARTS / OF)
        for name in outputs:
            if not force and not unfinished and os.path.lexists(folder / name):
                raise Mistake(f"{folder / name} is there already; give --force to overwrite it, or another --out")

    @property
    def there(self) -> int:
        """How many parts there are."""
        inside = self.folder / PARTS
        return len(list(inside.glob("*.npz"))) if is_folder(inside) else 0

    def go_on(self, of: Mapping[str, Any]) -> None:
        """Say what the evaluation is of.

        Raises:
            Mistake: that of which parts are there is another one; the folder can't be written to.
        """
        wanted, before = json.loads(json.dumps(of)), self._of()
        if before is not None and before != wanted:
            other = " and ".join(key for key in wanted if before.get(key) != wanted[key])
            raise Mistake(
                f"{self.folder} has an unfinished evaluation with another {other or 'version'}; give --force to begin "
                "anew, or another --out"
            )
        if before is None:
            try:
                (self.folder / PARTS).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Mistake(f"{self.folder} can't be written to ({reason(error)}); give --out") from error
            save({self.folder / PARTS / OF: json.dumps(wanted, indent=1).encode()})

    def _of(self) -> dict[str, Any] | None:
        path = self.folder / PARTS / OF
        if not is_file(path):
            return None
        try:
            found = json.loads(content(path))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def get(self, name: str) -> Part | None:
        """A part; None where it is not there, or damaged."""
        path = self._path(name)
        if not is_file(path):
            return None
        try:
            return Part.unpacked(content(path, MOST))
        except (OSError, ValueError):
            return None

    def put(self, name: str, part: Part) -> None:
        """Keep a part.

        Raises:
            Mistake: it can't be written; the cause is the OSError.
        """
        save({self._path(name): part.packed()})

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write what came of it, and take the parts away.

        Raises:
            Mistake: it can't be written; the cause is the OSError, and the parts are still there.
        """
        save({self.folder / name: data for name, data in files.items()})
        shutil.rmtree(self.folder / PARTS, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / PARTS / f"{name}.npz"
