"""How each operation is computed on regions of a layer.

Operations that work position by position reach no further than their inputs, sums and concatenations reach what their
parts do, convolutions and pools what their windows do, and whatever else there is needs the whole picture (Nakandala et
al. 2019, doi 10.1145/3299869.3319874, section 3).
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from phosphene.attribution.incremental.regions import Regions
from phosphene.core.networks import sliding_windows
from phosphene.core.networks.recording import Call, Recording
from phosphene.core.networks.sliding_windows import STILL, Windows

SMALLEST = -float("inf")
"""What lies around the input of a pool that looks for the largest."""


@dataclass(frozen=True)
class RegionRule:
    """How a call is computed on regions.

    Attributes:
        run: the tensors that it makes, from the parts of its input nodes and the regions of its output.
        windows: how its one input is seen; parts of several inputs stay where they are.
        fill: what lies around the input.
        moves: positions may be others behind it, also where its windows are as small as can be.
    """

    run: Callable[[Mapping[int, Tensor], Regions], Sequence[Tensor]]
    windows: Windows = STILL
    fill: float = 0.0
    moves: bool = False

    @property
    def stays(self) -> bool:
        """It works position by position."""
        return not self.moves and all(window.still for window in self.windows)


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


def region_rules(recording: Recording) -> list[RegionRule | None]:
    """How each call is computed on regions; None if it needs the whole picture."""
    read = {node for call in recording.calls for node in call.inputs} | set(recording.taps.values())
    return [_rule(call, recording, read) for call in recording.calls]


def _rule(call: Call, recording: Recording, read: Set[int]) -> RegionRule | None:
    shapes = [recording.shapes[node] for node in (*call.inputs, call.outputs[0])]
    known = [shape for shape in shapes if shape is not None and len(shape) >= 2]
    if len(known) < len(shapes) or not call.inputs:
        return None
    *inputs, output = known
    if call.operation != "split" and read & set(call.outputs[1:]):
        return None  # where the largest of a pool were, the statistics of a normalization
    if call.operation in _RULES:
        return _RULES[call.operation](call, inputs, output)
    if all(shape[-2:] == output[-2:] for shape in inputs) and _positionwise(call, inputs, output):
        return RegionRule(lambda tensors, regions: call.play(tensors, regions.count))
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


Shapes = Sequence[tuple[int, ...]]


def _convolution(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    given = call.arguments
    weight = given["weight"]
    if given["transposed"] or len(inputs) > 1 or not isinstance(weight, Tensor) or weight.dim() != 4:
        return None
    windows = sliding_windows.convolution(weight, given["stride"], given["padding"], given["dilation"])
    # behind a kernel of one pixel the crop has every so many pixels already
    inner = [1, 1] if _of_one_pixel(windows) else [window.stride for window in windows]
    inside = call.changed(padding=[0, 0], stride=inner)
    return RegionRule(lambda tensors, regions: inside.play(tensors, regions.count), windows)


def _of_one_pixel(windows: Windows) -> bool:
    return all(window.kernel == 1 for window in windows)


def _pool(call: Call) -> Windows:
    given = call.arguments
    return sliding_windows.pool(given["kernel_size"], given["stride"], given["padding"], given.get("dilation", 1))


def _max_pool(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    windows = _pool(call)
    if _of_one_pixel(windows) or len(inputs[0]) != 3:
        return None

    inside = call.changed(padding=[0, 0], ceil_mode=False)
    # its second output, where the largest were, would be numbered within the part
    return RegionRule(lambda tensors, regions: inside.play(tensors, regions.count)[:1], windows, SMALLEST)


def _avg_pool(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    windows = _pool(call)
    if _of_one_pixel(windows) or len(inputs[0]) != 3:
        return None
    total = call.changed(divisor_override=1)
    ones = {call.inputs[0]: torch.ones(1, 1, *inputs[0][1:], dtype=torch.float64)}
    share = (call.play(ones, 1)[0] / total.play(ones, 1)[0])[0, 0]  # another one at the border, of some
    even = share.max().item() if bool((share == share.max()).all()) else None
    inside = total.changed(padding=[0, 0], ceil_mode=False)

    def run(tensors: Mapping[int, Tensor], regions: Regions) -> Sequence[Tensor]:
        sums = inside.play(tensors, regions.count)[0]
        if even is not None:
            return [sums.mul_(even)]
        rows, columns = (regions.top[axis, :, None] + torch.arange(regions.size[axis]) for axis in (0, 1))
        return [sums.mul_(share[rows[:, :, None], columns[:, None]][:, None].to(sums))]

    return RegionRule(run, windows)


def _pad(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    pad, value = list(call.arguments["pad"]), call.arguments["value"]
    rest = pad[4:]
    if value not in (0, SMALLEST) or any(rest[2 * (len(inputs[0]) - 2) :]):
        return None

    def run(tensors: Mapping[int, Tensor], regions: Regions) -> Sequence[Tensor]:
        x = tensors[call.inputs[0]]
        return [F.pad(x, [0, 0, 0, 0, *rest], value=value) if any(rest) else x]

    return RegionRule(run, sliding_windows.pad(pad), value, moves=any(pad[:4]))


def _slice(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    given, deep = call.arguments, len(inputs[0]) + 1
    dim, length = given["dim"] % deep, ([0, *inputs[0]])[given["dim"] % deep]
    if dim == 0:
        return None
    if dim < deep - 2:
        return RegionRule(lambda tensors, regions: call.play(tensors, regions.count))
    begin, _, step = slice(given["start"], given["end"], given["step"]).indices(length)
    stride, before = ((step, 1), (-begin, 0)) if dim == deep - 2 else ((1, step), (0, -begin))
    return RegionRule(
        lambda tensors, regions: [tensors[call.inputs[0]]], sliding_windows.windows(1, stride, before), moves=True
    )


def _reshape(call: Call, inputs: Shapes, output: tuple[int, ...]) -> RegionRule | None:
    if inputs[0][-2:] != output[-2:] or len(inputs[0]) < 3 or len(output) < 3:
        return None
    return RegionRule(lambda tensors, regions: [tensors[call.inputs[0]].reshape(-1, *output[:-2], *regions.size)])


_RULES: dict[str, Callable[[Call, Shapes, tuple[int, ...]], RegionRule | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "reshape": _reshape,
}
