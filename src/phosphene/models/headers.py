"""Our own files of weights: the record in a safetensors file's header, plain data, and the tensors behind it."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.paths import broken


def header(file: Path, entry: str) -> dict[str, Any] | None:
    """The record that is kept under a name in a file's header; None where there is none, or no such file."""
    try:
        if broken(file) is not None:
            return None
        with safe_open(file, "pt") as held:
            record = json.loads((held.metadata() or {}).get(entry, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def header_in(data: bytes, entry: str) -> dict[str, Any]:
    """The same of a file that was not written yet."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"][entry])


def filled(model: nn.Module, file: Path) -> None:
    """Put the weights of a file into the model for which its record was made; nothing else may be in it.

    Raises:
        Mistake: it is damaged, or holds other weights, or some that are not finite.
    """
    try:
        with safe_open(file, "pt") as held:
            state = {name: held.get_tensor(name).float() for name in held.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise Mistake(f"{file.name} is damaged; copy it again, or train it anew") from error
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if {name: value.shape for name, value in state.items()} != wanted:
        raise Mistake(f"{file.name} holds other weights than its header says; copy it again, or train it anew")
    if not all(value.isfinite().all() for value in state.values()):
        raise Mistake(f"{file.name} holds values that are not finite; train it anew")
    model.load_state_dict(state)
