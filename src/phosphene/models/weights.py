"""Weights from files without executing code: safetensors, or what `torch.load` takes with weights_only=True."""

import argparse
import pathlib
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from phosphene.core.errors import Mistake, first_line
from phosphene.core.paths import broken, given_path, opened, reason, textual
from phosphene.models.checkpoints import Entries, entries, weights_for

_scalar: Any = np.float64(0).__reduce__()[0]
PLAIN: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace, pathlib.PosixPath, pathlib.PurePosixPath, np.dtype,
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")),
    (_scalar, "numpy.core.multiarray.scalar"), (_scalar, "numpy._core.multiarray.scalar"),
]  # fmt: skip
"""What training scripts leave beside the weights and what only holds values: options, paths, NumPy's numbers."""


def _refusal(file: Path) -> str | None:
    """Why this file is no plain set of weights, if it is none."""
    try:
        if why := broken(file):
            return why
    except OSError as error:
        return f"it can't be read ({reason(error)})"
    if not zipfile.is_zipfile(file):
        return None
    names = zipfile.ZipFile(file).namelist()
    if any("/code/" in name for name in names):
        return "it is TorchScript, which carries code and whose layers can't be read"
    if any("exported_program" in name or name.endswith(("/models/model.json", "archive_format")) for name in names):
        return "it is an exported program, whose layers can't be read"
    return None


def read_weights(given: str | Path) -> Entries:
    """What is in a safetensors file or a weights-only pickle: tensors by dotted names.

    Raises:
        Mistake: no such file, or one that would execute code or holds something else.
    """
    file = given_path(given, "file of weights")
    if why := _refusal(file):
        raise Mistake(f"{file.name} can't be used as weights: {why}; give a safetensors file or a state dict")
    with opened(file) as begun:
        head = begun.read(512)
    try:
        content = _content(file, head)
    except Exception as error:  # parsers of files from anywhere raise nearly anything
        signs = ["GLOBAL", "class", "Class"]
        if head[:1] == b"\x80":  # a pickle, with something in it that no state dict needs
            signs.append("Unsupported operand")
        if isinstance(error, UnpicklingError) and any(sign in str(error) for sign in signs):
            raise Mistake(
                f"{file.name} would execute code when it is opened, so it is not; where you trust it, save its weights "
                "alone: torch.save(model.state_dict(), FILE)"
            ) from error
        why = textual(head) if head else "it is empty (0 bytes)"
        because = f": {why}" if why else ""
        raise Mistake(
            f"{file.name} can't be read as weights{because}; a safetensors file or a state dict can"
        ) from error
    found = entries(content)
    if not found.tensors:
        raise Mistake(f"{file.name} holds no state dict (names to tensors) but {type(content).__name__}")
    if empty := next((name for name, value in found.tensors.items() if value.is_meta), None):
        raise Mistake(f"{file.name} holds no numbers: {empty} was on the meta device when it was saved")
    return found


def _content(file: Path, head: bytes) -> Any:
    """What is in a file, without executing code; a safetensors file is told by how it begins, whatever it is called."""
    if head[8:9] == b"{":
        with safe_open(file, "pt") as held:
            return {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118 (not a mapping)
    with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(PLAIN):  # about pickle's protocol
        return torch.load(file, map_location="cpu", weights_only=True)


def put_weights(model: nn.Module, given: str | Path) -> list[str]:
    """Load a file's weights into the model, from wherever in the file they fit; what is to be said about it.

    Raises:
        Mistake: they do not fit (the first differences are told), several do, or the network can't take any.
    """
    file, held = given_path(given, "file of weights"), read_weights(given)
    values = {name: value for name, value in model.state_dict().items() if not name.endswith("_extra_state")}
    own = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if len(own) < len(values) or any(value.is_quantized for value in own.values()):
        raise Mistake("the network is quantized, and weights can't be put into it; load them in its factory")
    try:
        found = weights_for(own, held)
    except Mistake as mistake:
        raise Mistake(f"{file.name} {mistake}") from None
    for name, value in found.state.items():
        if words := _another_kind(value, own[name]):
            raise Mistake(f"{file.name} does not fit the network: {name} {words}")
    on_meta = any(value.is_meta for value in own.values())
    try:
        model.load_state_dict(found.state, strict=False, assign=on_meta)
    except Exception as error:  # a stranger's module may do anything with a state dict
        raise Mistake(f"{file.name} can't be put into the network: {first_line(error)}") from error
    return [f"{file.name} {words}" for words in found.said]


def _another_kind(value: Tensor, own: Tensor) -> str | None:
    """Why these numbers are no such weights, if so: PyTorch would cast them without a word."""
    kind, wanted = (str(one.dtype).removeprefix("torch.") for one in (value, own))
    if value.is_quantized:
        return f"is quantized ({kind}), and the network's is {wanted}"
    if value.is_complex() and not own.is_complex():
        return f"holds complex numbers ({kind}), and the network's are {wanted}"
    if own.is_floating_point() and not (value.is_floating_point() or value.is_complex()):
        return f"holds whole numbers ({kind}), and the network's are {wanted}"
    return None
