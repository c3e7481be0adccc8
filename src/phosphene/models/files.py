"""Networks of one's own: a function in a Python file, `path/to/file.py:factory`."""

import builtins
import getpass
import importlib.util
import io
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from torch import nn

from phosphene.core.errors import Mistake, did_you_mean, first_line
from phosphene.core.paths import A_FOLDER, MOST_TEXT, NO_FILE, broken, given_path, is_folder, reason
from phosphene.core.results.provenance import file_sha256
from phosphene.models.embedded import EMBEDDED
from phosphene.models.facts import facts_of, query_options
from phosphene.models.weights import _refusal, read_weights

_FILE = re.compile(r"(?P<file>.+?\.py)(?::(?P<name>[^?]*))?(?:\?(?P<query>.*))?", re.DOTALL)


def without_folders(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    if match is None:
        return Path(spec).name if spec.endswith(".safetensors") else spec
    return Path(match["file"]).name + spec[match.end("file") :]


def code_sha256_of(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    return file_sha256(given_path(match["file"])) if match else ""


# ------------------------------------------------------------------------------------------------------- files


def network_of_file(spec: str) -> tuple[nn.Module, dict[str, Any]]:
    match = _FILE.fullmatch(spec)
    if not match:
        raise _not_a_spec(spec)
    file, name, query = given_path(match["file"], "network's file"), match["name"] or "build", match["query"] or ""
    if why := _no_source(file):
        raise Mistake(why)
    module = _imported(file)
    factory = getattr(module, name, None)
    if not callable(factory):
        local = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        near = did_you_mean(name, local)
        raise Mistake(f"{file.name} has no function '{name}'{near} (it has {', '.join(local) or 'none'})")
    try:
        with guest(file):
            made = factory(**query_options(query))
    except TypeError as error:
        raise Mistake(
            f"{file.name}:{name} could not be called: {first_line(error)}; arguments go behind it: ?NAME=VALUE"
        ) from error
    except (Exception, SystemExit) as error:  # a stranger's function: whatever it raises
        raise Mistake(f"{file.name}:{name} failed: {_why(error)}") from error
    beside = getattr(module, "SPEC", {}) if name == "build" else {}
    model, facts = made if isinstance(made, tuple) and len(made) == 2 else (made, beside)
    if not isinstance(model, nn.Module) or not isinstance(facts, Mapping):
        what = type(model).__name__ if isinstance(facts, Mapping) else f"a module and {type(facts).__name__}"
        raise Mistake(f"{file.name}:{name} returned {what}, not a torch.nn.Module, or one and a dict of mean, std, ...")
    return model, facts_of(facts)


def _no_source(file: Path) -> str:
    """Why this is no Python file, if it is none."""
    try:
        why = broken(file, MOST_TEXT)
    except OSError as error:
        return f"{file} can't be read: {reason(error)}"
    if why == NO_FILE:
        return f"there is no file {file}{did_you_mean(file.name, [p.name for p in _siblings(file)])}"
    if why == A_FOLDER:
        return f"{file} is a folder, not a Python file; name the file in it"
    return "" if why is None else f"{file} {why.removeprefix('it ')}, so it is not the Python file of a network"


def _siblings(file: Path) -> list[Path]:
    return list(file.parent.glob("*.py")) if is_folder(file.parent) else []


def _imported(file: Path) -> Any:
    found = importlib.util.spec_from_file_location(f"phosphene_network_{file.stem}", file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # dataclasses and pickling look themselves up there
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with guest(file):
            found.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a stranger's file: whatever it raises
        raise Mistake(f"{file.name} could not be imported: {_why(error)}") from error
    finally:
        sys.dont_write_bytecode = writes
    return module


@contextmanager
def guest(file: Path) -> Iterator[None]:
    """Run a stranger's code: our command line is not its own, it asks nobody, and what it prints is no result."""
    before = sys.argv, sys.stdin, builtins.input, getpass.getpass
    sys.argv, sys.stdin, builtins.input, getpass.getpass = [str(file)], io.StringIO(""), _nobody, _nobody
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv, sys.stdin, builtins.input, getpass.getpass = before


def _nobody(*_: Any, **__: Any) -> str:
    """Answers questions, or would."""
    raise EOFError


def _why(error: BaseException) -> str:
    """What went wrong in a stranger's code."""
    if isinstance(error, SystemExit):
        return f"it ended the program (sys.exit({error.code or 0!r}))"
    if isinstance(error, EOFError):
        return "it asks for input, and nobody is asked; give what it needs behind it: ?NAME=VALUE"
    return f"{type(error).__name__}: {first_line(error)}"


def _not_a_spec(spec: str) -> Mistake:
    path = given_path(spec, "network") if spec else Path()
    if path.suffix in (".pt", ".pth", ".pt2", ".ts", ".bin", ".safetensors", ".ckpt"):
        if reason := _refusal(path):
            return Mistake(f"{path.name} is not a network: {reason}; give --net FILE.py:FACTORY")
        try:
            read_weights(path)
        except Mistake as mistake:
            return mistake
        return Mistake(
            f"{path.name} is not a network: it holds weights, and weights alone don't tell what the network is; "
            f"give --net FILE.py:FACTORY --weights {spec}"
        )
    return Mistake(
        f"no network '{spec}'{did_you_mean(spec, [*(f'embedded:{n}' for n in EMBEDDED), 'torchvision:resnet18'])}; "
        "write embedded:NAME, torchvision:NAME, timm:NAME or FILE.py:FACTORY"
    )
