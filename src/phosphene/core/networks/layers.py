"""What a model consists of: every stage that can be read, with its name, kind, shape, channel axis, receptive field.

A layer is named as PyTorch names the module (`inception4a.branch2.0`); the second call of the same module is `name#2`;
a functional call is `module.relu`, the next one `module.relu#2`. One recorded pass at two picture sizes tells the
names in order of execution, the channel axis (what does not change with the picture's size) and the receptive fields.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.calls import called
from phosphene.core.networks.interception import Interception, forward_within
from phosphene.core.networks.rectifiers import RECTIFIERS

NORMALIZATIONS = frozenset("batch_norm layer_norm group_norm instance_norm local_response_norm rms_norm".split())
POOLS = frozenset(
    "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d mean amax max_pool1d avg_pool1d".split()
)
ATTENTION = "scaled_dot_product_attention"
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
class Axis:
    """Along one axis of the picture: unit i sees the pixels from offset + i stride, `size` of them."""

    size: float = 1
    stride: float = 1
    offset: float = 0


@dataclass(frozen=True)
class ReceptiveField:
    """What one position of a layer can see of the network's input, in its pixels.

    Attributes:
        rows, columns: size, stride and offset along each axis.
        measured: found from where the gradient is not zero (a lower bound), instead of calculated from the graph.
        parts: of joined layers, how many channels come from each, and what those see.
    """

    rows: Axis = Axis()
    columns: Axis = Axis()
    measured: bool = False
    parts: tuple[tuple[int, "ReceptiveField"], ...] = field(default=(), compare=False, repr=False)

    def of(self, channel: int) -> "ReceptiveField":
        """What this channel sees, which is less where others are joined to it."""
        for many, part in self.parts:
            if channel < many:
                return part
            channel -= many
        return self

    def __str__(self) -> str:
        same = self.rows == self.columns
        size = f"{self.rows.size:g}" if same else f"{self.rows.size:g} x {self.columns.size:g}"
        return f"{'at least ' if self.measured else ''}{size} px every {self.rows.stride:g}"

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """(top, left, bottom, right) in pixels, ends excluded, of the unit at this position; may leave the picture."""
        top, left = self.rows.offset + row * self.rows.stride, self.columns.offset + column * self.columns.stride
        return top, left, top + self.rows.size, left + self.columns.size


@dataclass(frozen=True)
class Tap:
    """Where to read a layer: the index-th call of a module, or of a function that the module itself calls."""

    owner: str
    function: str | None
    index: int


@dataclass(frozen=True)
class Layer:
    """A stage that can be read.

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


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that a module's output is about: itself, `.logits`, or the first one in a tuple or mapping."""
    if isinstance(output, Tensor):
        return output
    if isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, Mapping):
        output = [output[key] for key in ("logits", "out") if key in output] or list(output.values())
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
    if isinstance(output, Mapping):
        changed: Any = copy(output)
        for key, value in output.items():
            if (other := replaced(value, old, new)) is not value:
                changed[key] = other
        return changed
    if getattr(output, "logits", None) is old:
        changed = copy(output)
        object.__setattr__(changed, "logits", new)
        return changed
    return output


# ------------------------------------------------------------------------------------------------ receptive fields


def _pair(value: Any) -> tuple[float, float]:
    return (value[0], value[-1]) if isinstance(value, (tuple, list)) else (value, value)


def _slide(field: ReceptiveField, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> ReceptiveField:
    """After a window of this shape slides over it."""

    def along(axis: Axis, k: float, s: float, p: float, d: float) -> Axis:
        return Axis(axis.size + (k - 1) * d * axis.stride, axis.stride * s, axis.offset - p * axis.stride)

    parts = zip((field.rows, field.columns), *map(_pair, (kernel, stride, padding, dilation)), strict=True)
    rows, columns = (along(*part) for part in parts)
    return ReceptiveField(rows, columns)


def _convolution(field: ReceptiveField, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1,
                 padding: Any = 0, dilation: Any = 1, groups: int = 1) -> ReceptiveField:  # fmt: skip
    kernel = tuple(weight.shape[2:])
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(_pair(dilation), kernel, strict=True))
    return _slide(field, kernel, stride, 0 if padding == "valid" else padding, dilation)


def _max_pool(field: ReceptiveField, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
              dilation: Any = 1, **_: Any) -> ReceptiveField:  # fmt: skip
    return _slide(field, kernel_size, stride or kernel_size, padding, dilation)


def _avg_pool(field: ReceptiveField, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
              *_: Any, **__: Any) -> ReceptiveField:  # fmt: skip
    return _slide(field, kernel_size, stride or kernel_size, padding)


def _pad(field: ReceptiveField, x: Tensor, pad: Any, *_: Any, **__: Any) -> ReceptiveField | None:
    if len(pad) > 4 and any(pad[4:]):
        return None
    left, top = pad[0], pad[2] if len(pad) > 2 else 0
    rows = replace(field.rows, offset=field.rows.offset - top * field.rows.stride)
    columns = replace(field.columns, offset=field.columns.offset - left * field.columns.stride)
    return ReceptiveField(rows, columns)


_WINDOWS: dict[str, Callable[..., ReceptiveField | None]] = {
    "conv2d": _convolution,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "pad": _pad,
}
_POSITIONWISE = (
    RECTIFIERS
    | {"sigmoid", "tanh", "hardsigmoid", "batch_norm", "local_response_norm", "dropout", "add", "mul", "sub", "div"}
    | {"clone", "contiguous", "to", "float", "cat", "dropout2d", "feature_dropout", "stochastic_depth"}
)


