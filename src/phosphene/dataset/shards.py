"""One file a shard: what was read of its pictures, a row each, and why others could not be read.

A shard is written under another name and renamed, so a file of this name is whole. It carries the hash of the question
that it answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.index.layout import SHARDS, parquet
from phosphene.core.paths import is_file
from phosphene.dataset.answers import HALF, Said
from phosphene.dataset.decoding import Decoded
from phosphene.dataset.question import Question

ABOUT = b"phosphene"
"""The key of what a file says about itself."""

PARTS = ("peak", "place", "low", "low_place", "code")
"""Of each layer: a column `LAYER/peak` and so on, a list of all units for each picture."""


@dataclass
class Shard:
    """What was read so far: the pictures, and of each layer what its units say, batch by batch."""

    rows: list[int] = field(default_factory=list)
    pictures: list[tuple[tuple[int, int], tuple[int, int], bytes]] = field(default_factory=list)
    said: dict[str, list[Said]] = field(default_factory=dict)

    def picture(self, row: int, picture: Decoded) -> None:
        """Keep what an index says of a picture itself; its pixels are not kept."""
        height, width = picture.pixels.shape[1:]
        self.rows.append(row)
        self.pictures.append((picture.size, (height, width), picture.thumbnail))

    def add(self, answers: Mapping[str, Said]) -> None:
        """Keep what units say of the next pictures."""
        for name, one in answers.items():
            self.said.setdefault(name, []).append(one)


def packed(question: Question, number: int, shard: Shard, broken: Sequence[tuple[int, str]]) -> bytes:
    """The bytes of a shard's file."""
    pa = needed("pyarrow", "an index", "pyarrow", "data")
    where = [question.listing.where(row) for row in shard.rows]
    kinds = {"number": pa.int64(), "id": pa.string(), "label": pa.int32(), "file": pa.string(), "offset": pa.int64(),
             "size": pa.int64()}  # fmt: skip
    columns = {name: pa.array([_written(one[name]) for one in where], kind) for name, kind in kinds.items()}
    sizes = np.array([(*size, *fed) for size, fed, _ in shard.pictures], np.int32).reshape(-1, 4)
    for i, name in enumerate(("height", "width", "fed_height", "fed_width")):
        columns[name] = pa.array(sizes[:, i])
    columns["thumbnail"] = pa.array([jpeg for *_, jpeg in shard.pictures], pa.binary())
    for name in question.layers:
        columns |= _of_layer(name, shard.said.get(name, []), pa)
    why = [[question.listing.number(row), _written(question.listing.ids[row]), words] for row, words in broken]
    about = {"number": number, "question": question.digest, "broken": why}
    table = pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(about).encode()})
    file = BytesIO()
    parquet().write_table(
        table, file, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False
    )  # fmt: skip
    return file.getvalue()


def _written(value: Any) -> Any:
    """Names of files that are no UTF-8 are written with question marks."""
    return value.encode(errors="surrogateescape").decode(errors="replace") if isinstance(value, str) else value


def _of_layer(name: str, said: Sequence[Said], pa: Any) -> dict[str, Any]:
    kinds = {"peak": np.float32, "place": np.int32, "low": np.float32, "low_place": np.int32, "code": np.float16}
    columns = {}
    for part, kind in kinds.items():
        values = torch.cat([getattr(one, part) for one in said]).numpy() if said else np.zeros((0, 1), kind)
        values = np.clip(values, -HALF, HALF) if part == "code" else values
        flat = pa.array(np.ascontiguousarray(values.astype(kind)).reshape(-1))
        columns[f"{name}/{part}"] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    many = torch.cat([one.columns for one in said]).numpy() if said else np.zeros(0, np.int32)
    return columns | {f"{name}/columns": pa.array(many)}


# ------------------------------------------------------------------------------------------------------ reading them


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard's file is."""
    return folder / SHARDS / f"{number:05d}.parquet"


def about(path: Path) -> dict[str, Any] | None:
    """What a shard's file says about itself; None where it is not there, or damaged."""
    if not is_file(path):
        return None
    try:
        return json.loads(parquet().read_schema(path).metadata[ABOUT])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def finished(folder: Path, question: Question) -> list[int]:
    """The shards that are there and answer this question."""
    found = ((number, about(shard_path(folder, number))) for number in range(question.shards))
    return [number for number, one in found if one is not None and one.get("question") == question.digest]


class Stored:
    """A shard's file, read column by column."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = shard_path(folder, number)
        said = about(self.path)
        if said is None:
            raise Mistake(f"{self.path} is gone or damaged; the same command makes it again")
        self.broken: list[tuple[int, str, str]] = [tuple(one) for one in said["broken"]]
        self._file = parquet().ParquetFile(self.path)

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    def table(self, columns: Sequence[str]) -> Any:
        """These columns, whole."""
        return self._file.read(columns=list(columns))

    def values(self, column: str) -> np.ndarray:
        """A column of numbers."""
        return self.table([column])[column].to_numpy()

    def units(self, layer: str, part: str) -> np.ndarray:
        """What was kept of a layer, (pictures, units)."""
        column = self.table([f"{layer}/{part}"])[f"{layer}/{part}"].combine_chunks()
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
