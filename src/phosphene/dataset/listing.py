"""What a data set is: pictures by number, each with an id and perhaps a label, and where each one is.

A listing holds no pixels but those that were given in Python. It can be sent to another process, and any part of it can
be read there.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from phosphene.core.errors import Mistake, brief
from phosphene.core.index.originals import array_picture, member
from phosphene.core.pictures.files import Photo

Kind = Literal["files", "tar", "arrays", "python"]


@dataclass(frozen=True)
class Encoded:
    """The bytes of a picture's file, and what it is called."""

    data: bytes
    name: str


@dataclass(frozen=True)
class Within:
    """A member of an archive, by its place in it."""

    file: str
    offset: int
    size: int
    name: str

    def read(self) -> Encoded:
        """Its bytes.

        Raises:
            Mistake: it can't be read.
        """
        return Encoded(member(Path(self.file), self.offset, self.size), self.name)


Item = Photo | Encoded | Within
"""A picture that is still to be decoded."""


@dataclass(frozen=True, eq=False)
class Listing:
    """A data set.

    Attributes:
        kind: files, members of tar archives, arrays of a .npz file, or given in Python.
        path: the folder or the file that it is; files are named from there. Empty if given in Python.
        ids: what each picture is called.
        labels: the number of each one's class; -1 for none.
        classes: the names of classes, by number; "" for one without.
        files: of each picture, relative to `path`; empty where there are none.
        offsets, lengths: of members of archives, in bytes.
        numbers: of each picture in the whole of the data set, of which these may be a part.
        given: pixels, or what holds them.
    """

    kind: Kind
    path: str
    ids: Sequence[str]
    labels: Int64[np.ndarray, " n"]
    classes: Mapping[int, str]
    files: Sequence[str] = ()
    offsets: Sequence[int] = ()
    lengths: Sequence[int] = ()
    numbers: Sequence[int] = ()
    given: Any = None

    def __post_init__(self) -> None:
        if not len(self.ids):
            raise Mistake(f"there is no picture in {self.path or 'what was given'}; an index needs one at least")
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for name, many in Counter(self.ids).items() if many > 1)
            raise Mistake(f"two pictures are called {brief(twice)}; every picture needs an id of its own")

    def __len__(self) -> int:
        return len(self.ids)

    def number(self, i: int) -> int:
        """Of the i-th picture, in the whole of the data set."""
        return self.numbers[i] if len(self.numbers) else i

    def item(self, i: int) -> Item:
        """The i-th picture, not decoded."""
        if self.kind == "files":
            return str(Path(self.path) / self.files[i])
        if self.kind == "tar":
            file = str(Path(self.path) / self.files[i])
            return Within(file, self.offsets[i], self.lengths[i], self.ids[i])
        if self.kind == "arrays":
            return array_picture(Path(self.path), self.number(i))
        return self.given[self.number(i)]

    def where(self, i: int) -> dict[str, Any]:
        """Where the i-th picture is, as an index keeps it."""
        return {
            "number": self.number(i), "id": self.ids[i], "label": int(self.labels[i]),
            "file": self.files[i] if self.files else "",
            "offset": self.offsets[i] if self.offsets else -1, "size": self.lengths[i] if self.lengths else -1,
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """A hash of ids and labels, in order."""
        found = hashlib.sha256()
        for name, label in zip(self.ids, self.labels.tolist(), strict=True):
            found.update(f"{name}\0{label}\n".encode(errors="surrogateescape"))
        return found.hexdigest()

    def record(self) -> dict[str, Any]:
        """As an index says where its pictures are from."""
        return {"kind": self.kind, "path": self.path, "pictures": len(self), "sha256 of ids": self.digest}

    def evenly(self, many: int | None) -> "Listing":
        """So many, evenly spaced, so that classes keep their shares; all, where there are no more."""
        if many is None or many >= len(self):
            return self
        rows = [i * len(self) // many for i in range(many)]

        def part(of: Sequence[Any]) -> list[Any]:
            return [of[i] for i in rows] if len(of) else []

        labels = self.labels[rows]
        return replace(
            self, ids=part(self.ids), labels=labels, files=part(self.files), offsets=part(self.offsets),
            lengths=part(self.lengths), numbers=[self.number(i) for i in rows],
            classes={c: name for c, name in self.classes.items() if c in set(labels.tolist())},
        )  # fmt: skip
