"""What a model consists of: every layer that can be read, with its name, kind, shape, channel axis, receptive field.

A layer is named as PyTorch names the module (`inception4a.branch2.0`); the second call of the same module is `name#2`;
a functional call is `module.relu`, the next one `module.relu#2`. One recorded pass at two picture sizes tells the
names in order of execution, the channel axis (what does not change with the picture's size) and the receptive fields.
"""

import dataclasses
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from phosphene.core.networks.opaque import visible_modules
from phosphene.core.networks.receptive_fields import ReceptiveField

ATTENTION = "scaled_dot_product_attention"
"""The function whose result is a layer of heads."""


@dataclass(frozen=True)
class Tap:
    """Where to read a layer: the index-th call of a module, or of a function that the module itself calls."""

    owner: str
    function: str | None
    index: int


USUAL = ("logits", "out", "output", "pred", "scores", "probs")
"""What the tensor that an output is about is called in mappings and objects, in this order."""

LOGITS = Tap("", None, 1)
"""The model's output, whichever part of it that is."""


@dataclass(frozen=True)
class Layer:
    """What can be read.

    Attributes:
        name: as described above.
        kind: the module's class, or what the function does ("activation", "pooling", "addition", ...).
        shape: of one picture's activation at the network's own input size, without the batch.
        channel_axis: which axis of the whole activation (batch included) counts channels.
        field: the receptive field where it could be calculated, None where it has to be measured.
        tap: where it is read.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    channel_axis: int
    field: ReceptiveField | None
    tap: Tap

    @property
    def channels(self) -> int:
        """How many units it has."""
        return self.shape[self.channel_axis - 1]


def parameter_count(model: nn.Module, layer: Layer) -> int:
    """How many numbers were learnt in a layer, those inside of it included; a later call of it has none of its own."""
    if layer.tap.function is not None or layer.tap.index > 1 or not layer.tap.owner:
        return 0
    return sum(p.numel() for p in model.get_submodule(layer.tap.owner).parameters())


def entries_of(output: Any) -> dict[str, Any] | None:
    """What a mapping or an object with fields holds, by name; None of anything else."""
    if isinstance(output, Mapping):
        return {str(key): value for key, value in output.items()}
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return {field.name: getattr(output, field.name, None) for field in dataclasses.fields(output)}
    return None


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that a module's output is about: itself, `.logits`, or the first one in a tuple, mapping or object."""
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    entries = entries_of(output)
    if entries is not None:
        output = [entries[key] for key in USUAL if key in entries] or list(entries.values())
    if isinstance(output, (tuple, list)):
        return next((found for item in output if (found := first_tensor(item)) is not None), None)
    return None


def replaced(output: Any, old: Tensor, new: Tensor) -> Any:
    """A module's output with one tensor exchanged for another; the containers around it are copied."""
    if output is old:
        return new
    if isinstance(output, (tuple, list)):
        items = [replaced(item, old, new) for item in output]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    changed: Any
    if isinstance(output, Mapping):
        changed = copy(output)
        for key, value in output.items():
            if (other := replaced(value, old, new)) is not value:
                changed[key] = other
        return changed
    entries = entries_of(output) or {"logits": getattr(output, "logits", None)}
    others = {name: replaced(value, old, new) for name, value in entries.items() if value is not None}
    if all(entries[name] is value for name, value in others.items()):
        return output
    changed = copy(output)
    for name, value in others.items():
        object.__setattr__(changed, name, value)
    return changed


def canonical_names(model: nn.Module) -> dict[nn.Module, str]:
    """Every module by the first of its names."""
    return {module: name for name, module in visible_modules(model)}


def other_names(model: nn.Module) -> dict[str, str]:
    """Names of shared modules beyond the first: the name to the first one."""
    first = canonical_names(model)
    every = model.named_modules(remove_duplicate=False)
    return {name: first[module] for name, module in every if module in first and name != first[module]}


def functional_name(module: nn.Module, function: str) -> str:
    """How a function called by `module` itself is named beside its children."""
    return f"functional_{function}" if function in dict(module.named_children()) else function


def channel_axis(shape: tuple[int, ...], other: tuple[int, ...] | None) -> int:
    """The axis (batch included) that counts channels: what stays when the picture's size changes.

    For networks of a fixed size, and where several axes stay: 1 for (n, c, h, w) and (n, c), the last for tokens.
    """
    usual = 2 if len(shape) == 2 else 1
    if other is None or len(other) != len(shape):
        return usual
    same = [axis for axis, (a, b) in enumerate(zip(shape, other, strict=True), start=1) if a == b]
    return usual if usual in same or not same else same[-1]
