"""Networks from one spec string, the same in Python and on the command line.

    embedded:photo                         a network of our own, inside the package; embedded:digits is another
    torchvision:resnet18                   with its published weights; ?weights=none for untrained
    timm:resnet18                          the same from timm
    path/to/file.py:factory                your own; the function returns a module, or a module and a dict

Weights load without executing code: safetensors, or a state dict that `torch.load(weights_only=True)` accepts.
"""

import ast
import importlib.util
import json
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PRECISIONS, Plans, parse_plans, plain
from phosphene.core.results.provenance import file_sha256, state_sha256
from phosphene.models.digits import Digits
from phosphene.models.photo import Photo

WEIGHTS = Path(__file__).with_name("weights")
EMBEDDED: dict[str, Callable[[], nn.Module]] = {"photo": Photo, "photo-robust": Photo, "digits": Digits}
DEFAULT = "embedded:photo"
_FILE = re.compile(r"(?P<file>.+?\.py)(?::(?P<name>[^?]*))?(?:\?(?P<query>.*))?", re.DOTALL)


def load(
    spec: str = DEFAULT,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    plan: str | Path | Plans = "auto",
) -> Network:
    """The network that `spec` names.

    Args:
        spec: as described above.
        weights: a safetensors file, or a state dict saved by torch.save, to put into it.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "mps".
        precision: "auto" (bfloat16 for synthesized pictures where the device has instructions for it, else float32),
            or "float32", "float64" or "bfloat16" for everything.
        plan: how the network is run: "auto" (by the rules of `networks/plan.py`), "none" (as anybody would call it), or
            a file that `phosphene tune` wrote.
    Raises:
        Mistake: no such network, file, weights, device, precision or plan; the nearest choice is told.
    """
    kind, _, rest = spec.partition(":")
    name, _, query = rest.partition("?")
    options = _options(query)
    if kind == "embedded":
        model, facts = _embedded(name)
    elif kind == "torchvision":
        model, facts = _torchvision(name, options)
    elif kind == "timm":
        model, facts = _timm(name, options)
    else:
        model, facts = _file(spec)
    if weights is not None:
        put_weights(model, Path(weights))
    sha256, dtype = state_sha256(model), _dtype(precision)
    model = model.eval().to(device=_device(device), dtype=dtype)
    facts |= {"name": _without_folders(spec), "sha256": sha256, "code_sha256": _code_sha256(spec)}
    return Network(model, precision=precision, plans=_plans(plan, precision, dtype, sha256), **facts)


def networks() -> dict[str, str]:
    """What can be loaded: the spec, and a few words about it."""
    found = {f"embedded:{name}": _embedded_words(name) for name in EMBEDDED}
    many = len(_torchvision_names())
    found["torchvision:NAME"] = f"one of {many} classification networks; ?weights=none for untrained"
    has_timm = importlib.util.find_spec("timm") is not None
    found["timm:NAME"] = "timm's networks" if has_timm else "timm's networks; needs: pip install 'phosphene[timm]'"
    found["FILE.py:FACTORY"] = "your own: a function that returns a module, or a module and a dict of mean, std, ..."
    return found


def _without_folders(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    return Path(match["file"]).name + spec[match.end("file") :] if match else spec


def _options(query: str) -> dict[str, Any]:
    def value(text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value(text) for name, _, text in pairs}


def _device(name: str) -> torch.device:
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if has["cuda"] else "mps" if has["mps"] else "cpu")
    if not has.get(name.partition(":")[0], False):
        raise Mistake(f"device '{name}' is not here; there is {', '.join(d for d, there in has.items() if there)}")
    return torch.device(name)


def _dtype(precision: str) -> torch.dtype:
    if precision not in ("auto", *PRECISIONS):
        raise Mistake(f"precision '{precision}' is not known; there are auto, {', '.join(PRECISIONS)}")
    return torch.float64 if precision == "float64" else torch.float32


def _code_sha256(spec: str) -> str:
    match = _FILE.fullmatch(spec)
    return file_sha256(match["file"]) if match else ""


def _plans(given: str | Path | Plans, precision: str, dtype: torch.dtype, sha256: str) -> Plans | None:
    """The plans that replace the rules."""
    if given == "auto":
        return None
    if isinstance(given, Mapping):
        found = given
    elif given == "none":
        found = plain(precision if precision == "bfloat16" else str(dtype).removeprefix("torch."))
    elif precision != "auto":
        raise Mistake(f"a plan file says which precision is used; leave out --plan or --precision {precision}")
    else:
        found = read_plans(given, sha256)
    for plan in found.values():
        if PRECISIONS[plan.precision] not in (dtype, torch.bfloat16):
            raise Mistake(f"the plan is for {plan.precision}, the network is in {str(dtype).removeprefix('torch.')}")
    return found


def read_plans(file: str | Path, sha256: str) -> Plans:
    """The plans in a file that `phosphene tune` wrote, for the network of this hash.

    Raises:
        Mistake: no such file, no plans, or those of another network.
    """
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"the plan {file} can't be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise Mistake(f"{file} is no plan; `phosphene tune` writes one") from error
    network = found.get("network") if isinstance(found, dict) else None
    if not isinstance(network, dict) or "plans" not in found:
        raise Mistake(f"{file} is no plan; `phosphene tune` writes one")
    if network.get("sha256") != sha256:
        raise Mistake(f"{file} was measured for {network.get('spec')} with other weights; run `phosphene tune` again")
    return parse_plans(found["plans"])


