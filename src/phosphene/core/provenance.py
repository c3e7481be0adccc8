"""What made a picture: the recipe, its arguments, the network, the inputs, the plan, the seed and the versions."""

import functools
import hashlib
import inspect
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phosphene.core.network import Network
from phosphene.core.pictures import open_photo, to_uint8
from phosphene.core.results import Result, Run


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _photo_record(photo: Any) -> dict[str, Any]:
    """The name (not the path) and hash of a photograph."""
    if isinstance(photo, (str, os.PathLike)) and not str(photo).startswith("skimage:"):
        return {"name": Path(photo).name, "sha256": file_sha256(photo)}
    pixels = to_uint8(open_photo(photo))
    name = str(photo) if isinstance(photo, str) else type(photo).__name__
    return {
        "name": name,
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "shape": list(pixels.shape[1:3]),
    }


def versions() -> dict[str, str]:
    """Of everything that the pixels depend on."""
    packages = {name: version(name) for name in ("phosphene", "torch", "numpy", "pillow")}
    return packages | {"python": platform.python_version(), "machine": platform.machine()}


def network_record(network: Network) -> dict[str, Any]:
    """The spec that loads it and the hash of its weights."""
    return {"spec": network.name, "sha256": network.sha256, "size": list(network.size)}


def record(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a picture, ready for JSON."""
    network = arguments["network"]
    photos = {name: value for name, value in arguments.items() if name == "photo"}
    rest = {name: value for name, value in arguments.items() if name not in ("network", "photo")}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in rest.items()}
    return {
        "command": command,
        "arguments": plain,
        "network": network_record(network),
        "inputs": [_photo_record(photo) for photo in photos.values()],
        "plan": network.plan.record(),
        "seed": arguments.get("seed", 0),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def recipe(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a network whose result carries how it was made."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        made: Result | Run = function(*args, **kwargs)
        made.recipe = record(function.__name__, dict(bound.arguments))
        return made

    return recorded
