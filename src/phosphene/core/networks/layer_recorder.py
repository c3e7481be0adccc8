"""The layers of one pass: what can be read, with its name, kind, shape and receptive field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.layers import ATTENTION, Tap, canonical_names, first_tensor, functional_name
from phosphene.core.networks.receptive_fields import ReceptiveField, field_after, tensors
from phosphene.core.networks.rectifiers import RECTIFIERS

NORMALIZATIONS = frozenset("batch_norm layer_norm group_norm instance_norm local_response_norm rms_norm".split())
POOLS = frozenset(
    "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d mean amax max_pool1d avg_pool1d".split()
)
FUNCTIONAL = {
    **dict.fromkeys(RECTIFIERS | {"sigmoid", "tanh", "hardsigmoid"}, "activation"),
    **dict.fromkeys(NORMALIZATIONS, "normalization"),
    **dict.fromkeys(POOLS, "pooling"),
    **dict.fromkeys(("softmax", "log_softmax"), "softmax"),
    "cat": "concatenation",
    "add": "addition",
    ATTENTION: "attention",
}
"""Functional calls that are layers, and their kind; attention's units are its heads, (heads, tokens, dimensions)."""


@dataclass(frozen=True)
class RecordedLayer:
    """A layer as one pass shows it, or (hidden) a call inside a leaf of torch.nn, which is not a layer of its own."""

    name: str
    kind: str
    shape: tuple[int, ...]
    field: ReceptiveField | None
    tap: Tap
    hidden: bool


class LayerRecorder:
    """Listens to a pass of `model` on x and lists its layers in order of execution."""

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        self.layers: list[RecordedLayer] = []
        self._modules = {name: module for module, name in canonical_names(model).items()}
        self._pictures = len(x)
        self._fields = WeakTensorKeyDictionary({x: ReceptiveField()})  # beside the tensors: some are the model's own

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """What the result of this function can see; and a layer, where it is one of `FUNCTIONAL`."""
        name = tap.function or ""
        if any(x in self._fields for x in tensors((*args, *kwargs.values()))):  # else it is a constant
            for tensor in tensors(args[:1] if name == "setitem" else (result,)):
                self._fields[tensor] = field_after(self._fields, name, args, kwargs, tensor)
        if name in FUNCTIONAL and isinstance(result, Tensor):
            module = self._modules[tap.owner]
            leaf = type(module).__module__.startswith("torch.nn.") and not list(module.children())
            written = ".".join(filter(None, (tap.owner, functional_name(module, name))))
            self._add(tap, written, FUNCTIONAL[name], result, leaf)

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """A layer, where the module returned a tensor."""
        tensor = first_tensor(output)
        if tensor is not None:
            self._fields.setdefault(tensor, None)
            self._add(tap, tap.owner, type(module).__name__, tensor, False)

    def _add(self, tap: Tap, name: str, kind: str, output: Tensor, hidden: bool) -> None:
        numbered = name + (f"#{tap.index}" if tap.index > 1 else "")
        rows = output.dim() >= 2 and len(output) == self._pictures and output.is_floating_point()
        field = self._fields.get(output)
        self.layers.append(
            RecordedLayer(numbered, kind, tuple(output.shape[1:]), field, tap, hidden or not numbered or not rows)
        )
