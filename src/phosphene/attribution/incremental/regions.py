"""What a change inside a window of the picture can reach, layer by layer, and how to compute only that.

Output i of a convolution or a pool sees the inputs i s - b + j d for 0 <= j < k (kernel k, stride s, dilation d, and b
rows of padding before the first), so that a change in the rows a <= r < z reaches

    ceil((a + b - (k - 1) d) / s)  <=  i  <=  floor((z - 1 + b) / s).

Operations that work position by position reach no further, sums and concatenations reach what their parts do, and
whatever else there is needs the whole picture (Nakandala et al. 2019, doi 10.1145/3299869.3319874, section 3).

The boxes of a batch of windows differ in place, and by a row or so in size. All of them are computed as patches of the
largest size, moved inside the layer where they would leave it: what is computed beyond a box is what was there before.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from phosphene.core.networks.recording import Call, Recording

Pair = tuple[int, int]
"""Of rows and of columns."""

SMALLEST = -float("inf")
"""What lies around the input of a pool that looks for the largest."""


@dataclass(frozen=True)
class Boxes:
    """What is reached in one layer, a box a picture.

    Attributes:
        start, stop: (2, n) first and last (excluded) row and column.
        size: of the patches, the same for all.
        top: (2, n) where they begin.
    """

    start: Tensor
    stop: Tensor
    size: Pair
    top: Tensor

    @property
    def count(self) -> int:
        """How many pictures."""
        return self.top.shape[1]

    @classmethod
    def of(cls, start: Tensor, stop: Tensor, layer: Pair) -> "Boxes":
        """Patches around boxes in a layer of this height and width."""
        rows, columns = (stop - start).amax(1).clamp(min=1).tolist()
        top = start.minimum(_column((layer[0] - rows, layer[1] - columns)))
        return cls(start, stop, (rows, columns), top)


def _column(pair: Pair) -> Tensor:
    return torch.tensor(pair)[:, None]


@dataclass(frozen=True)
class Slide:
    """A window that slides over its input: see above.

    Attributes:
        fill: what lies around the input.
        moves: positions may be others behind it also where it is as small as can be.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    before: Pair = (0, 0)
    dilation: Pair = (1, 1)
    fill: float = 0.0
    moves: bool = False

    @property
    def stays(self) -> bool:
        """It works position by position."""
        return not self.moves and self.kernel == self.stride == (1, 1) and self.before == (0, 0)

    def reach(self, boxes: Boxes, layer: Pair) -> Boxes:
        """The boxes in its output, a layer of this height and width."""
        if self.stays:
            return boxes
        kernel, stride, before, dilation, end = (
            _column(pair) for pair in (self.kernel, self.stride, self.before, self.dilation, layer)
        )
        first = -((dilation * (kernel - 1) - boxes.start - before) // stride)
        last = (boxes.stop - 1 + before) // stride + 1
        return Boxes.of(first.clamp(min=0).minimum(end), last.clamp(min=0).minimum(end), layer)

    def sees(self, boxes: Boxes) -> tuple[Tensor, Pair, Pair]:
        """Of its input: where the parts begin (2, n), how large they are, and every how many rows and columns."""
        top = boxes.top * _column(self.stride) - _column(self.before)
        if self.kernel == (1, 1):
            return top, boxes.size, self.stride
        parts = zip(boxes.size, self.kernel, self.stride, self.dilation, strict=True)
        rows, columns = ((size - 1) * s + (k - 1) * d + 1 for size, k, s, d in parts)
        return top, (rows, columns), (1, 1)


@dataclass(frozen=True)
class Way:
    """How a call is computed on patches.

    Attributes:
        run: the tensors that it makes, from the parts of its input nodes and the boxes of its output.
        slide: how its one input is seen; None where patches of several inputs stay where they are.
    """

    run: Callable[[Mapping[int, Tensor], Boxes], Sequence[Tensor]]
    slide: Slide = Slide()


def union(parts: Sequence[Boxes], layer: Pair) -> Boxes:
    """The boxes around several, in layers of the same height and width."""
    if all(part is parts[0] for part in parts):
        return parts[0]
    start = torch.stack([part.start for part in parts]).amin(0)
    return Boxes.of(start, torch.stack([part.stop for part in parts]).amax(0), layer)


# ------------------------------------------------------------------------------------------------------------- rules

_POINTWISE = frozenset(
    "relu hardtanh leaky_relu elu gelu silu mish hardswish hardsigmoid sigmoid tanh softplus threshold celu selu "
    "_prelu_kernel add sub rsub mul div pow rsqrt sqrt reciprocal abs neg exp log sign clamp clamp_min clamp_max "
    "minimum maximum clone detach alias _to_copy where lt le gt ge eq ne".split()
)
"""What computes each number from the numbers at the same place."""

_NORMALIZATIONS = frozenset(
    "native_batch_norm _native_batch_norm_legit_no_training _batch_norm_with_update cudnn_batch_norm "
    "miopen_batch_norm".split()
)
"""The same, with constants of one number a channel."""

_ALONG_CHANNELS = frozenset("cat split split_with_sizes unsqueeze squeeze select transpose".split())
"""What rearranges channels, if its `dim` is one of them."""


def ways(tape: Recording) -> list[Way | None]:
    """How each call is computed on patches; None if it needs the whole picture."""
    read = {node for call in tape.calls for node in call.inputs} | set(tape.taps.values())
    return [_way(call, tape, read) for call in tape.calls]


def _way(call: Call, tape: Recording, read: Set[int]) -> Way | None:
    shapes = [tape.shapes[node] for node in (*call.inputs, call.outputs[0])]
    known = [shape for shape in shapes if shape is not None and len(shape) >= 2]
    if len(known) < len(shapes) or not call.inputs:
        return None
    *inputs, output = known
    if call.operation != "split" and read & set(call.outputs[1:]):
        return None  # where the largest of a pool were, the statistics of a normalization
    if call.operation in _RULES:
        return _RULES[call.operation](call, inputs, output)
    if all(shape[-2:] == output[-2:] for shape in inputs) and _positionwise(call, inputs, output):
        return Way(lambda tensors, boxes: call.play(tensors, boxes.count))
    return None


def _positionwise(call: Call, inputs: "Shapes", output: tuple[int, ...]) -> bool:
    """Whether it works position by position, its inputs and its output being of the same height and width."""
    given = call.arguments
    constants = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
    if call.operation in _POINTWISE:
        even = all(c.numel() == 1 or (c.dim() > 2 and tuple(c.shape[-2:]) == (1, 1)) for c in constants)
        return even and all(len(shape) == len(output) for shape in inputs)
    if call.operation in _NORMALIZATIONS:
        return not given.get("training", False)
    axes = [given[name] for name in ("dim", "dim0", "dim1") if isinstance(given.get(name), int)]
    deep = max(len(inputs[0]), len(output)) + 1
    along = bool(axes) and all(0 < axis % deep < deep - 2 for axis in axes)
    return call.operation in _ALONG_CHANNELS and along and not constants


def _pair(value: Any) -> Pair:
    return (value[0], value[-1]) if isinstance(value, (tuple, list)) else (value, value)


Shapes = Sequence[tuple[int, ...]]


def _convolution(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    given = call.arguments
    weight = given["weight"]
    if given["transposed"] or len(inputs) > 1 or not isinstance(weight, Tensor) or weight.dim() != 4:
        return None
    stride = _pair(given["stride"])
    slide = Slide(_pair(list(weight.shape[2:])), stride, _pair(given["padding"]), _pair(given["dilation"]))
    inner = [1, 1] if slide.kernel == (1, 1) else list(stride)
    inside = call.changed(padding=[0, 0], stride=inner)
    return Way(lambda tensors, boxes: inside.play(tensors, boxes.count), slide)


def _pool(call: Call, fill: float) -> Slide:
    given = call.arguments
    stride = given["stride"] or given["kernel_size"]
    dilation = given.get("dilation", 1)
    return Slide(_pair(given["kernel_size"]), _pair(stride), _pair(given["padding"]), _pair(dilation), fill)


def _max_pool(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    slide = _pool(call, SMALLEST)
    if slide.kernel == (1, 1) or len(inputs[0]) != 3:
        return None

    inside = call.changed(padding=[0, 0], ceil_mode=False)
    # its second output, where the largest were, would be numbered within the patch
    return Way(lambda tensors, boxes: inside.play(tensors, boxes.count)[:1], slide)


def _avg_pool(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    slide = _pool(call, 0.0)
    if slide.kernel == (1, 1) or len(inputs[0]) != 3:
        return None
    total = call.changed(divisor_override=1)
    ones = {call.inputs[0]: torch.ones(1, 1, *inputs[0][1:], dtype=torch.float64)}
    share = (call.play(ones, 1)[0] / total.play(ones, 1)[0])[0, 0]  # another one at the border, of some
    even = share.max().item() if bool((share == share.max()).all()) else None
    inside = total.changed(padding=[0, 0], ceil_mode=False)

    def run(tensors: Mapping[int, Tensor], boxes: Boxes) -> Sequence[Tensor]:
        sums = inside.play(tensors, boxes.count)[0]
        if even is not None:
            return [sums.mul_(even)]
        rows, columns = (boxes.top[axis, :, None] + torch.arange(boxes.size[axis]) for axis in (0, 1))
        return [sums.mul_(share[rows[:, :, None], columns[:, None]][:, None].to(sums))]

    return Way(run, slide)


def _pad(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    pad, value = list(call.arguments["pad"]), call.arguments["value"]
    rest = pad[4:]
    if value not in (0, SMALLEST) or any(rest[2 * (len(inputs[0]) - 2) :]):
        return None

    def run(tensors: Mapping[int, Tensor], boxes: Boxes) -> Sequence[Tensor]:
        x = tensors[call.inputs[0]]
        return [F.pad(x, [0, 0, 0, 0, *rest], value=value) if any(rest) else x]

    return Way(run, Slide(before=((pad[2:3] or [0])[0], pad[0]), fill=value, moves=any(pad[:4])))


def _slice(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    given, deep = call.arguments, len(inputs[0]) + 1
    dim, length = given["dim"] % deep, ([0, *inputs[0]])[given["dim"] % deep]
    if dim == 0:
        return None
    if dim < deep - 2:
        return Way(lambda tensors, boxes: call.play(tensors, boxes.count))
    begin, _, step = slice(given["start"], given["end"], given["step"]).indices(length)
    stride, before = ((step, 1), (-begin, 0)) if dim == deep - 2 else ((1, step), (0, -begin))
    return Way(lambda tensors, boxes: [tensors[call.inputs[0]]], Slide(stride=stride, before=before, moves=True))


def _reshape(call: Call, inputs: Shapes, output: tuple[int, ...]) -> Way | None:
    if inputs[0][-2:] != output[-2:] or len(inputs[0]) < 3 or len(output) < 3:
        return None
    return Way(lambda tensors, boxes: [tensors[call.inputs[0]].reshape(-1, *output[:-2], *boxes.size)])


_RULES: dict[str, Callable[[Call, Shapes, tuple[int, ...]], Way | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "reshape": _reshape,
}
