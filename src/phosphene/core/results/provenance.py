"""What made a picture: the recipe, its arguments, the network, the inputs, the plan, the seed and the versions."""

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.fingerprint import state_sha256 as state_sha256
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path, opened
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.files import MOST_BYTES, MOST_FILM_BYTES, Photo, is_film, open_photo
from phosphene.core.pictures.samples import is_sample
from phosphene.core.units.spelling import self_contained

FORMAT = 2
"""Of records; names that were changed since an earlier one are in the catalogue."""

IN_PYTHON = "given in Python"
"""The key under which a record names the type of an object, which a file can't keep."""


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of the bytes of a file, a picture, a film or a network's source.

    Raises:
        OSError: it can't be read, as `core.paths.opened` says.
    """
    with opened(given_path(path), MOST_FILM_BYTES if is_film(path) else MOST_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def photo_record(photo: Photo) -> dict[str, Any]:
    """The name (not the path) and hash of a photograph: of the file, or of the pixels where there is none."""
    if isinstance(photo, (str, os.PathLike)) and not is_sample(photo):
        path = given_path(photo, "picture")
        return {"name": path.name, "sha256": file_sha256(path)}
    name = str(photo) if isinstance(photo, str) else type(photo).__name__
    return {"name": name, **pixels_record(photo)}


def pixels_record(photo: Photo) -> dict[str, Any]:
    """The hash of what is in a photograph, whatever holds it; of pixels with many channels, of their numbers."""
    try:
        pixels = to_uint8(open_photo(photo))
    except Mistake:
        if not isinstance(photo, (np.ndarray, Tensor)):
            raise
        numbers = np.ascontiguousarray(torch.as_tensor(photo).detach().cpu().numpy())
        return {"pixels_sha256": hashlib.sha256(numbers.tobytes()).hexdigest(), "shape": list(numbers.shape)}
    return {"pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(), "shape": list(pixels.shape[1:3])}


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # OpenCV is in several packages, conda's have names of their own
        return "not known"


def versions(uses: Sequence[str] = ()) -> dict[str, str]:
    """Of everything that the pixels depend on, further packages too."""
    packages = {name: _version(name) for name in ("phosphene", "torch", "numpy", "pillow", *uses)}
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return packages | {"python": platform.python_version(), "machine": machine}


def network_record(network: Network) -> dict[str, Any]:
    """The spec that loads it, the hash of its weights and, where a file made it, of that file."""
    code = {"code_sha256": network.code_sha256} if network.code_sha256 else {}
    return {"spec": network.name, "sha256": network_sha256(network), **network.facts(), **code}


def _inputs(arguments: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """A record for each photograph, which says the argument that it is for."""
    records = []
    for name in names:
        value = arguments.get(name)
        if isinstance(value, Indexed):
            records += [_indexed(value, number) | {"as": name} for number in value.used]
        elif value is not None:
            several = isinstance(value, (list, tuple))
            records += [photo_record(photo) | {"as": name} for photo in (value if several else [value])]
    return records


def _indexed(photos: Indexed, number: int) -> dict[str, Any]:
    """The record of one photograph of an index, which is found again by its number there, too."""
    own = photo_record(photos[number])
    return own | {"number": number} | ({} if "sha256" in own else {"name": photos.name(number)})


def _plain(network: Network, value: Any) -> Any:
    """An argument as a record keeps it: plain values, units in words; of an object its type alone."""
    kept = value.item() if isinstance(value, np.generic) else self_contained(network, value)
    return kept if _is_plain(kept) else {IN_PYTHON: type(value).__name__}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def record(
    recipe: str, arguments: Mapping[str, Any], inputs: Sequence[str] = (), uses: Sequence[str] = ()
) -> dict[str, Any]:
    """How a picture was made, ready for JSON.

    Args:
        recipe: the recipe's name.
        arguments: of it, with the network.
        inputs: which of them are photographs: their names and hashes are kept, never their paths. Of an index only
            those that were used, and what it said of them.
        uses: further packages that the pixels depend on.
    """
    network = arguments["network"]
    rest = {name: value for name, value in arguments.items() if name not in ("network", *inputs)}
    indexes = {name: one.record() for name in inputs if isinstance(one := arguments.get(name), Indexed)}
    return {
        "format": FORMAT,
        "recipe": recipe,
        "arguments": {name: _plain(network, value) for name, value in rest.items()},
        "network": network_record(network),
        "inputs": _inputs(arguments, inputs),
        **({"index": indexes} if indexes else {}),
        "plan": {one: network.plan_for(one).record() for one in sorted({"reading", network.purpose})},
        "seed": arguments.get("seed", 0),
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "versions": versions(uses),
    }
