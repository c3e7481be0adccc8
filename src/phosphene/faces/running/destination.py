"""Where results go: checked before the work starts, never over what is there, elsewhere when the disk is full."""

import glob
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.core.errors import Mistake, nearest
from phosphene.core.paths import (
    A_FOLDER,
    broken,
    check_length,
    given_path,
    is_folder,
    reason,
    shortened,
    told_apart,
)
from phosphene.core.pictures.film import SIDES, Film
from phosphene.core.pictures.samples import bare_name
from phosphene.core.results.results import Result
from phosphene.core.saving import save
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.watching import Watched

FILES = ".png .jpg .jpeg .jpe .webp .gif .bmp .tif .tiff .avif .heic .svg .pdf .eps .mp4 .npy .json .html .txt".split()
"""Endings of files, which are no folder's."""

FRAMES = ".frames"
"""Ending of the folder that keeps a film's frames."""

ENDING = 40
"""Bytes of the longest ending: `.figure.png`, `.input.png`, `.METHOD.npy`."""


def photo_stem(photo: str | None) -> str:
    """The photograph's name without folder and ending."""
    return "" if photo is None else bare_name(photo)


@dataclass
class Written:
    """What was written.

    Attributes:
        path: to tell.
        records: of each picture, by the record's file.
        note: where it went elsewhere, why.
        others: files that came later.
    """

    path: Path
    records: dict[Path, dict[str, Any]]
    note: str = ""
    others: list[str] = field(default_factory=list)

    @property
    def record(self) -> Any:
        """That of the picture; of several, a list."""
        every = list(self.records.values())
        return every[0] if len(every) == 1 else every

    def add(self, result: Result, *others: Path) -> None:
        """Put into the records what came after the pictures: numbers, and the names of other files.

        Raises:
            Mistake: they can't be written; the old ones are there.
        """
        self.others += [path.name for path in others]
        for record, numbers in zip(self.records.values(), result.numbers, strict=True):
            record["outputs"] += [path.name for path in others]
            record["numbers"] = numbers
        save({file: json_bytes(record) for file, record in self.records.items()})


