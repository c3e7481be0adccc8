"""A map of the images of an index: where each is, in which cell of the grid, and how far that can be believed.

A finished map is written as one file of numbers (`map.json`), from which a new photograph is placed among the others
without moving them: they are compared with that file's question first.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.paths import content, is_file, reason
from phosphene.core.results.provenance import versions
from phosphene.core.units.embedding import in_unit_square
from phosphene.dataset.grids import MOST_SWEEPS, Shape, assignments, shape_for
from phosphene.dataset.layouts import Layout
from phosphene.dataset.map_quality import Quality, quality
from phosphene.dataset.neighbours import Codes

FORMAT = 1
"""Of `map.json`."""

NUMBERS = "map.json"
MOST_BYTES = 2_000_000_000
SHOWN_NEIGHBOURS = 6

Report = Callable[[str, int, int | None], None]
"""Is told what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A photograph that is not in the index, on its map.

    Attributes:
        name: what it is called.
        point: where it is, in the map's own units.
        near: the images with the nearest codes, by their place in the map, nearest first.
        distances: to them.
    """

    name: str
    point: tuple[float, float]
    near: tuple[int, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Map:
    """A map of images.

    Attributes:
        asked: what makes it this map and no other.
        facts: about it, for captions.
        images: their numbers in the index.
        ids: what they are called.
        labels: the class of each; -1 for none.
        classes: the names of the classes.
        points: where each is, in the method's own units.
        cells: the cell of each in the grid, row by row.
        shape: of the grid.
        quality: how far it can be believed.
        near: of each, the images with the nearest codes, by their place in the map.
        placed: photographs that are not in the index.
        side: of an image in the grid, in px.
        tile: of the grid's tiles, about.
    """

    asked: Mapping[str, Any]
    facts: Mapping[str, Any]
    images: Int64[np.ndarray, " n"]
    ids: Sequence[str]
    labels: Int64[np.ndarray, " n"]
    classes: Mapping[int, str]
    points: Float64[np.ndarray, "n 2"]
    cells: Int64[np.ndarray, " n"]
    shape: Shape
    quality: Quality
    near: Int64[np.ndarray, "n k"]
    placed: Sequence[Placed] = ()
    side: int = 64
    tile: int = 256

    @property
    def title(self) -> str:
        """What it shows."""
        return f"{len(self.ids)} images as {self.facts['layer']} of {self.facts['network']} sees them"

    @property
    def words(self) -> str:
        """How it was made, and how far it can be believed."""
        asked = f" of {self.quality.of} images" if self.quality.of < len(self.ids) else ""
        return f"{self.facts['method']}; {self.quality.words}{asked}."

    def record(self) -> dict[str, Any]:
        """What `map.json` holds."""
        return {
            "format": FORMAT, "asked": dict(self.asked), "facts": dict(self.facts), "title": self.title,
            "words": self.words, "quality": asdict(self.quality),
            "grid": {**asdict(self.shape), "side": self.side, "tile": self.tile},
            "images": self.images.tolist(), "ids": list(self.ids), "labels": self.labels.tolist(),
            "classes": {str(number): name for number, name in self.classes.items()}, "points": self.points.tolist(),
            "cells": self.cells.tolist(), "neighbours": self.near.tolist(), "placed": [asdict(p) for p in self.placed],
            "versions": versions(),
        }  # fmt: skip


def question(
    index: Index, layer: str, layout: Layout, images: Int64[np.ndarray, " n"], codes: np.ndarray
) -> dict[str, Any]:
    """What makes a map this one: the codes, and how they are laid out."""
    network = index.facts["network"]["sha256"]
    return {"network": network, "layer": layer, "images": len(images), "codes": hash_of(codes), **asdict(layout)}


def hash_of(codes: np.ndarray) -> str:
    """Of the codes' bytes."""
    return sha256(np.ascontiguousarray(codes).tobytes()).hexdigest()


def chosen(index: Index, limit: int | None, seed: int) -> Int64[np.ndarray, " n"]:
    """The images of a map: all, or so many of them, drawn by the seed."""
    if limit is None or limit >= index.count:
        return np.arange(index.count)
    return np.sort(np.random.default_rng(seed).permutation(index.count)[:limit])


