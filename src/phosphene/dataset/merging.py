"""From shards to an index: a fold over them in order, in memory that does not grow with the number of images.

Whoever computed the shards, these are the same bytes. The merge begins anew where it was stopped; until `index.json` is
there, the index is unfinished.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.index.layout import (
    BANDS,
    BROKEN,
    CODES,
    CORRELATIONS,
    DUPLICATE,
    EXEMPLARS,
    FACTS,
    FORMAT,
    IMAGES,
    PEAKS,
    SHARDS,
    UNITS,
    layer_file,
    parquet,
)
from phosphene.core.networks.network import Network
from phosphene.core.paths import reason, shortened, told_apart
from phosphene.core.saving import save
from phosphene.dataset.answers import A_TOKEN, NO_PLACE
from phosphene.dataset.question import Question
from phosphene.dataset.seeing import Sight, sights
from phosphene.dataset.shards import Stored
from phosphene.dataset.statistics import (
    ClassMeans,
    bands,
    correlations,
    distribution,
    goes_below,
    nearest_units,
)

BLOCK = 64_000_000
"""Bytes of peaks that are in memory at a time."""

PLACE = ("number", "id", "label", "file", "offset", "size", "height", "width", "thumbnail")
"""Of each image, in its table."""

KNOWN = ("embedded", "torchvision", "timm", "hog", "sift")
"""Networks that load by their name alone, without running a file's code."""


