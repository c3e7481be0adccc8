"""Pictures with their classes: a folder of one folder a class, or arrays in one .npz file.

All are kept as 8-bit pixels of one size, as `feed` gives them to a network, so that a data set has the same pixels
whatever reads it. Nothing is left out: accuracy is of all pictures that were given, and one that can't be read is a
mistake.
"""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from phosphene.core.errors import Mistake, brief, first_line
from phosphene.core.networks.network import Network
from phosphene.core.paths import NO_FILE, given_path, is_folder, opened, reason
from phosphene.core.pictures.eight_bit import fraction, levels
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.fitting import fit
from phosphene.core.units.labels import class_index, class_names, names_class
from phosphene.core.units.network_input import Fit, fitted
from phosphene.core.units.photographs import pictures_in

MOST_BYTES = 8_000_000_000
"""Of the arrays in a file, unpacked: forty thousand photographs of 256 px."""

ARRAYS = (("x", "y"), ("x_test", "y_test"), ("images", "labels"))
"""What the pictures and their labels are called in a .npz file, in any case; the first pair that is there counts."""

NAMES = "classes"
"""What the names of the classes are called there, if they are there."""

_NUMBERED = re.compile(r"(\d{1,9})[_-]")
"""The file of a picture whose class stands in front of its name."""


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Pictures of one size, and the class of each.

    Attributes:
        names: what each is called: its file within the folder, or its number in the array.
        pictures: 8-bit pixels.
        labels: the number of each one's class.
        classes: the numbers of the classes that there are, and their names; "" for one without.
    """

    names: Sequence[str]
    pictures: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"]
    classes: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, rows: Sequence[int] | slice = slice(None)) -> Float[Tensor, "n c h w"]:
        """Pictures in [0, 1], float32; all of them unless rows are given."""
        return fraction(self.pictures[rows], 255)

    def first(self, many: int) -> "LabelledPictures":
        """The first so many, or all, if there are fewer."""
        return LabelledPictures(self.names[:many], self.pictures[:many], self.labels[:many], self.classes)


def read_labelled(
    given: str | os.PathLike[str],
    network: Network | None = None,
    how: Fit = "crop",
    size: tuple[int, int] | None = None,
) -> LabelledPictures:
    """Read pictures and their classes.

    A folder has a folder for each class, whose pictures are in it; the classes are numbered in the order of their
    names, or by their names where these are numbers. Or its pictures themselves begin with the number of their class:
    `0281_tabby.jpg`. A file is a .npz with X, uint8 (n, h, w, 3), (n, 3, h, w) or (n, h, w), and y, whole numbers (n,),
    and perhaps the names of the classes as `classes`.

    Args:
        given: the folder, or the file.
        network: the pictures become its input, and the labels its classes: a folder of a class may be called by the
            class's name then. Without one, they are RGB.
        how: the ways of `feed` to bring a picture to a size.
        size: (height, width) in px without a network; by default their own, which is to be one for all.
    Raises:
        Mistake: it can't be read, or has no pictures or labels; a label that is no class of the network; pictures of
            several sizes.
    """
    path = given_path(given, "data set")
    if is_folder(path):
        photos, labels, names, classes = _folder(path, network)
    else:
        photos, labels, names, classes = read_arrays(path)
    if network is not None:
        classes = _of_network(labels, names, network)
    pixels = torch.cat(list(_read(photos, names, network, how, size)))
    return LabelledPictures(names, pixels, torch.tensor(labels), classes)


Found = tuple[Sequence[Photo], list[int], list[str], dict[int, str]]
"""Pictures, their labels, their names, and the names of the classes."""


def _read(
    photos: Sequence[Photo], names: Sequence[str], network: Network | None, how: Fit, size: tuple[int, int] | None
) -> Iterator[UInt8[Tensor, "1 c h w"]]:
    """Each picture's pixels; all of one size."""
    shape = None
    for name, photo in zip(names, photos, strict=True):
        if isinstance(photo, np.ndarray) and len(photo) == 1 and (network is None or network.channels == 3):
            photo = photo[0]  # grey, which becomes RGB
        if network is not None:
            picture = fitted(network, photo, how)
        else:
            picture = open_photo(photo) if size is None else fit(open_photo(photo), size, how)
        if shape not in (None, picture.shape):
            first, other = (f"{one[3]} x {one[2]}" for one in (shape or picture.shape, picture.shape))
            raise Mistake(f"{names[0]} has {first} pixels and {name} has {other}; pictures of one size are needed")
        shape = picture.shape
        yield levels(picture).byte()