def laid_out(index: Index, layer: str, layout: Layout, limit: int | None = None, report: Report | None = None) -> Map:
    """Make a map.

    Args:
        layer: one of the index's.
        limit: so many images, drawn by the layout's seed.
        report: is told how far it is.
    Raises:
        Mistake: there is no such layer, there are too few images, or a package is missing.
    """
    tell = report or (lambda doing, done, total: None)
    images = chosen(index, limit, layout.seed)
    codes = np.asarray(index.codes(layer)[images])
    tell("lay out", 0, layout.total)
    points = layout.points(codes, lambda moves: tell("lay out", moves, layout.total))
    shape = shape_for(len(images))
    tell("grid", 0, MOST_SWEEPS)
    cells = np.empty(0, np.int64)
    for number, better in enumerate(assignments(in_unit_square(points), shape)):
        cells = better
        tell("grid", number + 1, None)
    labels = index.labels[images]
    found, near = quality(codes, points, labels, layout.metric, lambda done: tell("neighbours", done, len(images)))
    ids = index.ids
    facts = {
        "network": index.network_name, "layer": layer, "index": index.folder.name, "images": len(images),
        "of": index.count, "method": layout.words,
    }  # fmt: skip
    return Map(
        question(index, layer, layout, images, codes), facts, images, [ids[i] for i in images], labels, index.classes,
        points, cells, shape, found, near[:, :SHOWN_NEIGHBOURS],
    )  # fmt: skip


def with_photos(
    known: Map, index: Index, layout: Layout, names: Sequence[str], new: Float[np.ndarray, "photos units"]
) -> Map:
    """The same map with photographs on it; nothing else moves.

    Args:
        names: of the photographs.
        new: their codes.
    """
    codes = np.asarray(index.codes(known.asked["layer"])[known.images])
    points = layout.placed(new, codes, known.points)
    near = Codes(codes, layout.metric).nearest(new, min(SHOWN_NEIGHBOURS, len(codes)))
    placed = [
        Placed(name, (float(x), float(y)), tuple(images), tuple(distances))
        for name, (x, y), images, distances in zip(
            names, points, near.images.tolist(), near.distances.tolist(), strict=True
        )
    ]
    return replace(known, placed=placed)


def read_map(folder: Path) -> Map:
    """A finished map.

    Raises:
        Mistake: there is none, or it is damaged, or another version's.
    """
    path = folder / NUMBERS
    try:
        record = json.loads(content(path, MOST_BYTES))
        if record["format"] != FORMAT:
            raise Mistake(f"the map {folder} is of another version; give --force to make it again, or another --out")
        grid = record["grid"]
        return Map(
            record["asked"], record["facts"], np.array(record["images"], np.int64), record["ids"],
            np.array(record["labels"], np.int64), {int(i): name for i, name in record["classes"].items()},
            np.array(record["points"], np.float64).reshape(-1, 2), np.array(record["cells"], np.int64),
            Shape(grid["rows"], grid["columns"]),
            Quality(**record["quality"]), np.array(record["neighbours"], np.int64), (), grid["side"], grid["tile"],
        )  # fmt: skip
    except OSError as error:
        raise Mistake(f"there is no map in {folder}: {NUMBERS} can't be read ({reason(error)})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, Mistake):
            raise
        raise Mistake(f"{path} is damaged; give --force to make the map again, or another --out") from error


def is_map(folder: Path) -> bool:
    """Whether this is a folder that a map was written to."""
    return is_file(folder / NUMBERS)


def check_same(known: Map, asked: Mapping[str, Any], folder: Path) -> None:
    """Raise a Mistake where a map that is there is not the one that was asked for."""
    other = [name for name, value in asked.items() if known.asked.get(name) != value]
    if other:
        words = " and ".join("data" if name == "codes" else name for name in other)
        raise Mistake(f"{folder} has a map of another {words}; give --force to make it anew, or another --out")
