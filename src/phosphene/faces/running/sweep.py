"""Whole layers: every unit's picture, part by part, into a folder and onto a contact sheet; a stopped sweep goes on.

Memory holds one part at a time, whatever the number of units. A part's pictures are written before the next one
begins, each with the recipe of its part, so that it can be replayed alone.

Parts are the same however often a sweep is stopped: a part is painted as a whole or not at all, because the pictures of
a part share its recipe. So a sweep that went on has the bytes of one that was never stopped. What is in the making when
it is stopped is written too, as far as it came, with the word `unfinished` in its recipe; it is painted again when the
sweep goes on. So is a picture that is damaged: one that is cut off, or whose pixels are not those of its seal.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.results.results import Result, Run
from phosphene.core.saving import save
from phosphene.faces.running.destination import json_bytes
from phosphene.faces.running.kept import Record, arguments_but, foreign, record_beside, record_within, same
from phosphene.faces.running.runner import ENDS

PART = 64
"""Pictures that are in the making at the same time."""

SHEET = "contact.png"
SHEET_SIDE = 1800
"""Pixels that a contact sheet is about as wide as."""


class Sweep:
    """The pictures of many units, in the making.

    Args:
        begin: from some units to a Run that paints them.
        units: the spelling of each, and the name of its file without ending.
        folder: where they go.
        force: paint what is there again.
        option: the recipe's option that is given the units.
        watch: show the part that is in the making, too.
    Attributes:
        network: its name.
        done: the units whose pictures are there.
        left: the units of parts that are not there as a whole.
        damaged: the pictures that are there and can't be used.
        unfinished: the units whose pictures were stopped on their way.
        stopped: why it ended early.
        run: the part that is in the making.
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
        watch: bool = False,
    ) -> None:
        self.watch = watch
        self.begin, self.units, self.folder, self.option = begin, units, folder, option
        self.damaged: list[Path] = []
        self.unfinished: set[str] = set()
        self.stopped: BaseException | None = None
        self.run: Run | None = None
        self._over = False
        first = begin([next(iter(units))])
        if len(first.names) > 1:
            raise Mistake(
                f"several pictures of each are made of at most {PART} units, not {len(units)}; name some of them"
            )
        self._wanted: Record = json.loads(json.dumps(first.recipe))
        self.network: str = self._wanted["network"]["spec"]
        self.done = set() if force else {unit for unit in units if self._is_done(unit)}
        if not force:
            self._check_sheet(bool(self.done or self.damaged or self.unfinished))
        every = list(units)
        parts = [every[first : first + PART] for first in range(0, len(every), PART)]
        self.left = [unit for part in parts if not self.done.issuperset(part) for unit in part]

    def _is_done(self, unit: str) -> bool:
        """Whether a unit's picture is there, whole and finished.

        Raises:
            Mistake: what is there was made in another way.
        """
        picture, text = (self.folder / f"{self.units[unit]}{end}" for end in (".png", ".json"))
        (drawn, whole), said = record_within(picture), record_beside(text)
        if drawn is None and said is None:
            return False
        own = [record is not None and same(record, self._wanted, [self.option]) for record in (drawn, said)]
        for path, record, ours in zip((picture, text), (drawn, said), own, strict=True):
            if not ours and (record or not any(own)) and record is not None:
                raise foreign(path)
        if any(record and "unfinished" in record for record in (drawn, said)):
            self.unfinished.add(unit)
        elif not (all(own) and whole):
            self.damaged.append(picture)
        else:
            return True
        return False

    def _check_sheet(self, goes_on: bool) -> None:
        """Raise a Mistake if another sheet is there; one that can't be read is this sweep's where the pictures are."""
        record, _ = record_within(self.folder / SHEET)
        if record is not None and not same(record, self._wanted, [self.option]) and not (goes_on and record == {}):
            raise foreign(self.folder / SHEET)

    @property
    def total(self) -> int:
        """How many steps there will be, over all parts."""
        return math.ceil(len(self.left) / PART) * self.begin([self.left[0]]).total if self.left else 0

    def __iter__(self) -> Iterator[int]:
        """Paint part by part; yields how many steps were taken."""
        taken = 0
        for first in range(0, len(self.left), PART):
            run = self.run = self.begin(self.left[first : first + PART])
            for step in run:
                yield taken + step.index
            taken += run.total
            self._over = True
            self.keep()

    def keep(self) -> None:
        """Write the part that is in the making, as far as it came; over no picture that is finished."""
        if self.run is None or self.run.last is None:
            return
        result, files, painted = self._so_far(self.run), dict[Path, bytes](), []
        units = {stem: unit for unit, stem in self.units.items()}
        for index, name in enumerate(result.names):
            if self._over or units[name] not in self.done:
                path = self.folder / f"{name}.png"
                record = result.recipe | {"outputs": [path.name], "numbers": result.numbers[index]}
                files |= {path: result.png("picture", index), path.with_suffix(".json"): json_bytes(record)}
                painted.append(units[name])
        self.folder.mkdir(parents=True, exist_ok=True)
        save(files)
        self.unfinished |= set(painted)
        if self._over:
            self.done |= set(painted)
            self.unfinished -= set(painted)
        self.run, self._over = None, False
        self.write_sheet()

    def _so_far(self, run: Run) -> Result:
        """The part; where what is said about it can't be had, as that needs the network, its pictures alone."""
        try:
            return run.so_far()
        except ENDS:
            if self._over:
                self._over = False
                raise
            return run.picture_alone()

    def there(self) -> list[str]:
        """The units that there is a picture of, in order, unfinished ones too."""
        return [unit for unit in self.units if unit in self.done | self.unfinished]

    def write_sheet(self) -> Path:
        """All pictures so far on one sheet, each with its number."""
        there = self.there()
        columns = max(4, math.ceil(math.sqrt(len(there) * 1.5)))
        side = max(48, min(160, SHEET_SIDE // columns - 24))
        panels = [(self._caption(unit), self._small(self.units[unit], side)) for unit in there]
        layer = there[0].partition(":")[0]
        every = f"{layer}: all units"
        title = f"{len(self.done)} of {len(self.units)} units" if len(self.done) < len(self.units) else every
        made = {**self._wanted, "arguments": arguments_but(self._wanted, [self.option])}
        text = json.dumps({**made, "parts": [f"{self.units[unit]}.png" for unit in there]})
        save({self.folder / SHEET: png_bytes(figure(panels, title, columns=columns, side=side), {"phosphene": text})})
        return self.folder / SHEET

    def _caption(self, unit: str) -> str:
        return (unit.partition(":")[2] or unit) + (" unfinished" if unit in self.unfinished else "")

    def _small(self, stem: str, side: int) -> torch.Tensor:
        with Image.open(self.folder / f"{stem}.png") as image:
            return open_photo(image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
