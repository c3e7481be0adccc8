"""Whole layers: every unit's picture, part by part, into a folder and onto a contact sheet; a stopped sweep goes on.

Memory holds one part at a time, whatever the number of units. A part's pictures are written before the next one
begins, each with the recipe of its part, so that it can be replayed alone.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from phosphene.catalogue import upgraded
from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.core.results.results import Result, Run

PART = 64
"""Pictures that are in the making at the same time."""

SHEET = "contact.png"
SHEET_SIDE = 1800
"""Pixels that a contact sheet is about as wide as."""


def _same(record: Mapping[str, Any], wanted: Mapping[str, Any], option: str) -> bool:
    """Whether a picture was made by this recipe, in whatever part of the units."""

    def but_units(recipe: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in recipe["arguments"].items() if key != option}

    keys = ("recipe", "network", "plan", "inputs")
    return all(record.get(key) == wanted[key] for key in keys) and but_units(record) == but_units(wanted)


def _record(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return upgraded(data) if isinstance(data, dict) and isinstance(data.get("arguments"), dict) else {}
    except (OSError, ValueError):
        return {}


class Sweep:
    """The pictures of many units, in the making.

    Args:
        begin: from some units to a Run that paints them.
        units: the spelling of each, and the name of its file without ending.
        folder: where they go.
        force: paint what is there again.
        option: the recipe's option that is given the units.
    Attributes:
        left: the units that are not there yet.
    Raises:
        Mistake: a file in the folder was made in another way, or there are several pictures of each unit.
    """

    def __init__(
        self,
        begin: Callable[[Sequence[str]], Run],
        units: Mapping[str, str],
        folder: Path,
        *,
        force: bool = False,
        option: str = "units",
    ) -> None:
        self.begin, self.units, self.folder, self.option = begin, units, folder, option
        first = begin([next(iter(units))])
        if len(first.names) > 1:
            raise Mistake(
                f"several pictures of each are made of at most {PART} units, not {len(units)}; name some of them"
            )
        wanted = json.loads(json.dumps(first.recipe))
        self.left = [unit for unit in units if force or not self._done(units[unit], wanted)]

    def _done(self, stem: str, wanted: Mapping[str, Any]) -> bool:
        path = self.folder / f"{stem}.png"
        if not path.exists():
            return False
        if not _same(_record(path.with_suffix(".json")), wanted, self.option):
            raise Mistake(f"{path} is there already and was made in another way; give --force, or another --out")
        return True

    @property
    def total(self) -> int:
        """How many steps there will be, over all parts."""
        return math.ceil(len(self.left) / PART) * self.begin([self.left[0]]).total if self.left else 0

    def __iter__(self) -> Iterator[int]:
        """Paint part by part; yields how many steps were taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = 0
        for first in range(0, len(self.left), PART):
            run = self.begin(self.left[first : first + PART])
            for step in run:
                yield taken + step.index
            taken += run.total
            self._write(run.result)
            self.write_sheet()

    def _write(self, result: Result) -> None:
        for index, name in enumerate(result.names):
            path = self.folder / f"{name}.png"
            record = result.recipe | {"outputs": [path.name], "numbers": result.numbers[index]}
            path.with_suffix(".json").write_text(json.dumps(record, indent=1), encoding="utf-8")
            save_png(result.shown("picture", index), path, result.text("picture", index))

    def there(self) -> list[str]:
        """The units whose pictures are in the folder, in order."""
        return [unit for unit, stem in self.units.items() if (self.folder / f"{stem}.png").exists()]

    def write_sheet(self) -> Path:
        """All pictures so far on one sheet, each with its number."""
        there = self.there()
        columns = max(4, math.ceil(math.sqrt(len(there) * 1.5)))
        side = max(48, min(160, SHEET_SIDE // columns - 24))
        panels = [(unit.partition(":")[2] or unit, self._small(self.units[unit], side)) for unit in there]
        layer = there[0].partition(":")[0]
        title = f"{len(there)} of {len(self.units)} units" if len(there) < len(self.units) else f"{layer}: all units"
        save_png(figure(panels, title, columns=columns, side=side), self.folder / SHEET)
        return self.folder / SHEET

    def _small(self, stem: str, side: int) -> torch.Tensor:
        with Image.open(self.folder / f"{stem}.png") as image:
            return open_photo(image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
