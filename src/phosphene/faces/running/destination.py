"""Where results go: checked before the work starts, never over what is there, elsewhere when the disk is full."""

import glob
import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.core.errors import Mistake
from phosphene.core.paths import A_FOLDER, broken, check_length, given_path, is_folder, reason, shortened
from phosphene.core.pictures.film import Film
from phosphene.core.pictures.writing import save_png
from phosphene.core.results.results import Result

ENDING = 40
"""Bytes of the longest ending: `.figure.png`, `.input.png`, `.METHOD.npy`."""


def photo_stem(photo: str | None) -> str:
    """The photograph's name without folder and ending."""
    return "" if photo is None else Path(photo.removeprefix("skimage:")).stem


@dataclass
class Written:
    """What was written: the path to tell, its record, and a note where it went elsewhere."""

    path: Path
    record: Any
    note: str = ""


class Destination:
    """The files of one command: NAME.png, NAME.figure.png, NAME.json, NAME.input.png, NAME.npy, NAME.html.

    Further numbers are in NAME.WHAT.npy. Several pictures go into a folder, called after their method or layer, or, of
    several layers, after what the command is about; a page about all of them has the first one's name. A film has a
    name of its own.

    Raises:
        Mistake: the film can't be written where it is to be.
    """

    def __init__(
        self,
        command: str,
        out: str | None,
        force: bool,
        photo: str | None = None,
        method: str | None = None,
        film: str | None = None,
        about: str = "",
    ) -> None:
        self.film = None if film is None else Film(film, overwrite=force)
        self.command, self.force, self.photo, self.method = command, force, photo_stem(photo), method
        self.about = about
        self.out = None if out is None else given_path(out, "picture")
        self._is_folder = self.out is not None and (out or "").endswith(("/", os.sep))

    def _is_picture(self) -> bool:
        """Whether a picture's name was given, and not a folder's."""
        return self.out is not None and self.out.suffix != "" and not self._is_folder and not is_folder(self.out)

    def check_folder(self) -> None:
        """Raise a Mistake if the folder can't be written to."""
        where = self.out or Path()
        is_picture = self._is_picture()
        if is_picture and where.suffix.lower() != ".png":
            raise Mistake(f"{where.name} can't keep every pixel; give a name that ends in .png, or a folder")
        if is_picture:
            check_length(where, room=ENDING)
        folder = where.parent if is_picture or self.out is None else where
        try:
            if folder.is_symlink() and (why := broken(folder)) not in (None, A_FOLDER):
                raise Mistake(f"{folder} can't be written to: {why}")
            if is_picture or self.out is None:
                folder.mkdir(parents=True, exist_ok=True)
            while not folder.exists():
                folder = folder.parent
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Mistake(f"{folder} can't be written to ({reason(error)}); give --out") from error

    def _stems(self, names: list[str]) -> list[Path]:
        """The path of each picture without its ending."""
        if len(names) > 1:
            if self._is_picture():
                raise Mistake(f"{self.out} is one picture, but {len(names)} are made; give a folder")
            layers = {re.sub(r"-[\w@,]+$", "", name) for name in names}
            of = self.method or (layers.pop() if len(layers) == 1 else self.about or "units")
            folder = self.out or Path(shortened(re.sub(r"[^\w.@,#+-]", "_", f"{self.command}-{of}")))
            return [folder / shortened(name) for name in names]
        if self.out is not None and self._is_picture():
            return [self.out.with_suffix("")]
        parts = [self.command, self.photo, *(n for n in names if n != self.command)]
        name = re.sub(r"[^\w.@,#-]", "_", "-".join(filter(None, parts)))
        return [(self.out or Path()) / shortened(name)]

    def folder(self, names: list[str]) -> Path:
        """Where several pictures go."""
        return self._stems(names)[0].parent

    def check_files(self, names: Any) -> None:
        """Raise a Mistake if a file that would be written is there already."""
        stems = self._stems(list(names))
        for files in [*map(self._files, stems), [self._one_figure(stems)]]:
            further = sorted(files[0].parent.glob(f"{glob.escape(files[0].stem)}.*.npy"))
            there = [p for p in (*files, *further) if p.exists()]
            if there and not self.force:
                raise Mistake(f"{there[0]} is there already; give --force to overwrite it, or another --out")

    @staticmethod
    def _files(stem: Path) -> list[Path]:
        ends = (".png", ".figure.png", ".json", ".input.png", ".npy", ".html")
        return [stem.with_name(stem.name + end) for end in ends]

    def _one_figure(self, stems: list[Path]) -> Path:
        """Where the figure goes, if it is one of all pictures."""
        return stems[0].with_name((stems[0].name if len(stems) == 1 else self.command) + ".figure.png")

    def write(self, result: Result, beside: Sequence[Path] = ()) -> Written:
        """Write everything; where the place is full or gone, into a folder for temporary files, and say so.

        Args:
            beside: what else came of it and is written already; the record lists it.
        """
        stems = self._stems(list(result.names))
        try:
            return self._write(result, stems, beside)
        except OSError as error:
            why = reason(error)
        except Mistake as mistake:
            if not isinstance(mistake.__cause__, OSError):
                raise
            why = reason(mistake.__cause__)
        for parent in (None, Path.home()):
            try:
                folder = Path(tempfile.mkdtemp(prefix="phosphene-", dir=parent))
                written = self._write(result, [folder / stem.name for stem in stems], beside)
            except (OSError, Mistake):
                continue
            written.note = f"{stems[0].parent.resolve()} could not be written to ({why}); it is in {folder}"
            return written
        raise Mistake(f"{stems[0]} could not be written ({why}), and nowhere else either")

    def write_film(self) -> str:
        """Write the film, if there is one; where that fails, what to say: the pictures are still to be written."""
        try:
            if self.film is not None:
                self.film.write()
        except Mistake as mistake:
            return str(mistake)
        return ""

    def keep(self, png: bytes, name: str) -> Path:
        """Write one picture that is a PNG already; where it went."""
        path = self._files(self._stems([name])[0])[0]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png)
        except OSError as error:
            raise Mistake(f"{path} could not be written: {reason(error)}") from error
        return path

    def _write(self, result: Result, stems: list[Path], beside: Sequence[Path]) -> Written:
        stems[0].parent.mkdir(parents=True, exist_ok=True)
        records = []
        for index, stem in enumerate(stems):
            picture, drawn, text, fed, values, page = self._files(stem)
            drawn = drawn if result.drawing is None else self._one_figure(stems)
            outputs = [picture, drawn, text]
            parts = {"picture": picture, "figure": drawn} | ({} if result.input is None else {"input": fed})
            if result.drawing is not None and index:  # it is written already
                del parts["figure"]
            for part, path in parts.items():
                save_png(result.shown(part, index), path, result.text(part, index))
            if result.input is not None:
                outputs.append(fed)
            if result.values is not None:
                np.save(values, result.values[index])
                outputs.append(values)
            for name, numbers in result.further_values.items():
                further = stem.with_name(f"{stem.name}.{name}.npy")
                np.save(further, numbers[index])
                outputs.append(further)
            if result.page is not None and index == 0:
                page.write_text(result.page, encoding="utf-8")
                outputs.append(page)
            record = result.recipe | {
                "outputs": [p.name for p in (*outputs, *beside)],
                "numbers": result.numbers[index],
            }
            text.write_text(json.dumps(record, indent=1), encoding="utf-8")
            records.append(record)
        path = stems[0].with_name(stems[0].name + ".png") if len(stems) == 1 else stems[0].parent
        return Written(path, records[0] if len(records) == 1 else records)