def merge(question: Question, folder: Path, network: Network, step: Callable[[], None] = lambda: None) -> None:
    """Make the index of all of its shards.

    Args:
        step: is called once for the images, and once for each layer.
    Raises:
        Mistake: a shard is gone, no picture could be read, or a file can't be written.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that sums are added in one order
    try:
        shards = [Stored(folder, number) for number in range(question.shards)]
        many, broken = sum(map(len, shards)), [one for shard in shards for one in shard.broken]
        if not many:
            shutil.rmtree(folder / SHARDS)  # nothing could go on from these
            raise Mistake(f"not one of {len(broken)} pictures could be read; the first: {broken[0][2]}")
        _write_images(folder, shards, broken)
        step()
        shards = [shard for shard in shards if len(shard)]
        stems = told_apart(shortened(_file_name(name), 120) for name in question.layers)
        layers: dict[str, Any] = {}
        seen = sights(network, question.layers)
        for name, stem in zip(question.layers, stems, strict=True):
            layers[name] = _Layer(question, folder, seen[name], name, stem, shards, many).write(
                network.layer(name).shape
            )
            step()
        facts = _facts(question, network, layers, many, len(broken))
        save({folder / FACTS: json.dumps(facts, indent=1).encode()})
    except OSError as error:
        raise Mistake(f"{error.filename or folder} can't be written: {reason(error)}") from error
    finally:
        torch.set_num_threads(threads)


def _file_name(layer: str) -> str:
    return "".join(c if c.isalnum() or c in "._-#" else "_" for c in layer)


def _facts(question: Question, network: Network, layers: Mapping[str, Any], many: int, broken: int) -> dict[str, Any]:
    asked = question.record()
    spec, code = asked["network"]["spec"], "code_sha256" in asked["network"]
    loads = not code and spec.partition(":")[0] in KNOWN
    return {
        "format": FORMAT, "network": {"name": spec, "loads": loads, **asked["network"]}, "plan": asked["plan"],
        "fit": asked["fit"], "layers": layers,
        "counts": {"given": len(question.listing), "images": many, "broken": broken},
        "classes": {str(number): name for number, name in question.listing.classes.items()},
        "source": asked["source"], "k": question.count, "question": question.digest,
        **{key: asked[key] for key in ("threshold", "batch", "shard", "thumbnails", "draft", "threads", "versions")},
    }  # fmt: skip


def _write_images(folder: Path, shards: Sequence[Stored], broken: Sequence[tuple[int, str, str]]) -> None:
    """A table of all images, a group of rows a shard; and one of those that could not be read."""
    pa = needed("pyarrow", "an index", "pyarrow", "data")
    writer = None
    for shard in shards:
        if len(shard):
            table = shard.table(PLACE).replace_schema_metadata(None)
            if writer is None:
                writer = parquet().ParquetWriter(
                    folder / IMAGES, table.schema, compression="zstd", use_dictionary=False, write_statistics=False
                )  # fmt: skip
            writer.write_table(table, row_group_size=len(table))
    if writer is not None:
        writer.close()
    numbers, names, why = zip(*broken, strict=True) if broken else ((), (), ())
    kinds = {"number": (numbers, pa.int64()), "id": (names, pa.string()), "why": (why, pa.string())}
    _write_table(folder / BROKEN, {name: pa.array(list(values), kind) for name, (values, kind) in kinds.items()})


def _write_table(path: Path, columns: Mapping[str, Any]) -> None:
    table = needed("pyarrow", "an index", "pyarrow", "data").table(columns)
    parquet().write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)


@dataclass(frozen=True)
class _Layer:
    """One layer in the merge."""

    question: Question
    folder: Path
    sight: Sight
    name: str
    stem: str
    shards: Sequence[Stored]
    many: int

    def write(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """All of its files; what the facts say of it."""
        units = self.shards[0].units(self.name, "peak").shape[1]
        peaks, lows = self._path(PEAKS), self.folder / f".{self.stem}.lows.npy"
        classes = ClassMeans()
        self._transpose("peak", peaks, units)
        self._transpose("low", lows, units)
        self._write_codes(units, classes)
        chosen: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for first, block, under in zip(*self._blocks(peaks, lows, units), strict=True):
            for unit in range(len(block)):
                self._unit(first + unit, block[unit], under[unit], rows, chosen)
        lows.unlink()
        mean = np.array([row["mean"] for row in rows])
        found = correlations((shard.units(self.name, "peak") for shard in self.shards), mean)
        _write_array(self._path(CORRELATIONS), found)
        self._write_units(rows, found, classes)
        self._write_exemplars(chosen)
        return {
            "file": self.stem, "units": units, "shape": list(shape),
            "field": str(self.sight), "dead": int(sum(row["dead"] for row in rows)),
            "duplicates": int((nearest_units(found)[1] > DUPLICATE).sum()),
        }  # fmt: skip

    def _path(self, what: str) -> Path:
        return self.folder / layer_file(self.stem, what)

    def _transpose(self, part: str, path: Path, units: int) -> None:
        """What was kept an image a row, a unit a row: written piece by piece, so that a full disk is an error here."""
        with open(path, "wb") as file:
            _header(file, (units, self.many), np.float32)
            begin, first = file.tell(), 0
            for shard in self.shards:
                values = np.ascontiguousarray(shard.units(self.name, part).T.astype("<f4"))
                for unit, row in enumerate(values):
                    file.seek(begin + 4 * (unit * self.many + first))
                    file.write(row.tobytes())
                first += values.shape[1]

    def _write_codes(self, units: int, classes: ClassMeans) -> None:
        with open(self._path(CODES), "wb") as file:
            _header(file, (self.many, units), np.float16)
            for shard in self.shards:
                codes = shard.units(self.name, "code")
                classes.add(codes, shard.values("label").astype(np.int64))
                file.write(np.ascontiguousarray(codes.astype("<f2")).tobytes())

    def _blocks(self, peaks: Path, lows: Path, units: int) -> tuple[Iterator[Any], Iterator[Any], Iterator[Any]]:
        """First units of blocks, and the peaks and lows of their units, in memory."""
        size = max(1, BLOCK // (4 * self.many))
        firsts = range(0, units, size)

        def rows(path: Path) -> Iterator[Float32[np.ndarray, "units images"]]:
            for first in firsts:
                yield np.array(np.load(path, mmap_mode="r")[first : first + size])

        return iter(firsts), rows(peaks), rows(lows)

    def _unit(
        self,
        unit: int,
        peaks: Float32[np.ndarray, " n"],
        lows: Float32[np.ndarray, " n"],
        rows: list[dict[str, Any]],
        chosen: list[dict[str, Any]],
    ) -> None:
        """A row of statistics, and those of its bands."""
        seen = distribution(peaks, self.question.threshold)
        rows.append({**vars(seen), "lowest": float(lows.min())})
        for band, images in bands(peaks, lows, self.question.threshold, self.question.count).items():
            low = band == "weakest" and goes_below(lows)
            for rank, image in enumerate(images.tolist()):
                value = float((lows if low else peaks)[image])
                chosen.append(
                    {"unit": unit, "band": BANDS.index(band), "rank": rank, "image": image, "value": value, "low": low}
                )

    # ------------------------------------------------------------------------------------------------------- writing

    def _write_units(self, rows: Sequence[Mapping[str, Any]], found: np.ndarray, classes: ClassMeans) -> None:
        pa = needed("pyarrow", "an index", "pyarrow", "data")
        selective, best = classes.selectivity(len(rows))
        nearest, correlation = nearest_units(found)
        columns: dict[str, Any] = {
            name: np.array([row[name] for row in rows], np.float32) for name in ("mean", "deviation", "lowest", "share")
        }
        columns |= {
            "dead": np.array([row["dead"] for row in rows]), "selectivity": selective.astype(np.float32),
            "best_class": best.astype(np.int64), "nearest": nearest.astype(np.int64),
            "correlation": correlation.astype(np.float32),
        }  # fmt: skip
        for name, kind in (("quantiles", np.float32), ("histogram", np.int64)):
            values = np.stack([row[name] for row in rows]).astype(kind)
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        _write_table(self._path(UNITS), columns)

    def _write_exemplars(self, chosen: Sequence[Mapping[str, Any]]) -> None:
        table = {
            name: np.array([one[name] for one in chosen], kind)
            for name, kind in (("unit", np.int32), ("band", np.int8), ("rank", np.int32), ("image", np.int64),
                               ("value", np.float32))
        }  # fmt: skip
        low = np.array([one["low"] for one in chosen], bool)
        places, sizes = self._places(table["image"], table["unit"], low)
        boxes = self.sight.boxes(table["unit"], places, sizes).astype(np.int32)
        columns = table | {"row": places[:, 0], "column": places[:, 1], "clipped": boxes[:, 4] > 0}
        columns |= {edge: boxes[:, i] for i, edge in enumerate(("top", "left", "bottom", "right"))}
        _write_table(self._path(EXEMPLARS), columns)

    def _places(
        self, images: Int64[np.ndarray, " m"], units: Any, low: Any
    ) -> tuple[Int[np.ndarray, "m 2"], Int[np.ndarray, "m 2"]]:
        """(row, column) of each unit in each image, -1 for what it has not; and (height, width) of what was fed."""
        places, sizes = np.full((len(images), 2), -1, np.int32), np.zeros((len(images), 2), np.int64)
        first = 0
        for shard in self.shards:
            own = np.flatnonzero((images >= first) & (images < first + len(shard)))
            if len(own):
                at = images[own] - first
                flat = np.where(
                    low[own], shard.units(self.name, "low_place")[at, units[own]],
                    shard.units(self.name, "place")[at, units[own]],
                )  # fmt: skip
                columns = shard.values(f"{self.name}/columns")[at]
                wide = np.maximum(columns, 1)
                places[own, 0] = np.where(columns > 0, flat // wide, np.where(columns == A_TOKEN, flat, NO_PLACE))
                places[own, 1] = np.where(columns > 0, flat % wide, -1)
                sizes[own] = np.stack([shard.values("fed_height")[at], shard.values("fed_width")[at]], 1)
            first += len(shard)
        return places, sizes


def _header(file: Any, shape: tuple[int, int], kind: Any) -> None:
    """Of a .npy file of rows one behind the other."""
    descr = np.lib.format.dtype_to_descr(np.dtype(kind).newbyteorder("<"))
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _write_array(path: Path, values: np.ndarray) -> None:
    with open(path, "wb") as file:
        np.save(file, values, allow_pickle=False)