class Destination:
    """The files of one command: NAME.png, NAME.figure.png, NAME.json, NAME.input.png, NAME.npy, NAME.html.

    Further numbers are in NAME.WHAT.npy. Several pictures go into a folder, called after their method or layer, or, of
    several layers, after what the command is about; a page about all of them has the first one's name. A film has a
    name of its own.

    Args:
        photos: of a command that is done photograph by photograph, the names of this one and those that are still to
            come, without folder and ending.
        claims: what the command holds.
        about: what the command is about, for the name of a folder.
        watch: whether the picture is to be seen as it grows; of several there is a sheet, COMMAND.sheet.png.
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
        photos: Sequence[str] = (),
        claims: Claims | None = None,
        about: str = "",
        watch: bool = False,
    ) -> None:
        goes_on = film is not None and is_folder(given_path(film, "film").with_suffix(FRAMES))
        self.film = None if film is None else Film(film, overwrite=force or goes_on)
        self.command, self.force, self.method, self.about = command, force, method, about
        self.watch = watch
        self._watched: Watched | None = None
        self.photos = list(photos) or [photo_stem(photo)]
        self.claims = claims or Claims()
        self.out = None if out is None else given_path(out, "picture")
        self._is_folder = self.out is not None and (out or "").endswith(("/", os.sep))

    def _is_picture(self) -> bool:
        """Whether a picture's name was given, and not a folder's, which may have a dot in it, too."""
        if self.out is None or self._is_folder or is_folder(self.out):
            return False
        ending = self.out.suffix.lower()
        return ending in FILES or bool(nearest(ending, [".png"]))

    @property
    def _png(self) -> str:
        """The ending of the picture, as it was given."""
        return self.out.suffix if self.out is not None and self._is_picture() else ".png"

    def check_folder(self) -> None:
        """Raise a Mistake if the folder can't be written to."""
        where = self.out or Path()
        is_picture = self._is_picture()
        if is_picture:
            self._check_one(len(self.photos))
        if is_picture and where.suffix.lower() in SIDES:
            raise Mistake(f"{where.name} is a film's name; give it as --film, and a .png or a folder as --out")
        if is_picture and where.suffix.lower() != ".png":
            raise Mistake(f"{where.name} can't keep every pixel; give a name that ends in .png, or a folder")
        if is_picture:
            check_length(where, room=ENDING)
        folder = where.parent if is_picture or self.out is None else where
        try:
            if folder.is_symlink() and (why := broken(folder)) not in (None, A_FOLDER):
                raise Mistake(f"{folder} can't be written to: {why}")
            if is_picture or self.out is None:
                self.claims.folder(folder)
            while not folder.exists():
                folder = folder.parent
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Mistake(f"{folder} can't be written to ({reason(error)}); give --out") from error

    def _check_one(self, many: int) -> None:
        if many > 1 and self._is_picture():
            raise Mistake(f"{self.out} is one picture, but {many} are made; give a folder")

    def _stems(self, names: Sequence[str], photo: str | None = None) -> list[Path]:
        """The path of each picture without its ending."""
        self._check_one(len(names))
        if len(names) > 1:
            layers = {re.sub(r"-[\w@,]+$", "", name) for name in names}
            of = self.method or (layers.pop() if len(layers) == 1 else self.about or "units")
            folder = self.out or Path(shortened(re.sub(r"[^\w.@,#+-]", "_", f"{self.command}-{of}")))
            return [folder / name for name in told_apart(map(shortened, names))]
        if self.out is not None and self._is_picture():
            return [self.out.with_suffix("")]
        photo = self.photos[0] if photo is None else photo
        parts = [self.command, photo, *(n for n in names if n != self.command)]
        name = re.sub(r"[^\w.@,#-]", "_", "-".join(filter(None, parts)))
        return [(self.out or Path()) / shortened(name)]

    def folder(self, names: Sequence[str]) -> Path:
        """Where several pictures go."""
        return self._stems(names)[0].parent

    def begin(self, names: Sequence[str] = ()) -> None:
        """Hold the names of all files that will be written, so that no other process takes them in the meantime.

        Args:
            names: of the pictures; without any, only a picture's name that was given is held.
        Raises:
            Mistake: a file is there already, or another process holds its name; or there is no place for it.
        """
        if not names and not self._is_picture():
            return
        names = list(names) or [self.command]
        self.check_files(names)
        if self.film is not None and os.path.lexists(self.film.path) and not self.force:
            raise Mistake(f"{self.film.path} is there already; give --force to overwrite it, or another --film")
        self.hold([stem.with_name(stem.name + self._png) for stem in self._every_stem(names)])

    def hold(self, files: Sequence[Path]) -> None:
        """Hold names against other processes, that of the film too; with --force, the last one wins."""
        if not self.force:
            self.claims.hold([*files, *([] if self.film is None else [self.film.path])])

    def _every_stem(self, names: Sequence[str]) -> list[Path]:
        """Those of this photograph and of the ones that are still to come."""
        return [stem for photo in self.photos for stem in self._stems(names, photo)]

    def film_file(self, name: str) -> Path:
        """Where a film goes whose frames are pictures: as --film says, or called as a picture would be.

        Raises:
            Mistake: a picture's name was given, or both a film's and a place.
        """
        if self.film is not None and self.out is not None:
            raise Mistake(f"a film's frames are kept beside it; give --film {self.film.path} or --out, not both")
        if self.film is not None:
            return self.film.path
        if self._is_picture():
            raise Mistake(f"{self.out} is a picture's name, and this makes a film; give --film NAME.mp4, or a folder")
        (stem,) = self._stems([name])
        return stem.with_name(f"{stem.name}{'.mp4' if find_spec('av') else '.gif'}")

    def unfinished(self, names: Sequence[str]) -> Path:
        """The file of work that is on its way, which goes when the pictures are written."""
        stem = self._stems(names)[0]
        return stem.with_name(f"{stem.name}.unfinished.safetensors")

    def check_files(self, names: Sequence[str]) -> None:
        """Raise a Mistake if a file that would be written is there already, or a folder that has its name."""
        check_new(self._every_file(names), force=self.force)

    def _every_file(self, names: Sequence[str]) -> Iterator[Path]:
        for stem in self._every_stem(names):
            yield from self._files(stem)
            yield from sorted(stem.parent.glob(f"{glob.escape(stem.name)}.*.npy"))
        stems = self._stems(names)
        yield self._one_figure(stems)
        if self.watch and len(stems) > 1:
            yield self._sheet(stems)

    def _files(self, stem: Path) -> list[Path]:
        ends = (self._png, ".figure.png", ".json", ".input.png", ".npy", ".html")
        return [stem.with_name(stem.name + end) for end in ends]

    def _one_figure(self, stems: list[Path]) -> Path:
        """Where the figure goes, if it is one of all pictures."""
        return stems[0].with_name((stems[0].name if len(stems) == 1 else self.command) + ".figure.png")

    def _sheet(self, stems: list[Path]) -> Path:
        """Where several pictures are seen as one."""
        return stems[0].with_name(f"{self.command}.sheet.png")

    def watched(self, names: Sequence[str], *, anonymous: bool = False) -> Watched | None:
        """The file that the pictures of these names grow in, if they are to be watched."""
        if self.watch:
            stems = self._stems(names)
            path = self._sheet(stems) if len(stems) > 1 else self._files(stems[0])[0]
            self._watched = Watched(path, force=self.force, anonymous=anonymous)
        return self._watched

    def write(self, result: Result) -> Written:
        """Write everything, or nothing; where the place is full or gone, into a folder for temporary files.

        Raises:
            Mistake: there is no place anywhere.
        """
        stems = self._stems(list(result.names))
        files, records = self._contents(result, stems)
        grown = self._watched
        folder, note = put(files, force=self.force, own=grown.path if grown is not None and grown.ours else None)
        if note and grown is not None:
            grown.withdraw()
        path = folder / f"{stems[0].name}{self._png}" if len(stems) == 1 else folder
        return Written(path, {folder / file.name: record for file, record in records.items()}, note)

    def write_film(self, result: Result, written: Written) -> None:
        """Write the film, and put its name into the records.

        Raises:
            Mistake: it can't be written, or another is there by now.
        """
        if self.film is not None:
            if not self.force and os.path.lexists(self.film.path):
                raise Mistake(f"{self.film.path} is there by now, so it is not overwritten")
            written.add(result, self.film.write())

    def keep(self, png: bytes, name: str) -> tuple[Path, str]:
        """Write one picture that is a PNG already; where it went, and why it went elsewhere."""
        path = self._files(self._stems([name])[0])[0]
        folder, note = put({path: png}, force=self.force)
        return folder / path.name, note

    def _contents(self, result: Result, stems: list[Path]) -> tuple[dict[Path, bytes], dict[Path, dict[str, Any]]]:
        """What is to be written, by files, and the records among them."""
        files: dict[Path, bytes] = {}
        records = {}
        for index, stem in enumerate(stems):
            picture, drawn, text, fed, values, page = self._files(stem)
            drawn = drawn if result.drawing is None else self._one_figure(stems)
            outputs = [picture, drawn, text]
            files[picture] = result.png("picture", index)
            if drawn not in files:  # one of all pictures
                files[drawn] = result.png("figure", index)
            if result.input is not None:
                files[fed] = result.png("input", index)
                outputs.append(fed)
            numbers = {values: result.values} if result.values is not None else {}
            numbers |= {stem.with_name(f"{stem.name}.{name}.npy"): n for name, n in result.further_values.items()}
            for file, every in numbers.items():
                files[file] = _npy(every[index])
                outputs.append(file)
            if result.page is not None and index == 0:
                files[page] = result.page.encode(errors="backslashreplace")  # names of files may be no UTF-8
                outputs.append(page)
            if self.watch and len(stems) > 1:
                files[self._sheet(stems)] = result.png("sheet")
                outputs.append(self._sheet(stems))
            record = {"outputs": [file.name for file in outputs], "numbers": result.numbers[index]}
            records[text] = result.recipe | record
            files[text] = json_bytes(records[text])
        return files, records