def _of_network(labels: Sequence[int], names: Sequence[str], network: Network) -> dict[int, str]:
    """The classes of the network that there are, and what it calls them."""
    for label, name in zip(labels, names, strict=True):
        if label >= network.classes:
            raise Mistake(f"picture {name} is of class {label}, and {network.name} has 0 to {network.classes - 1}")
    called = dict(enumerate(class_names(network)))
    return {number: called.get(number, "") for number in sorted(set(labels))}


# --------------------------------------------------------------------------------------------------------- folders


def _folder(path: Path, network: Network | None) -> Found:
    files = [Path(file) for file in pictures_in([path])]
    if not files:
        raise Mistake(f"there is no picture in {path}; one folder for each class is needed, with its pictures in it")
    names = [file.relative_to(path).as_posix() for file in files]
    loose = [name for name in names if "/" not in name]
    if len(loose) == len(names):
        labels = [_number(name, path) for name in names]
        return [str(file) for file in files], labels, names, dict.fromkeys(sorted(set(labels)), "")
    if loose:
        raise Mistake(f"{path} has folders of classes, and {loose[0]} beside them, whose class nobody knows")
    folders = [name.partition("/")[0] for name in names]
    numbers = _numbered(sorted(set(folders)), path, network)
    classes = {number: "" if folder.isdecimal() else folder for folder, number in numbers.items()}
    return [str(file) for file in files], [numbers[folder] for folder in folders], names, classes


def _number(name: str, path: Path) -> int:
    """The class in front of a file's name."""
    found = _NUMBERED.match(name)
    if found is None:
        raise Mistake(
            f"the class of {path / name} is not known: give a folder of one folder for each class, or begin the names "
            "of files with the number of the class, as in 0281_tabby.jpg"
        )
    return int(found[1])


def _numbered(folders: Sequence[str], path: Path, network: Network | None) -> dict[str, int]:
    """From the folder of each class to the class's number."""
    if network is not None and all(names_class(network, folder) for folder in folders):
        return {folder: class_index(network, folder) for folder in folders}
    if network is not None and len(folders) != network.classes:
        unknown = next(folder for folder in folders if not names_class(network, folder))
        raise Mistake(
            f"{path} has {len(folders)} folders of classes and {network.name} has {network.classes} classes, none of "
            f"which is called {unknown}; call the folders by the names or the numbers of the classes"
        )
    if all(folder.isdecimal() and len(folder) < 10 for folder in folders):
        return {folder: int(folder) for folder in folders}
    return {folder: number for number, folder in enumerate(folders)}


def numbered_folders(folders: Sequence[str], network: Network) -> tuple[dict[str, int], dict[int, str]]:
    """The number of each folder's class, and the names of the classes, whether they are a network's or not.

    They are its classes if all are called like these, or by their numbers; others are numbered in their order, which is
    the network's where there are as many.
    """
    names = network.labels or []
    if all(names_class(network, folder) for folder in folders):
        numbers = {folder: class_index(network, folder) for folder in folders}
        return numbers, {c: names[c] if c < len(names) else "" for c in sorted(numbers.values())}
    if all(folder.isdecimal() and len(folder) < 10 for folder in folders):
        return {folder: int(folder) for folder in folders}, dict.fromkeys(sorted(map(int, folders)), "")
    return {folder: number for number, folder in enumerate(folders)}, dict(enumerate(folders))