# ------------------------------------------------------------------------------------------------------ embedded


def _embedded_file(name: str) -> Path:
    if name not in EMBEDDED:
        there = ", ".join(f"embedded:{n}" for n in EMBEDDED)
        raise Mistake(f"no embedded network '{name}'{did_you_mean(name, EMBEDDED)} (there is {there})")
    return WEIGHTS / f"{name}.safetensors"


def _embedded_words(name: str) -> str:
    with safe_open(_embedded_file(name), "pt") as file:
        return json.loads(file.metadata()["spec"]).get("about", "")


def _embedded(name: str) -> tuple[nn.Module, dict[str, Any]]:
    file = _embedded_file(name)
    with safe_open(file, "pt") as opened:
        facts = json.loads(opened.metadata()["spec"])
        state = {key: opened.get_tensor(key).float() for key in opened.keys()}  # noqa: SIM118 (not a mapping)
    model = EMBEDDED[name]()
    model.load_state_dict(state)
    return model, _facts(facts)


def _facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a Network wants to know, out of a SPEC; its other entries are for people."""
    facts = {key: spec[key] for key in ("mean", "std", "bgr", "labels", "output") if spec.get(key) is not None}
    size = spec.get("input_size", spec.get("size"))
    return facts | ({"size": tuple(size)[-2:] if isinstance(size, (list, tuple)) else size} if size else {})


# ------------------------------------------------------------------------------------------------- zoos


def import_torchvision() -> Any:
    """torchvision, also where its compiled operators can't be loaded (a CPU build of torch beside PyPI's wheel).

    Its classification networks need none of them, but importing it registers shape functions for two; so these two are
    declared, without an implementation, where they are missing.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision

        torchvision._phosphene_library = library  # a library's operators vanish with it
    return torchvision


def _torchvision_names() -> list[str]:
    models = import_torchvision().models
    return models.list_models(module=models)


def _torchvision(name: str, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    models = import_torchvision().models
    names = _torchvision_names()
    if name not in names:
        raise Mistake(f"torchvision has no network '{name}'{did_you_mean(name, names)}")
    every = models.get_model_weights(name)
    which = str(options.pop("weights", "DEFAULT"))
    untrained = which.casefold() == "none"
    if not untrained and not hasattr(every, which):
        raise Mistake(f"{name} has no weights '{which}'; there are {', '.join(w.name for w in every)} and none")
    weights = every.DEFAULT if untrained else every[which] if which != "DEFAULT" else every.DEFAULT
    preset = weights.transforms()
    facts = {
        "mean": preset.mean, "std": preset.std, "size": preset.crop_size[0], "labels": weights.meta["categories"],
    }  # fmt: skip
    try:
        with torch.random.fork_rng(devices=[]), redirect_stdout(sys.stderr):  # a download says so
            torch.manual_seed(0)
            model = models.get_model(name, weights=None if untrained else weights, **options)
    except (TypeError, ValueError) as error:
        raise Mistake(f"torchvision's {name} can't be made like this: {_first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        raise Mistake(
            f"the weights of {name} are not in the cache and could not be fetched ({_first_line(error)}); "
            f"torchvision:{name}?weights=none is the untrained network"
        ) from error
    return model, facts


def _timm(name: str, options: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    import_torchvision()
    try:
        import timm
    except ImportError as error:
        raise Mistake("timm's networks need the package timm: pip install 'phosphene[timm]'") from error
    if not timm.is_model(name):
        raise Mistake(f"timm has no network '{name}'{did_you_mean(name, timm.list_models())}")
    pretrained = str(options.pop("weights", "default")).casefold() != "none"
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: Any = timm.create_model(name, pretrained=pretrained, **options)
    except TypeError as error:
        raise Mistake(f"timm's {name} can't be made like this: {_first_line(error)}") from error
    except Exception as error:  # whatever the ways to Hugging Face raise today
        raise Mistake(
            f"the weights of {name} are not in the cache and could not be fetched ({_first_line(error)}); "
            f"timm:{name}?weights=none is the untrained network"
        ) from error
    config = model.pretrained_cfg
    facts: dict[str, Any] = {"mean": config["mean"], "std": config["std"], "size": tuple(config["input_size"][1:])}
    if config.get("num_classes") == 1000:
        info = timm.data.ImageNetInfo()
        facts["labels"] = [info.index_to_description(index) for index in range(1000)]
    return model, facts


# ------------------------------------------------------------------------------------------------------- files


def _file(spec: str) -> tuple[nn.Module, dict[str, Any]]:
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
        made = factory(**_options(query))
    except TypeError as error:
        raise Mistake(
            f"{file.name}:{name} could not be called: {_first_line(error)}; arguments go behind it: ?NAME=VALUE"
        ) from error
    except Exception as error:  # a stranger's function: whatever it raises
        raise Mistake(f"{file.name}:{name} failed: {type(error).__name__}: {_first_line(error)}") from error
    beside = getattr(module, "SPEC", {}) if name == "build" else {}
    model, facts = made if isinstance(made, tuple) and len(made) == 2 else (made, beside)
    if not isinstance(model, nn.Module) or not isinstance(facts, Mapping):
        what = type(model).__name__ if isinstance(facts, Mapping) else f"a module and {type(facts).__name__}"
        raise Mistake(f"{file.name}:{name} returned {what}, not a torch.nn.Module, or one and a dict of mean, std, ...")
    return model, _facts(facts)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


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
        raise Mistake(f"{file.name} could not be imported: {type(error).__name__}: {_first_line(error)}") from error
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
