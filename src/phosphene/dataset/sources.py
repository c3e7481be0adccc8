"""From what somebody has to a listing: a folder, a list, tar archives, a .npz file, or what Python holds.

Pictures of folders and archives are sorted by name; a list, a file of arrays and what is given in Python keep their
order. What can't be decoded is found out later, picture by picture; here only names are read.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phosphene.core.errors import Mistake, brief
from phosphene.core.networks.network import Network
from phosphene.core.paths import content, given_path, is_folder, reason, textual
from phosphene.core.pictures.files import Photo
from phosphene.core.units.labelled import numbered_folders, read_arrays
from phosphene.core.units.photographs import ENDINGS, files_in, pictures_in
from phosphene.dataset.archives import ARCHIVE, archives
from phosphene.dataset.listing import Encoded, Listing

MOST_LIST = 1_000_000_000
"""Bytes of a list of files: some ten million names."""

LABELS = ("label", "labels", "fine_label", "class", "target")
"""What the column of labels of a Hugging Face data set is called, the first one that is there."""

Data = str | os.PathLike[str] | Iterable[Any]
"""What an index can be made of: see `listed`."""


def listed(data: Data, network: Network) -> Listing:
    """The listing of a data set.

    Args:
        data: a folder of pictures, in folders of their classes or not; tar archives in the form of webdataset, or a
            folder of them; a list, one path a line, with its label behind a tab if it has one; a .npz file with X and
            y; a `datasets.Dataset` of Hugging Face; several paths; or (picture, id) or (picture, id, label), as many as
            there are.
        network: labels become its classes where folders are called like these, or there are as many.
    Raises:
        Mistake: there is nothing there, it can't be read, or two pictures have one id.
    """
    if isinstance(data, (str, os.PathLike)):
        return _of_path(given_path(data, "data set"), network)
    if hasattr(data, "features") and hasattr(data, "column_names"):
        return _of_hugging_face(data)
    given = list(data)
    if given and all(isinstance(one, (str, os.PathLike)) for one in given):
        paths = [given_path(one, "data set") for one in given]
        if len(paths) == 1:
            return _of_path(paths[0], network)
        return archives(paths) if all(path.suffix == ARCHIVE for path in paths) else _of_files(paths)
    return _of_python(given)


def _of_path(path: Path, network: Network) -> Listing:
    if is_folder(path):
        files = pictures_in([path])
        if not files and (inside := [file for file in files_in(path) if file.suffix == ARCHIVE]):
            return archives(inside)
        if not files:
            raise Mistake(f"there is no picture in {path}, and no {ARCHIVE} archive; an index needs one at least")
        return _of_folder(path, files, network)
    if path.suffix == ARCHIVE:
        return archives([path])
    if path.suffix.lower() == ".npz":
        _, labels, names, classes = read_arrays(path)
        return Listing("arrays", str(path.resolve()), names, np.array(labels, np.int64), classes)
    if path.suffix.lower() in ENDINGS:
        return _of_files([path])
    return _of_list(path)


def _of_folder(path: Path, files: Sequence[str], network: Network) -> Listing:
    names = [Path(file).relative_to(path).as_posix() for file in files]
    labels, classes = np.full(len(names), -1, np.int64), dict[int, str]()
    if all("/" in name for name in names):
        folders = [name.partition("/")[0] for name in names]
        numbers, classes = numbered_folders(sorted(set(folders)), network)
        labels = np.array([numbers[folder] for folder in folders], np.int64)
    elif not any("/" in name for name in names):
        found = [name.partition("_")[0] for name in names]  # 0281_tabby.jpg
        if all(one.isdecimal() and len(one) < 10 and one != name for one, name in zip(found, names, strict=True)):
            labels = np.array(list(map(int, found)), np.int64)
            classes = _called(labels, network)
    return Listing("files", str(path.resolve()), names, labels, classes, files=names)


def _called(labels: np.ndarray, network: Network) -> dict[int, str]:
    """The names of the network for these classes, if it has all of them: else they are another network's."""
    names = network.labels or []
    known = int(labels.max()) < len(names)
    return {c: names[c] if known else "" for c in sorted(set(labels.tolist()))}


