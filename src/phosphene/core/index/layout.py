"""Where everything is in the folder of an index, and what it is called there.

INDEX/
  question.json           what was asked, written first
  shards/00000.parquet    one row a picture, a shard's own part of the pass
  index.json              what is in it, written last: a folder without it is unfinished
  images.parquet          one row a picture: id, label, size, where its file is, a thumbnail
  broken.parquet          what could not be read, and why
  LAYER.peaks.npy         float32 (units, images): the largest activation over positions
  LAYER.codes.npy         float16 (images, units): the mean over positions
  LAYER.exemplars.parquet each unit's bands: which images, where, how much
  LAYER.units.parquet     each unit's statistics
  LAYER.correlations.npy  float32 (units, units): of the largest activations, over images
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.paths import content, given_path, is_file, is_folder, reason
from phosphene.core.units.exemplars import Band

FORMAT = 1
"""Of an index; another one is refused."""

FACTS, QUESTION, SHARDS, IMAGES, BROKEN = "index.json", "question.json", "shards", "images.parquet", "broken.parquet"

PEAKS, CODES, CORRELATIONS = "peaks.npy", "codes.npy", "correlations.npy"
EXEMPLARS, UNITS = "exemplars.parquet", "units.parquet"

BANDS: tuple[Band, ...] = get_args(Band)

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Levels at which the distribution of a unit's peaks is kept."""

BINS = 32
"""Of a unit's histogram, between its smallest and its largest peak."""

DUPLICATE = 0.999
"""Units of one layer whose peaks are correlated more than that say the same."""


def parquet(what: str = "an index") -> Any:
    """`pyarrow.parquet`, or a Mistake that says how to install it."""
    return needed("pyarrow.parquet", what, "pyarrow", "data")


def layer_file(stem: str, what: str) -> str:
    """The file of one layer: `PEAKS`, `CODES`, `EXEMPLARS`, `UNITS` or `CORRELATIONS`."""
    return f"{stem}.{what}"


def is_index(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder with an index in it, finished or not."""
    return is_folder(path) and any(is_file(given_path(path) / name) for name in (FACTS, QUESTION))


def read_facts(folder: Path) -> dict[str, Any]:
    """What is in an index.

    Raises:
        Mistake: there is none, it is unfinished, damaged, or of another version.
    """
    again = "phosphene index makes one"
    if not is_folder(folder):
        raise Mistake(f"there is no index {folder}; {again}")
    if not is_file(folder / FACTS):
        if is_file(folder / QUESTION):
            raise Mistake(f"the index {folder} is unfinished; the command that began it goes on where it stopped")
        raise Mistake(f"{folder} is no index: there is no {FACTS} in it; {again}")
    facts = read_json(folder / FACTS)
    if (version := facts.get("format")) != FORMAT:
        raise Mistake(f"the index {folder} has format {version}, and this version reads format {FORMAT}; make it again")
    return facts


def read_json(path: Path) -> dict[str, Any]:
    """A file of facts.

    Raises:
        Mistake: it can't be read, or is not what was written.
    """
    try:
        facts = json.loads(content(path))
    except OSError as error:
        raise Mistake(f"{path} can't be read: {reason(error)}") from error
    except ValueError as error:
        raise Mistake(f"{path} is damaged; make the index again") from error
    if not isinstance(facts, Mapping):
        raise Mistake(f"{path} is damaged; make the index again")
    return dict(facts)
