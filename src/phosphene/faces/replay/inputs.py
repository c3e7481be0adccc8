"""The photographs of a record, found among the files that somebody names, by what is in them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index, is_index
from phosphene.core.index.photographs import Indexed
from phosphene.core.paths import reason
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.samples import is_known
from phosphene.core.results.provenance import file_sha256, photo_record, pixels_record
from phosphene.core.units.photographs import pictures_in


class Files:
    """Files that somebody names, found by what is in them; each is read once."""

    def __init__(self, inputs: Sequence[str | Path]) -> None:
        self.indexes = [Index.open(one) for one in inputs if is_index(one)]
        self.files = pictures_in(one for one in inputs if not is_index(one))
        self._named = {str(file) for file in inputs}

    @property
    def names(self) -> str:
        """What was named."""
        return " and ".join(sorted(self._named))

    @cached_property
    def of_file(self) -> dict[str, str]:
        """From the SHA-256 of a file to it; what can't be read in a folder is no picture."""
        by_hash = {}
        for file in self.files:
            try:
                by_hash[file_sha256(file)] = file
            except OSError as error:
                if file in self._named:
                    raise Mistake(f"{file} cannot be read: {reason(error)}") from error
        return by_hash

    @cached_property
    def of_pixels(self) -> dict[str, str]:
        """From the SHA-256 of a picture's pixels and its shape to it; what can't be read in a folder is no picture."""
        by_hash = {}
        for file in self.files:
            try:
                by_hash[_pixels_key(pixels_record(file))] = file
            except Mistake:
                if file in self._named:
                    raise
        return by_hash


def _pixels_key(record: Mapping[str, Any]) -> str:
    return f"{record.get('pixels_sha256')} {record.get('shape')}"


def _of_index(index: Index, record: Mapping[str, Any]) -> Photo | None:
    """The photograph of this number, if it is the one that is meant."""
    number = record.get("number")
    if type(number) is not int or not 0 <= number < index.count:
        return None
    photo = Indexed(index)[number]
    own = photo_record(photo)
    return photo if all(own[key] == record.get(key) for key in own if key != "name") else None


def photograph(picture: str, record: Mapping[str, Any], given: Files) -> Photo:
    """The photograph of this record: scikit-image's, or one of the given files.

    Args:
        picture: the name of the picture that was made from it.
        record: its name and hash.
        given: where it may be.
    Raises:
        Mistake: none of them is; says what differs.
    """
    name = record["name"]
    if is_known(name):
        if {"name": name, **pixels_record(name)} != {key: record[key] for key in record if key != "as"}:
            raise Mistake(
                f"{name} is another picture here than where {picture} was made, by another version of what brings it"
            )
        return name
    for index in given.indexes:
        photo = _of_index(index, record)
        if photo is not None:
            return photo
    key = "sha256" if "sha256" in record else "pixels_sha256"
    own = given.of_file if key == "sha256" else given.of_pixels
    sought = str(record["sha256"]) if key == "sha256" else _pixels_key(record)
    if sought in own:
        return own[sought]
    if not given.files:
        empty = f", as there is no picture in the folder {given.names}" if given.names else ""
        raise Mistake(f"{picture} was made from the photograph {name!r}: name the file with --input{empty}")
    begins = f"the SHA-256 begins with {' and '.join(sha256[:12] for sha256 in own)}, not {str(record.get(key))[:12]}"
    if len(given.files) > 3:
        raise Mistake(
            f"none of these {len(given.files)} files is the photograph {name!r} that {picture} was made from: "
            f"the SHA-256 of none begins with {str(record.get(key))[:12]}"
        )
    files = " and ".join(Path(file).name for file in given.files)
    raise Mistake(f"{files} is not the photograph {name!r} that {picture} was made from: {begins}")