def _union(fields: list[ReceptiveField]) -> ReceptiveField | None:
    """What an element-wise combination sees; None where the strides differ."""

    def along(axes: list[Axis]) -> Axis | None:
        if len({axis.stride for axis in axes}) > 1:
            return None
        start = min(axis.offset for axis in axes)
        return Axis(max(axis.offset + axis.size for axis in axes) - start, axes[0].stride, start)

    rows, columns = along([f.rows for f in fields]), along([f.columns for f in fields])
    return None if rows is None or columns is None else ReceptiveField(rows, columns)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)


def _field_after(known: Mapping, name: str, args: tuple, kwargs: dict, result: Tensor) -> ReceptiveField | None:
    """The receptive field of a call's result, from the known ones; None where it is not plain."""
    inputs = [x for x in _tensors((*args, *kwargs.values())) if x in known]
    fields = [known[x] for x in inputs]
    if not fields or any(field is None for field in fields) or result.dim() != 4:
        return None
    if name in _WINDOWS:
        arguments = args if args else (kwargs.pop("input"),)
        return _WINDOWS[name](fields[0], *arguments, **kwargs)
    channelwise = name != "cat" or (args[1:] or (kwargs.get("dim", 0),))[0] in (1, -3)
    same_places = all(x.shape[2:] in (result.shape[2:], (1, 1)) for x in inputs)
    if not (name in _POSITIONWISE and channelwise and same_places):
        return None
    union = _union(fields)
    if name == "cat" and union is not None and sum(x.shape[1] for x in inputs) == result.shape[1]:
        joined = (seen.parts or ((x.shape[1], seen),) for x, seen in zip(inputs, fields, strict=True))
        return replace(union, parts=tuple(part for parts in joined for part in parts))
    return fields[0] if len(fields) == 1 and name != "local_response_norm" else union


# ---------------------------------------------------------------------------------------------------- recording


@dataclass(frozen=True)
class Recorded:
    """One stage of one pass: a layer in the making, or (hidden) a call inside a leaf of torch.nn."""

    name: str
    kind: str
    shape: tuple[int, ...]
    field: ReceptiveField | None
    tap: Tap
    function: str | None
    hidden: bool


def canonical_names(model: nn.Module) -> dict[nn.Module, str]:
    """Every module by the first of its names."""
    return {module: name for name, module in model.named_modules()}


def other_names(model: nn.Module) -> dict[str, str]:
    """Names of shared modules beyond the first: the name to the first one."""
    first = canonical_names(model)
    every = model.named_modules(remove_duplicate=False)
    return {name: first[module] for name, module in every if name != first[module]}


def functional_name(module: nn.Module, function: str) -> str:
    """How a function called by `module` itself is named beside its children."""
    return f"functional_{function}" if function in dict(module.named_children()) else function


def record(model: nn.Module, x: Tensor) -> list[Recorded]:
    """Run `model` on x and list its stages in order of execution."""
    names = canonical_names(model)
    by_name = {name: module for module, name in names.items()}
    calls: Counter[tuple[str, str | None]] = Counter()
    found: list[Recorded] = []
    fields = WeakTensorKeyDictionary({x: ReceptiveField()})  # beside the tensors: some of them are the model's own

    def note(owner: str, function: str | None, kind: str, output: Tensor, hidden: bool) -> None:
        calls[owner, function] += 1
        index = calls[owner, function]
        name = owner
        if function is not None:
            name = ".".join(filter(None, (owner, functional_name(by_name[owner], function))))
        name += f"#{index}" if index > 1 else ""
        hidden = hidden or not name or output.dim() < 2 or len(output) != len(x) or not output.is_floating_point()
        field = fields.get(output)
        found.append(
            Recorded(name, kind, tuple(output.shape[1:]), field, Tap(owner, function, index), function, hidden)
        )

    def handle(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        result = function(*args, **kwargs)
        name = called(function, args, kwargs)
        if any(x in fields for x in _tensors((*args, *kwargs.values()))):  # else it is a constant
            for tensor in _tensors(args[:1] if name == "setitem" else (result,)):
                fields[tensor] = _field_after(fields, name, args, dict(kwargs), tensor)
        if name in FUNCTIONAL and isinstance(result, Tensor):
            module = by_name[owner]
            leaf = type(module).__module__.startswith("torch.nn.") and not list(module.children())
            note(owner, name, FUNCTIONAL[name], result, leaf)
        return result

    mode = Interception(handle)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is not None:
            with mode.inside(None):
                fields.setdefault(tensor, None)
                note(names[module], None, type(module).__name__, tensor, False)

    with ExitStack() as stack, torch.no_grad():
        for module, name in names.items():
            stack.enter_context(forward_within(module, partial(mode.inside, name)))
            stack.callback(module.register_forward_hook(leave).remove)
        model(x)
    return found


def channel_axis(shape: tuple[int, ...], other: tuple[int, ...] | None) -> int:
    """The axis (batch included) that counts channels: what stays when the picture's size changes.

    For networks of a fixed size, and where several axes stay: 1 for (n, c, h, w) and (n, c), the last for tokens.
    """
    usual = 2 if len(shape) == 2 else 1
    if other is None or len(other) != len(shape):
        return usual
    same = [axis for axis, (a, b) in enumerate(zip(shape, other, strict=True), start=1) if a == b]
    return usual if usual in same or not same else same[-1]
