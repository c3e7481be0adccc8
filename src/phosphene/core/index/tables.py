"""An index's files, read: whatever is wrong with one is a mistake that names it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.core.errors import Mistake
from phosphene.core.index.values import Found
from phosphene.core.paths import reason
from phosphene.core.units.exemplars import Position


@dataclass(frozen=True)
class Reading:
    """Whatever goes wrong with a file of the index is a mistake that names it."""

    path: Path

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: Any) -> None:
        if isinstance(error, OSError):
            raise Mistake(f"{self.path} can't be read: {reason(error)}; make the index again") from error
        if isinstance(error, (ValueError, KeyError, EOFError)) and not isinstance(error, Mistake):
            raise Mistake(f"{self.path} is damaged; make the index again") from error


def found(table: Mapping[str, np.ndarray], i: int) -> Found:
    row, column = int(table["row"][i]), int(table["column"][i])
    position: Position = (row, column) if column >= 0 else row if row >= 0 else None
    top, left, bottom, right = (int(table[edge][i]) for edge in ("top", "left", "bottom", "right"))
    box = top, left, bottom, right
    return Found(int(table["image"][i]), float(table["value"][i]), position, box, bool(table["clipped"][i]))


def column(column: Any) -> np.ndarray:
    """A column of numbers, or of lists of one length."""
    values = column.combine_chunks()
    if str(values.type).startswith("fixed_size_list"):
        return values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), values.type.list_size)
    return values.to_numpy(zero_copy_only=False)
