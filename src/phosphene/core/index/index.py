"""What units answer to in a data set, as `phosphene index` wrote it down once: read, and nothing computed.

    index = Index.open("photos.index")
    for found in index.exemplars("mixed4a", 12):
        index.ids[found.image], found.value, found.position, found.box

Opening reads one small file. Everything else is read when it is first asked for: tables as a whole, arrays as memory
maps, pictures one at a time.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, Int, Int64
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake, brief, check_choice, did_you_mean
from phosphene.core.index.layout import (
    BANDS,
    BROKEN,
    CODES,
    CORRELATIONS,
    EXEMPLARS,
    IMAGES,
    PEAKS,
    UNITS,
    is_index,
    layer_file,
    parquet,
    read_facts,
)
from phosphene.core.index.originals import original
from phosphene.core.index.tables import Reading, column, found
from phosphene.core.index.values import Found, NotRead, Statistics
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path
from phosphene.core.pictures.eight_bit import fraction
from phosphene.core.pictures.files import Photo
from phosphene.core.units.exemplars import Band
from phosphene.core.units.network_input import Fit

__all__ = ["Found", "Index", "NotRead", "Statistics", "is_index"]


@runtime_checkable
class ByNumber(Protocol):
    """Photographs by their number; a list is one, and so is what reads a file only when it is asked for it."""

    def __getitem__(self, number: int, /) -> Photo: ...


@dataclass(frozen=True, eq=False)
class Index:
    """An index; `Index.open` opens one.

    Attributes:
        folder: where it is.
        facts: what `index.json` says: network, layers, counts, classes, source, what was asked.
        given: the pictures, by number, where it was made in Python just now.
    """

    folder: Path
    facts: Mapping[str, Any]
    given: ByNumber | None = None

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        network: Network | None = None,
        given: ByNumber | None = None,
    ) -> "Index":
        """Open an index; this reads one small file.

        Args:
            network: the index has to be of this one, told by the hash of its weights.
            given: the pictures that it was made of, by their number in the source, if they are in no file.
        Raises:
            Mistake: there is none, it is unfinished, damaged or of another version, or another network's.
        """
        path = given_path(folder, "index")
        facts = read_facts(path)
        if network is not None and network_sha256(network) != facts["network"]["sha256"]:
            own = facts["network"]["spec"]
            if own == network.name:
                raise Mistake(f"the index {path} is of {own} with other weights; give --weights as it was made with")
            raise Mistake(
                f"the index {path} is of {own}, not of {network.name}; give --net {own}, or index with {network.name}"
            )
        return cls(path, facts, given)

    # ------------------------------------------------------------------------------------------------ what is in it

    @property
    def count(self) -> int:
        """How many images were read."""
        return self.facts["counts"]["images"]

    @property
    def layers(self) -> list[str]:
        """The names of the layers."""
        return list(self.facts["layers"])

    @property
    def classes(self) -> dict[int, str]:
        """The names of the classes that there are, by number; "" for one without."""
        return {int(number): name for number, name in self.facts["classes"].items()}

    @property
    def fit(self) -> Fit:
        """How photographs became the network's input."""
        return self.facts["fit"]

    @property
    def network_name(self) -> str:
        """What the network is called."""
        return self.facts["network"]["name"]

    @property
    def network_spec(self) -> str | None:
        """The spec that loads the network; None where that would run a file's code, or where it was given in Python."""
        return self.facts["network"]["spec"] if self.facts["network"]["loads"] else None

    def units(self, layer: str) -> int:
        """How many units a layer has."""
        return self._layer(layer)["units"]

    @cached_property
    def ids(self) -> list[str]:
        """What each image is called: its path within the folder, its member's name, its number in the array."""
        return self._images(["id"])["id"].to_pylist()

    @cached_property
    def labels(self) -> Int64[np.ndarray, " n"]:
        """The class of each image; -1 for one without."""
        return self._images(["label"])["label"].to_numpy().astype(np.int64)

    @cached_property
    def sizes(self) -> Int[np.ndarray, "n 2"]:
        """(height, width) of each image, before it became the network's input."""
        table = self._images(["height", "width"])
        return np.stack([table["height"].to_numpy(), table["width"].to_numpy()], 1)

    @cached_property
    def broken(self) -> list[NotRead]:
        """The pictures that could not be read, and why."""
        with self._reading(BROKEN) as path:
            return [NotRead(row["id"], row["why"]) for row in parquet().read_table(path).to_pylist()]

    # ------------------------------------------------------------------------------------------------------ pictures

    def photo(self, image: int) -> Photo:
        """The original of an image: a path, or pixels out of an archive.

        Raises:
            Mistake: it is gone.
        """
        row = {name: column[0].as_py() for name, column in zip(_WHERE, self._row(image, _WHERE), strict=True)}
        return original(self.facts["source"], row) if self.given is None else self.given[row["number"]]

    def thumbnail(self, image: int) -> Float[Tensor, "3 h w"]:
        """What the network was fed of an image, small, in [0, 1]."""
        with Image.open(BytesIO(self.thumbnail_jpeg(image)), formats=["JPEG"]) as picture:
            pixels = np.array(picture.convert("RGB"))
        return fraction(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), 255)

    def thumbnail_jpeg(self, image: int) -> bytes:
        """The same as the bytes of a JPEG file."""
        (column,) = self._row(image, ("thumbnail",))
        return column[0].as_py()

    # --------------------------------------------------------------------------------------------------------- units

    def exemplars(self, layer: str, unit: int, band: Band = "strongest", count: int | None = None) -> list[Found]:
        """The images of one of a unit's bands, in order; of equals the smaller number first.

        Args:
            band: "strongest" (largest peak first), "weakest" (smallest activation first; of a unit that never goes
                below zero, smallest peak first), "median" (nearest to the median of peaks first), "threshold" (the
                smallest peaks above the threshold).
            count: so many, at most as many as the index has.
        Raises:
            Mistake: there is no such layer, unit or band, or more were asked for than are kept.
        """
        check_choice("band", band, BANDS)
        self._check_unit(layer, unit)
        if count is not None and count > self.facts["k"]:
            raise Mistake(f"{count} images of a band were asked for, and the index has {self.facts['k']}; index again "
                          f"with --count {count}")  # fmt: skip
        table = self._exemplars(layer)
        key = unit * len(BANDS) + BANDS.index(band)
        first, stop = np.searchsorted(table["key"], [key, key + 1])
        stop = stop if count is None else min(stop, first + count)
        return [found(table, i) for i in range(first, stop)]

    def statistics(self, layer: str) -> Statistics:
        """What the units of a layer say over all images.

        Raises:
            Mistake: there is no such layer.
        """
        return self._statistics(self._layer(layer)["file"])

    def codes(self, layer: str) -> Float16[np.ndarray, "images units"]:
        """Each image's code, the mean over positions, as a memory map.

        Raises:
            Mistake: there is no such layer.
        """
        return self._array(layer, CODES)

    def correlations(self, layer: str) -> Float32[np.ndarray, "units units"]:
        """Of the peaks of units, over images; 0 for a unit that is constant.

        Raises:
            Mistake: there is no such layer.
        """
        return self._array(layer, CORRELATIONS)

    def peaks(self, layer: str, units: Sequence[int] | None = None) -> Float32[np.ndarray, "images units"]:
        """The largest activation over positions, of every image; of all units a memory map.

        Args:
            units: of these alone.
        Raises:
            Mistake: there is no such layer or unit.
        """
        kept = self._array(layer, PEAKS)
        for unit in units or ():
            self._check_unit(layer, unit)
        return kept.T if units is None else kept[list(units)].T

    # ------------------------------------------------------------------------------------------------------- reading

    def _layer(self, layer: str) -> dict[str, Any]:
        layers = self.facts["layers"]
        if layer not in layers:
            raise Mistake(f"the index {self.folder} has no layer {brief(layer)}{did_you_mean(layer, layers)} "
                          f"(there is {', '.join(layers)})")  # fmt: skip
        return layers[layer]

    def _check_unit(self, layer: str, unit: int) -> None:
        many = self.units(layer)
        if not 0 <= unit < many:
            raise Mistake(f"{layer} has units 0 to {many - 1}, not {unit}")

    def _images(self, columns: Sequence[str]) -> Any:
        with self._reading(IMAGES) as path:
            return parquet().read_table(path, columns=list(columns))

    def _row(self, image: int, columns: tuple[str, ...]) -> list[Any]:
        """These columns of one image, each of one value."""
        if not 0 <= image < self.count:
            raise Mistake(f"the index {self.folder} has images 0 to {self.count - 1}, not {image}")
        group = int(np.searchsorted(self._groups, image, side="right")) - 1
        table = self._group(group, columns)
        return [table[name].slice(image - int(self._groups[group]), 1) for name in columns]

    @cached_property
    def _file(self) -> Any:
        with self._reading(IMAGES) as path:
            return parquet().ParquetFile(path)

    @cached_property
    def _groups(self) -> Int64[np.ndarray, " groups"]:
        """The first image of each group of rows."""
        metadata = self._file.metadata
        many = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        return np.cumsum([0, *many[:-1]])

    @cached_property
    def _group(self) -> Any:
        """Groups of rows that were read last."""

        @lru_cache(maxsize=8)
        def read(group: int, columns: tuple[str, ...]) -> Any:
            with self._reading(IMAGES):
                return self._file.read_row_group(group, columns=list(columns))

        return read

    @cached_property
    def _exemplars(self) -> Any:
        """The tables of exemplars that were asked for last, as arrays."""

        @lru_cache(maxsize=8)
        def read(layer: str) -> dict[str, np.ndarray]:
            with self._reading(layer_file(self._layer(layer)["file"], EXEMPLARS)) as path:
                table = parquet().read_table(path)
            columns = {name: table[name].to_numpy() for name in table.column_names}
            return columns | {"key": columns["unit"].astype(np.int64) * len(BANDS) + columns["band"]}

        return read

    @cached_property
    def _statistics(self) -> Any:
        @lru_cache(maxsize=8)
        def read(stem: str) -> Statistics:
            with self._reading(layer_file(stem, UNITS)) as path:
                table = parquet().read_table(path)
            return Statistics(**{name: column(table[name]) for name in Statistics.__dataclass_fields__})

        return read

    def _array(self, layer: str, what: str) -> Any:
        with self._reading(layer_file(self._layer(layer)["file"], what)) as path:
            return np.load(path, mmap_mode="r", allow_pickle=False)

    def _reading(self, name: str) -> "Reading":
        return Reading(self.folder / name)


_WHERE = ("id", "number", "file", "offset", "size", "height", "width")