def _of_files(paths: Sequence[Path]) -> Listing:
    files = [os.path.abspath(file) for file in pictures_in(paths)]
    base = os.path.commonpath([os.path.dirname(file) for file in files]) if files else ""
    names = [Path(file).relative_to(base).as_posix() for file in files]
    return Listing("files", base, names, np.full(len(names), -1, np.int64), {}, files=names)


def _of_list(path: Path) -> Listing:
    try:
        data = content(path, MOST_LIST)
    except OSError as error:
        raise Mistake(f"{path} can't be read: {reason(error)}") from error
    if not textual(data[:512]):
        raise Mistake(
            f"{path.name} is no data set; give a folder, {ARCHIVE} archives, a .npz file with X and y, or a list of "
            "pictures, one path a line"
        )
    lines = [line.rstrip("\r") for line in os.fsdecode(data).split("\n") if line.strip()]
    names, words = zip(*(line.partition("\t")[::2] for line in lines), strict=True) if lines else ((), ())
    labels, classes = _numbered([word.strip() for word in words])
    return Listing("files", str(path.resolve().parent), list(names), labels, classes, files=list(names))


def _numbered(words: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Labels of words: numbers as they are, names in their order; -1, in words as well, for none."""
    words = ["" if word == "-1" else word for word in words]
    there = sorted({word for word in words if word})
    if all(word.isdecimal() and len(word) < 10 for word in there):
        numbers = {word: int(word) for word in there}
        classes = dict.fromkeys(sorted(numbers.values()), "")
    else:
        numbers = {word: i for i, word in enumerate(there)}
        classes = dict(enumerate(there))
    return np.array([numbers.get(word, -1) for word in words], np.int64), classes


# -------------------------------------------------------------------------------------------------------- in Python


class _Column(Sequence[Any]):
    """The pictures of a Hugging Face data set, as the bytes of their files where it has them."""

    def __init__(self, data: Any, name: str) -> None:
        self.data, self.name = data, name

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: Any) -> Any:
        value = self.data[int(i)][self.name]
        if isinstance(value, Mapping) and {"bytes", "path"} <= set(value):
            value = value["path"] if value["bytes"] is None else Encoded(value["bytes"], f"picture {i}")
        return Encoded(b"", f"picture {i}") if value is None else value


def _of_hugging_face(data: Any) -> Listing:
    pictures = [name for name, kind in data.features.items() if type(kind).__name__ == "Image"]
    if not hasattr(data, "__len__"):
        raise Mistake("a data set of Hugging Face that is streamed has no length; load it without streaming=True")
    if not pictures:
        raise Mistake(f"the data set has no column of pictures; it has {', '.join(data.column_names)}")
    name, labels, classes = pictures[0], np.full(len(data), -1, np.int64), dict[int, str]()
    column = next((one for one in LABELS if one in data.column_names), None)
    if column is not None:
        said = data[column]
        labels, classes = _numbered(["" if one is None else str(one) for one in said])
        names = getattr(data.features[column], "names", None) or []
        classes = {c: names[c] if c < len(names) else name for c, name in classes.items()}
    kind = type(data.features[name])
    undecoded = data.cast_column(name, kind(decode=False)) if hasattr(data, "cast_column") else data
    ids = [str(i) for i in range(len(data))]
    return Listing("python", "", ids, labels, classes, given=_Column(undecoded, name))


def _of_python(given: Sequence[Any]) -> Listing:
    for i, one in enumerate(given):
        if not (isinstance(one, (tuple, list)) and len(one) in (2, 3) and isinstance(one[1], (str, int, np.integer))):
            raise Mistake(f"a data set in Python is (picture, id) or (picture, id, label); number {i} is {brief(one)}")
    pictures: list[Photo] = [one[0] for one in given]
    labels, classes = _numbered([_word(one[2]) if len(one) == 3 else "" for one in given])
    return Listing("python", "", [str(one[1]) for one in given], labels, classes, given=pictures)


def _word(label: Any) -> str:
    """A label as a word; a number in an array or a tensor is the number."""
    return "" if label is None else str(label.item() if isinstance(label, (np.ndarray, torch.Tensor)) else label)
