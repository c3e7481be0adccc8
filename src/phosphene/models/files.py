"""Networks of one's own: a function in a Python file, `path/to/file.py:factory`."""

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from phosphene.core.errors import Mistake, did_you_mean, first_line
from phosphene.core.results.provenance import file_sha256
from phosphene.models.embedded import EMBEDDED
from phosphene.models.facts import facts_of, query_options
from phosphene.models.weights import _refusal, read_weights

_FILE = re.compile(r"(?P<file>.+?\.py)(?::(?P<name>[^?]*))?(?:\?(?P<query>.*))?", re.DOTALL)


def without_folders(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    return Path(match["file"]).name + spec[match.end("file") :] if match else spec


def code_sha256_of(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    return file_sha256(match["file"]) if match else ""


# ------------------------------------------------------------------------------------------------------- files


def network_of_file(spec: str) -> tuple[nn.Module, dict[str, Any]]:
    match = _FILE.fullmatch(spec)
    if not match:
        raise _not_a_spec(spec)
    file, name, query = Path(match["file"]), match["name"] or "build", match["query"] or ""
    if not file.is_file():
        raise Mistake(f"there is no file {file}{did_you_mean(file.name, [p.name for p in _siblings(file)])}")
    module = _imported(file)
    factory = getattr(module, name, None)
    if not callable(factory):
        local = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        raise Mistake(f"{file.name} has no function '{name}'{did_you_mean(name, local)} (it has {', '.join(local)})")
    try:
        made = factory(**query_options(query))
    except TypeError as error:
        raise Mistake(
            f"{file.name}:{name} could not be called: {first_line(error)}; arguments go behind it: ?NAME=VALUE"
        ) from error
    except Exception as error:  # a stranger's function: whatever it raises
        raise Mistake(f"{file.name}:{name} failed: {type(error).__name__}: {first_line(error)}") from error
    beside = getattr(module, "SPEC", {}) if name == "build" else {}
    model, facts = made if isinstance(made, tuple) and len(made) == 2 else (made, beside)
    if not isinstance(model, nn.Module) or not isinstance(facts, Mapping):
        what = type(model).__name__ if isinstance(facts, Mapping) else f"a module and {type(facts).__name__}"
        raise Mistake(f"{file.name}:{name} returned {what}, not a torch.nn.Module, or one and a dict of mean, std, ...")
    return model, facts_of(facts)


def _siblings(file: Path) -> list[Path]:
    return list(file.parent.glob("*.py")) if file.parent.is_dir() else []


def _imported(file: Path) -> Any:
    found = importlib.util.spec_from_file_location(f"phosphene_network_{file.stem}", file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # dataclasses and pickling look themselves up there
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        found.loader.exec_module(module)
    except Exception as error:  # a stranger's file: whatever it raises
        raise Mistake(f"{file.name} could not be imported: {type(error).__name__}: {first_line(error)}") from error
    finally:
        sys.dont_write_bytecode = writes
    return module


def _not_a_spec(spec: str) -> Mistake:
    if Path(spec).suffix in (".pt", ".pth", ".pt2", ".ts", ".bin", ".safetensors", ".ckpt"):
        if reason := _refusal(Path(spec)):
            return Mistake(f"{Path(spec).name} is not a network: {reason}; give --net FILE.py:FACTORY")
        try:
            read_weights(Path(spec))
        except Mistake as mistake:
            return mistake
        return Mistake(
            f"{Path(spec).name} is not a network: it holds weights, and weights alone don't tell what the network is; "
            f"give --net FILE.py:FACTORY --weights {spec}"
        )
    return Mistake(
        f"no network '{spec}'{did_you_mean(spec, [*(f'embedded:{n}' for n in EMBEDDED), 'torchvision:resnet18'])}; "
        "write embedded:NAME, torchvision:NAME, timm:NAME or FILE.py:FACTORY"
    )
