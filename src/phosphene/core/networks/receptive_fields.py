"""What one position of a layer can see of the picture: calculated along the graph, or measured by the gradient.

A window that slides over a layer whose units see `size` pixels, `stride` apart, sees size + (k - 1) d stride pixels
(`sliding_windows.py`; Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks",
doi 10.23915/distill.00021). Where the graph is not that plain, the field is where the gradient is not zero.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from phosphene.core.networks import sliding_windows
from phosphene.core.networks.rectifiers import RECTIFIERS
from phosphene.core.networks.sliding_windows import Pair, SlidingWindow, Windows


@dataclass(frozen=True)
class Axis:
    """Along one axis of the picture: unit i sees the pixels from offset + i stride, `size` of them."""

    size: float = 1
    stride: float = 1
    offset: float = 0

    def behind(self, window: SlidingWindow) -> "Axis":
        """What a unit sees of the picture whose window slides over units that see this."""
        return Axis(
            self.size + (window.size - 1) * self.stride,
            self.stride * window.stride,
            self.offset + window.first_input(0) * self.stride,
        )


@dataclass(frozen=True)
class ReceptiveField:
    """What one position of a layer can see of the network's input, in its pixels.

    Attributes:
        rows, columns: size, stride and offset along each axis.
        measured: the box where the gradient is not zero (a lower bound), instead of being calculated from the graph.
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

    def behind(self, windows: Windows) -> "ReceptiveField":
        """What windows that slide over such units, over all channels, see."""
        rows, columns = windows
        return ReceptiveField(self.rows.behind(rows), self.columns.behind(columns))

    def channelwise(self, windows: Windows) -> "ReceptiveField":
        """The same of windows that slide over each channel by itself."""
        return replace(self.behind(windows), parts=tuple((many, part.behind(windows)) for many, part in self.parts))

    def __str__(self) -> str:
        same = self.rows == self.columns
        size = f"{self.rows.size:g}" if same else f"{self.rows.size:g} x {self.columns.size:g}"
        return f"{'at least ' if self.measured else ''}{size} px every {self.rows.stride:g}"

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """(top, left, bottom, right) in pixels, ends excluded, of the unit at this position; may leave the picture."""
        top, left = self.rows.offset + row * self.rows.stride, self.columns.offset + column * self.columns.stride
        return top, left, top + self.rows.size, left + self.columns.size


# ------------------------------------------------------------------------------------------------------- calculated


def _convolution(x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1) -> Windows:  # fmt: skip
    return sliding_windows.convolution(weight, stride, padding, dilation)


def _max_pool(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
              **_: Any) -> Windows:  # fmt: skip
    return sliding_windows.pool(kernel_size, stride, padding, dilation)


def _avg_pool(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any) -> Windows:
    return sliding_windows.pool(kernel_size, stride, padding)


def _pad(x: Tensor, pad: Any, mode: str = "constant", *_: Any, **__: Any) -> Windows | None:
    return None if any(pad[4:]) or mode == "circular" else sliding_windows.pad(pad)


_WINDOWS: dict[str, Callable[..., Windows | None]] = {
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


def tensors(values: Any) -> Iterator[Tensor]:
    """Those among the arguments of a call, also in lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from tensors(value)


def field_after(known: Mapping, name: str, args: tuple, kwargs: Mapping, result: Tensor) -> ReceptiveField | None:
    """The receptive field of a call's result, from the known ones of its arguments; None where it is not plain.

    Args:
        known: the field of each tensor, or None.
        name: what the call does (`calls.called`).
        args, kwargs: of the call.
        result: what it returned.
    """
    inputs = [x for x in tensors((*args, *kwargs.values())) if x in known]
    fields = [known[x] for x in inputs]
    if not fields or any(field is None for field in fields) or result.dim() != 4:
        return None
    if name in _WINDOWS:
        named = {("x" if key == "input" else key): value for key, value in kwargs.items()}
        windows = _WINDOWS[name](*args, **named)
        if windows is None:
            return None
        return fields[0].behind(windows) if _mixes_channels(name, args, inputs[0]) else fields[0].channelwise(windows)
    if not _works_by_position(name, args, kwargs, inputs, result):
        return None
    union = _union(fields)
    if name == "cat" and union is not None and sum(x.shape[1] for x in inputs) == result.shape[1]:
        joined = (seen.parts or ((x.shape[1], seen),) for x, seen in zip(inputs, fields, strict=True))
        return replace(union, parts=tuple(part for parts in joined for part in parts))
    return fields[0] if len(fields) == 1 and name != "local_response_norm" else union


def _mixes_channels(name: str, args: tuple, x: Tensor) -> bool:
    """Whether a window looks at several channels: all do but pooling, padding, and convolutions of single channels."""
    weight = args[1] if len(args) > 1 else None
    single = isinstance(weight, Tensor) and weight.shape[1] == 1 and len(weight) == x.shape[1]
    return name == "conv2d" and not single


def _works_by_position(name: str, args: tuple, kwargs: Mapping, inputs: Sequence[Tensor], result: Tensor) -> bool:
    """Whether each number of the result comes from the same place of the inputs."""
    channelwise = name != "cat" or (args[1:] or (kwargs.get("dim", 0),))[0] in (1, -3)
    same_places = all(x.shape[2:] in (result.shape[2:], (1, 1)) for x in inputs)
    return name in _POSITIONWISE and channelwise and same_places


def _union(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    """What an element-wise combination sees; None where the strides differ."""

    def along(axes: list[Axis]) -> Axis | None:
        if len({axis.stride for axis in axes}) > 1:
            return None
        start = min(axis.offset for axis in axes)
        return Axis(max(axis.offset + axis.size for axis in axes) - start, axes[0].stride, start)

    rows, columns = along([f.rows for f in fields]), along([f.columns for f in fields])
    return None if rows is None or columns is None else ReceptiveField(rows, columns)


# --------------------------------------------------------------------------------------------------------- measured


def measured_field(read: Callable[[Tensor], Tensor], noise: Callable[[int], Tensor], places: Pair) -> ReceptiveField:
    """The box outside of which the gradient of a middle position is zero, united over three noises.

    Args:
        read: from a picture (1, 3, h, w) to the layer (1, channels, rows, columns).
        noise: a picture for each seed.
        places: rows and columns of the layer.
    """
    height, width = noise(0).shape[2:]

    @torch.enable_grad()
    def box(row: int, column: int) -> tuple[slice, slice]:
        lit = torch.zeros(height, width, dtype=torch.bool, device=noise(0).device)
        for seed in range(3):
            x = noise(seed).requires_grad_()
            y = read(x)[..., row, column]
            lit |= torch.autograd.grad(y.abs().sum(), x)[0].abs().sum((0, 1)) > 0
        rows, columns = (lit.any(axis).nonzero().flatten().tolist() or [0] for axis in (1, 0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    middle = [places[0] // 2, places[1] // 2]
    here, before = box(*middle), box(*(max(at - 1, 0) for at in middle))

    def axis(size: int, many: int, part: slice, one_before: slice, at: int) -> Axis:
        # where the picture's edge cuts the boxes off, the number of positions tells
        stride = part.start - one_before.start or round(size / many)
        return Axis(part.stop - part.start, stride, part.start - at * stride)

    rows, columns = (axis(*along) for along in zip((height, width), places, here, before, middle, strict=True))
    return ReceptiveField(rows, columns, measured=True)