def json_bytes(record: Any) -> bytes:
    """A record, or whatever else is ready for JSON, as its file holds it."""
    return json.dumps(record, indent=1).encode()


def _npy(numbers: np.ndarray) -> bytes:
    buffer = BytesIO()
    np.save(buffer, numbers)
    return buffer.getvalue()


def put(files: Mapping[Path, bytes], *, force: bool = False, own: Path | None = None) -> tuple[Path, str]:
    """Write all files of one folder or none; where that can't be, into a folder for temporary files.

    Args:
        force: overwrite what is there; otherwise that is a reason, too: nothing was there when the work began.
        own: what this command wrote itself in the meantime, and may replace.
    Returns:
        The folder, and where it is another one, a sentence that says why.
    Raises:
        Mistake: they can't be written there either.
    """
    first = next(iter(files))
    folder = first.parent
    try:
        there = None if force else next((one for one in files if one != own and os.path.lexists(one)), None)
        if there is None:
            folder.mkdir(parents=True, exist_ok=True)
            save(files)
            return folder, ""
        why = f"{there.name} is there by now"
    except OSError as error:
        why = reason(error)
    except Mistake as mistake:
        if not isinstance(mistake.__cause__, OSError):
            raise
        why = reason(mistake.__cause__)
    for parent in (None, Path.home()):
        with suppress(OSError, Mistake):
            other = Path(tempfile.mkdtemp(prefix="phosphene-", dir=parent))
            try:
                save({other / file.name: data for file, data in files.items()})
            except BaseException:
                other.rmdir()
                raise
            return other, f"{folder.resolve()} could not be written to ({why}); it is in {other}"
    raise Mistake(f"{first} could not be written ({why}), and nowhere else either")