# ---------------------------------------------------------------------------------------------------------- arrays


def read_arrays(path: Path) -> Found:
    """What is in a .npz file: uint8 pictures (c, h, w), labels, their numbers as names, and the classes.

    Raises:
        Mistake: as `read_labelled`.
    """
    x, y, called = _loaded(path)
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and not {1, 3} & {x.shape[1], x.shape[3]}):
        shape = " x ".join(map(str, x.shape)) or "one number"
        raise Mistake(
            f"the pictures in {path.name} are {x.dtype}, {shape}; they have to be uint8, (n, h, w, 3), (n, 3, h, w) or "
            "(n, h, w)"
        )
    labels = _labels(y, len(x), path)
    names = list(map(str, range(len(x))))
    if called is None:
        return list(_planes(x)), labels, names, dict.fromkeys(sorted(set(labels)), "")
    if called.ndim != 1 or called.dtype.kind != "U" or len(called) <= max(labels):
        given = f"{len(called)} of {called.dtype}" if called.ndim else str(called.dtype)
        raise Mistake(
            f"the names of classes in {path.name} are {given}; a text for each of 0 to {max(labels)} is needed"
        )
    return list(_planes(x)), labels, names, {number: str(called[number]) for number in sorted(set(labels))}


def _planes(x: UInt8[np.ndarray, "n ..."]) -> UInt8[np.ndarray, "n c h w"]:
    """Grey pictures get one channel; both places of the channels are read."""
    if x.ndim == 3:
        return x[:, None]
    return x if x.shape[1] in (1, 3) and x.shape[3] not in (1, 3) else np.moveaxis(x, 3, 1)


def _labels(y: np.ndarray, many: int, path: Path) -> list[int]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind not in "iu" or y.shape != (many,):
        shape = " x ".join(map(str, y.shape)) or "one number"
        raise Mistake(f"the labels in {path.name} are {y.dtype}, {shape}; a whole number for each of {many} is needed")
    if not many:
        raise Mistake(f"there is no picture in {path.name}; it has an empty array")
    if y.min() < 0 or y.max() >= 10**9:
        raise Mistake(f"{path.name} has the label {y.min() if y.min() < 0 else y.max()}; classes are counted from 0")
    return [int(label) for label in y]


def _loaded(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Pictures, labels, and the names of the classes, if they are there; nothing is ever unpickled."""
    what = "a .npz file with X and y, or a folder of one folder for each class, is needed"
    try:
        with opened(path, MOST_BYTES) as file, zipfile.ZipFile(file) as packed:
            inside = {Path(one.filename).stem.casefold(): one for one in packed.infolist() if not one.is_dir()}
            pair = next((pair for pair in ARRAYS if set(pair) <= set(inside)), None)
            if pair is None:
                raise Mistake(f"{path.name} has {', '.join(inside) or 'nothing'} in it, and no X and y; {what}")
            x, y = (_array(packed, inside[name], path) for name in pair)
            return x, y, _array(packed, inside[NAMES], path) if NAMES in inside else None
    except OSError as error:
        why = f"there is no file {path}" if reason(error) == NO_FILE else f"{path} can't be read: {reason(error)}"
        raise Mistake(f"{why}; {what}") from error
    except Mistake:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Mistake(f"{path} can't be read as a .npz file: {first_line(error)}; {what}") from error


def _array(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """One array, once its header is known to claim no more than is there."""
    with packed.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
    if kind.hasobject:
        raise Mistake(f"{entry.filename} in {path.name} holds Python objects, which are not read; save plain numbers")
    claimed = kind.itemsize * int(np.prod([int(side) for side in shape], dtype=object))
    if claimed > entry.file_size or entry.file_size > MOST_BYTES:
        size = f"{brief(shape)} of {kind}"
        raise Mistake(f"{entry.filename} in {path.name} claims {size}, which is more than is there or can be read")
    with packed.open(entry) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array
