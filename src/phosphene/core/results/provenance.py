"""What made a picture: the recipe, its arguments, the network, the inputs, the plan, the seed and the versions."""

import functools
import hashlib
import inspect
import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Purpose
from phosphene.core.pictures.eight_bit import to_uint8
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.results.results import Result, Run
from phosphene.core.units.spelling import self_contained

INPUTS = ("photo", "photos", "start")
"""The arguments of recipes that are photographs: a record keeps their names and hashes, never their paths."""


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(model: nn.Module) -> str:
    """The hash of a model's weights: names, shapes and bytes."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def photo_record(photo: Photo) -> dict[str, Any]:
    """The name (not the path) and hash of a photograph: of the file, or of the pixels where there is none."""
    if isinstance(photo, (str, os.PathLike)) and not str(photo).startswith("skimage:"):
        return {"name": Path(photo).name, "sha256": file_sha256(photo)}
    name = str(photo) if isinstance(photo, str) else type(photo).__name__
    return {"name": name, **pixels_record(photo)}


def pixels_record(photo: Photo) -> dict[str, Any]:
    """The hash of what is in a photograph, whatever holds it."""
    pixels = to_uint8(open_photo(photo))
    return {"pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(), "shape": list(pixels.shape[1:3])}


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
    sha256 = network.sha256 or state_sha256(network.model)
    return {"spec": network.name, "sha256": sha256, "size": list(network.size), **code}


def _inputs(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """A record for each photograph; all but the single `photo` say which argument they are for."""
    found = []
    for name in INPUTS:
        value = arguments.get(name)
        if value is not None:
            role = {} if name == "photo" else {"as": name}
            found += [photo_record(photo) | role for photo in (value if isinstance(value, (list, tuple)) else [value])]
    return found


def record(command: str, arguments: dict[str, Any], uses: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe of a picture, ready for JSON; `uses` are further packages that it depends on."""
    network = arguments["network"]
    rest = {name: value for name, value in arguments.items() if name not in ("network", *INPUTS)}
    plain = {
        name: value.item() if isinstance(value, np.generic) else self_contained(network, value)
        for name, value in rest.items()
    }
    return {
        "command": command,
        "arguments": plain,
        "network": network_record(network),
        "inputs": _inputs(arguments),
        "plan": {purpose: network.plans[purpose].record() for purpose in sorted({"reading", network.purpose})},
        "seed": arguments.get("seed", 0),
        "device": network.device.type,
        "threads": torch.get_num_threads(),
        "versions": versions(uses),
    }


def recipe(purpose: Purpose, uses: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function of a network, run by its plan for this purpose, whose result carries how it was made.

    Args:
        purpose: of the plan.
        uses: packages beside those of every recipe whose versions matter.
    """

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            bound.arguments["network"] = bound.arguments["network"].planned(purpose)
            made: Result | Run = function(*bound.args, **bound.kwargs)
            made.recipe = record(function.__name__, dict(bound.arguments), uses)
            return made

        recorded.uses = uses  # type: ignore[attr-defined]
        return recorded

    return decorated
