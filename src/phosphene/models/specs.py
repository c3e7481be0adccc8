"""Networks from one spec string, the same in Python and on the command line.

    embedded:photo                         a network of our own, inside the package; embedded:digits is another
    torchvision:resnet18                   with its published weights; ?weights=none for untrained
    timm:resnet18                          the same from timm
    hog:8x8x9, sift:4x4x8                  hand-made codes: cells of so many pixels, and orientations
    path/to/file.py:factory                your own; the function returns a module, or a module and a dict
    path/to/file.safetensors               one that `phosphene train-robust` or `train-dream` has trained

Weights load without executing code: safetensors, or a state dict that `torch.load(weights_only=True)` accepts.
"""

import importlib.util
from pathlib import Path

import torch

from phosphene.core.errors import Mistake
from phosphene.core.extras import needs
from phosphene.core.networks.checked import checked_facts
from phosphene.core.networks.head import HeadKind
from phosphene.core.networks.network import Network
from phosphene.core.networks.outputs import Output
from phosphene.core.networks.plan import PRECISIONS, Plans
from phosphene.core.results.provenance import state_sha256
from phosphene.core.units.labels import class_names
from phosphene.models.embedded import EMBEDDED, embedded, embedded_words
from phosphene.models.facts import query_options
from phosphene.models.files import code_sha256_of, network_of_file, without_folders
from phosphene.models.hog import EXAMPLES, hand_made, hand_made_words
from phosphene.models.plan_files import chosen_plans
from phosphene.models.preparing import cast, check_numbers, evaluating, quantized, settle
from phosphene.models.timm import timm_network
from phosphene.models.torchvision import torchvision_names, torchvision_network
from phosphene.models.trained import trained_network
from phosphene.models.weights import put_weights

DEFAULT = "embedded:photo"


def load(
    spec: str = DEFAULT,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    plan: str | Path | Plans = "auto",
    head: HeadKind | None = None,
    channels: int | None = None,
    shown: tuple[int, int, int] | None = None,
    input: str | None = None,
    output: Output = None,
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
        head: what its outputs are, where trying can't tell: "softmax" or "sigmoid" logits, "probabilities", "numbers".
        channels, shown, input, output: as for `Network`, instead of what the network's SPEC says.
    Raises:
        Mistake: no such network, file, weights, device, precision or plan; the nearest choice is told.
    """
    kind, _, rest = spec.partition(":")
    name, _, query = rest.partition("?")
    options = query_options(query)
    if kind == "embedded":
        model, facts = embedded(name)
        if options:
            raise Mistake(f"embedded:{name} takes no options, so '?{query}' means nothing; leave it out")
    elif kind == "torchvision":
        model, facts = torchvision_network(name, options)
    elif kind == "timm":
        model, facts = timm_network(name, options)
    elif kind in EXAMPLES:
        model, facts = hand_made(kind, name, options)
    else:
        model, facts = trained_network(spec) or network_of_file(spec)
    said = {"head": head, "channels": channels, "shown": shown, "input": input, "output": output}
    facts = checked_facts(**facts | {key: value for key, value in said.items() if value is not None})
    called, dtype = without_folders(spec), named_dtype(precision)
    notes = [] if weights is None else put_weights(model, weights)
    check_numbers(model, called)
    settle(model, called, facts)
    if quantized(model):
        device, dtype = _of_quantized(called, device, dtype)
    sha256 = state_sha256(model)
    model = cast(evaluating(model), named_device(device), dtype)
    plans = chosen_plans(plan, precision, dtype, sha256)
    network = Network(model, precision=precision, name=called, **facts).following(plans)
    code = code_sha256_of(spec)
    if code and network.labels:  # a person's own: are there as many as classes?
        try:
            class_names(network)
        except Mistake as mistake:
            if "?" not in spec:
                raise
            network = Network(model, precision=precision, name=called, **facts | {"labels": None}).following(plans)
            notes.append(f"{mistake} with these arguments; so its classes have no names")
    for words in notes:
        network.tell(words)
    return network.loaded_from(sha256, code)


def _of_quantized(name: str, device: str, dtype: torch.dtype) -> tuple[str, torch.dtype]:
    if dtype != torch.float32:
        raise Mistake(f"{name} is quantized, so it can't be run in {str(dtype).removeprefix('torch.')}; use float32")
    return ("cpu" if device == "auto" else device), dtype


def networks() -> dict[str, str]:
    """What can be loaded: the spec, and a few words about it."""
    found = {f"embedded:{name}": embedded_words(name) for name in EMBEDDED}
    many = len(torchvision_names())
    found["torchvision:NAME"] = f"one of {many} classification networks; ?weights=none for untrained"
    has_timm = importlib.util.find_spec("timm") is not None
    found["timm:NAME"] = "timm's networks" if has_timm else f"timm's networks; {needs('it', 'timm', 'timm')}"
    found |= {spec: hand_made_words(kind) for kind, spec in EXAMPLES.items()}
    found["FILE.safetensors"] = "a network that `phosphene train-robust` or `train-dream` has trained"
    found["FILE.py:FACTORY"] = "your own: a function that returns a module, or a module and a dict of mean, std, ..."
    return found


def named_device(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU where there is one."""
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if has["cuda"] else "mps" if has["mps"] else "cpu")
    if not has.get(name.partition(":")[0], False):
        raise Mistake(f"device '{name}' is not here; there is {', '.join(d for d, there in has.items() if there)}")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise Mistake(f"'{name}' is not a device; write cpu, cuda, cuda:1 or mps") from error


def named_dtype(precision: str) -> torch.dtype:
    """What parameters are kept in, for this precision."""
    if precision not in ("auto", *PRECISIONS):
        raise Mistake(f"precision '{precision}' is not known; there are auto, {', '.join(PRECISIONS)}")
    return torch.float64 if precision == "float64" else torch.float32
