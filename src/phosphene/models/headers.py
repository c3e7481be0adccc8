"""What stands in the header of a safetensors file: plain data, read without looking at its tensors."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

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
