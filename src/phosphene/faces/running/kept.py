"""What is there of long work that was stopped: how each file was made, and whether it is whole."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_as_bytes
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.paths import is_file
from phosphene.core.pictures.files import read_text, stored
from phosphene.core.results.results import Run, seal
from phosphene.core.saving import save
from phosphene.earlier import upgraded

Record = Mapping[str, Any]
"""How something was made; empty where it is damaged, and that can't be told."""

OTHER: Record = {"arguments": {}}
"""Of what this program did not make."""


def arguments_but(record: Record, options: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments of a record, without these options."""
    return {key: value for key, value in record["arguments"].items() if key not in options}


def same(record: Record, wanted: Record, but: Sequence[str] = ()) -> bool:
    """Whether something was made by this recipe, whatever these options were."""
    keys = ("recipe", "network", "plan", "inputs")
    return (
        bool(record)
        and all(record.get(key) == wanted[key] for key in keys)
        and arguments_but(record, but) == arguments_but(wanted, but)
    )


def record_beside(path: Path) -> Record | None:
    """The record in a JSON file; None where there is no such file."""
    if not os.path.lexists(path):
        return None
    try:
        return _parsed(path.read_text(encoding="utf-8")) if is_file(path) else OTHER
    except (OSError, ValueError):
        return OTHER


def record_within(path: Path) -> tuple[Record | None, bool]:
    """The record in a PNG, None where there is no such file; and whether its pixels are those of its seal."""
    if not os.path.lexists(path):
        return None, False
    try:
        text = read_text(path).get("phosphene", "[]")
        record = _parsed(text)
        return record, record.get("seal") == seal(json.loads(text), stored(path)) if record.get("seal") else False
    except Mistake:  # it can't be read
        return ({} if is_file(path) else OTHER), False


def going_on(run: Run, file: Path) -> bool:
    """Let work be kept in a file from waypoint to waypoint; whether it goes on at one that is there.

    Raises:
        Mistake: something else is there.
    """
    if run.waypoints is None:
        return False
    wanted = json.loads(json.dumps(run.recipe))
    words = {"phosphene": json.dumps(wanted)}

    def reached(tensors: Mapping[str, Tensor]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
        save({file: tensors_as_bytes(whole, words)})

    run.waypoints.reached = reached
    if not os.path.lexists(file):
        return False
    try:
        with safe_open(file, "pt") as opened:
            record, names = _parsed((opened.metadata() or {}).get("phosphene", "[]")), list(opened.keys())
            tensors = {name: opened.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise foreign(file) from error
    if not same(record, wanted):
        raise foreign(file)
    run.waypoints.kept = tensors
    return True


def foreign(path: Path, named_by: str = "out") -> Mistake:
    """What is said where something else is there, whose name the option `named_by` gives."""
    return Mistake(f"{path} is there already and was made in another way; give --force, or another --{named_by}")


def _parsed(text: str) -> Record:
    try:
        data = json.loads(text)
    except ValueError:
        return {} if not text or text.startswith("{") else OTHER  # cut off, or a stranger's
    try:
        return upgraded(data) if isinstance(data, dict) and isinstance(data.get("arguments"), dict) else OTHER
    except ValueError:  # it was made by a part of the program that works otherwise today
        return OTHER
