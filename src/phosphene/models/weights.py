"""Weights from files without executing code: safetensors, or what `torch.load` takes with weights_only=True."""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import safe_open
from torch import Tensor, nn

from phosphene.core.errors import Mistake


def _refusal(file: Path) -> str | None:
    """Why this file is no plain set of weights, if it is none."""
    if not file.is_file():
        return "there is no such file"
    if not zipfile.is_zipfile(file):
        return None
    names = zipfile.ZipFile(file).namelist()
    if any("/code/" in name for name in names):
        return "it is TorchScript, which carries code and whose layers can't be read"
    if any("exported_program" in name or name.endswith(("/models/model.json", "archive_format")) for name in names):
        return "it is an exported program, whose layers can't be read"
    return None


def read_weights(file: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from a weights-only pickle.

    Raises:
        Mistake: no such file, or one that would execute code or holds something else.
    """
    if reason := _refusal(file):
        raise Mistake(f"{file.name} can't be used as weights: {reason}; give a safetensors file or a state dict")
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                return {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a mapping)
        with warnings.catch_warnings(action="ignore"):  # about pickle's protocol: it is read or it is not
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # parsers of files from anywhere raise nearly anything
        signs = ["GLOBAL", "class", "Class"]
        if file.read_bytes()[:1] == b"\x80":  # a pickle, with something in it that no state dict needs
            signs.append("Unsupported operand")
        if isinstance(error, UnpicklingError) and any(sign in str(error) for sign in signs):
            raise Mistake(
                f"{file.name} would execute code when it is opened, so it is not; where you trust it, save its weights "
                "alone: torch.save(model.state_dict(), FILE)"
            ) from error
        raise Mistake(f"{file.name} can't be read as weights; a safetensors file or a state dict can") from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    named = isinstance(state, Mapping) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not named:
        raise Mistake(f"{file.name} holds no state dict (names to tensors) but {type(state).__name__}")
    return dict(state)


def _without_wrappers(name: str, own: Mapping[str, Tensor]) -> str:
    while name not in own and name.startswith(("module.", "_orig_mod.")):
        name = name.partition(".")[2]
    return name


def put_weights(model: nn.Module, file: Path) -> None:
    """Load a file's state dict into the model; prefixes of wrappers (`module.`, `_orig_mod.`) are dropped.

    Raises:
        Mistake: it does not fit; the first differences are told.
    """
    own = model.state_dict()
    state = {_without_wrappers(name, own): value for name, value in read_weights(file).items()}
    differences = [f"{name} is missing" for name in own if name not in state]
    differences += [f"{name} is unknown to the network" for name in state if name not in own]
    differences += [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise Mistake(f"{file.name} does not fit the network: {', '.join(differences[:3])}{more}")
    model.load_state_dict(state)
