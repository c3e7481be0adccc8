"""Patches of a batch of pictures on their way down a recorded pass: what it costs, and the way itself.

Before a convolution its input is put together from the patch and the clean layer around it: one `index_select` over
positions, each of which is a row of channels in channels last. Where an operation needs the whole picture, patches are
pasted into the clean layer, and the rest goes on in full. Where to go on in full follows from counting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from operator import mul

import torch
from torch import Tensor

from phosphene.attribution.incremental.regions import SMALLEST, Boxes, Pair, Way, union
from phosphene.core.networks.layers import Tap
from phosphene.core.networks.recording import Call, Recording

TOUCH = 16
"""Moving one number costs as much as so many multiply-adds of a convolution: measured on two cores (AVX-512), where a
gathered number takes .07 ns, and 200 multiply-adds of a convolution a nanosecond."""

_LAYOUT = frozenset("reshape permute transpose clone expand unsqueeze".split())
"""Operations that only arrange numbers anew."""

# ---------------------------------------------------------------------------------------- the clean layer, and patches


def rows_of(activation: Tensor) -> Tensor:
    """(n, ..., h, w) as (n h w, c): what is at one position lies together, as in channels last."""
    n, height, width = len(activation), *activation.shape[-2:]
    return activation.reshape(n, -1, height, width).permute(0, 2, 3, 1).reshape(n * height * width, -1)


def with_borders(rows: Tensor) -> Tensor:
    """Behind the rows of a layer one of zeros and one of -infinity, which are what may lie around it."""
    smallest = SMALLEST if rows.is_floating_point() else 0
    return torch.cat([rows, torch.zeros_like(rows[:1]), torch.full_like(rows[:1], smallest)])


def crops(
    clean: Tensor, layer: Pair, patches: Tensor, boxes: Boxes, top: Tensor, size: Pair, step: Pair = (1, 1),
    fill: float = 0.0,
) -> Tensor:  # fmt: skip
    """Parts (n, ..., *size) of a layer in which patches are pasted, in channels last.

    Args:
        clean: the layer's rows `with_borders`.
        layer: its height and width.
        patches: (n, ..., *boxes.size).
        boxes: where they are.
        top: (2, n) where the parts begin; may lie outside.
        size: of the parts.
        step: every so many rows and columns.
        fill: what lies outside, 0 or -infinity.
    """
    many, (height, width) = len(patches), layer
    at = [top[axis, :, None] + step[axis] * torch.arange(size[axis]) for axis in (0, 1)]
    within = [at[axis] - boxes.top[axis, :, None] for axis in (0, 1)]
    in_layer = _both(*((a >= 0) & (a < end) for a, end in zip(at, layer, strict=True)))
    in_patch = _both(*((a >= 0) & (a < end) for a, end in zip(within, boxes.size, strict=True)))
    first = len(clean) + boxes.size[0] * boxes.size[1] * torch.arange(many)[:, None]
    outside = height * width + (fill != 0)
    index = torch.where(in_layer, (at[0] * width)[:, :, None] + at[1][:, None], outside)
    patch_index = (first + within[0] * boxes.size[1])[:, :, None] + within[1][:, None]
    index = torch.where(in_patch, patch_index, index)
    found = torch.cat([clean, rows_of(patches)]).index_select(0, index.flatten().to(clean.device))
    return found.view(many, *size, -1).permute(0, 3, 1, 2).reshape(many, *patches.shape[1:-2], *size)


def _both(rows: Tensor, columns: Tensor) -> Tensor:
    return rows[:, :, None] & columns[:, None]


# ------------------------------------------------------------------------------------------------- what is reached


@dataclass(frozen=True)
class Course:
    """How far patches get on a tape.

    Attributes:
        boxes: of every node in which there are patches.
        reached: of every call that works on patches, the boxes of its output, which may be all of the layer.
    """

    tape: Recording
    ways: Sequence[Way | None]
    boxes: Mapping[int, Boxes]
    reached: Sequence[Boxes | None]

    @classmethod
    def of(cls, tape: Recording, found: Sequence[Way | None], windows: Boxes) -> "Course":
        """From the windows on."""
        boxes = {} if windows.size == layer_of(tape, 0) else {0: windows}
        reached: list[Boxes | None] = []
        for call, way in zip(tape.calls, found, strict=True):
            output = None
            if way is not None and all(node in boxes for node in call.inputs):
                layer = layer_of(tape, call.outputs[0])
                output = way.slide.reach(union([boxes[node] for node in call.inputs], layer), layer)
                if output.size != layer:
                    boxes |= dict.fromkeys(call.outputs, output)
            reached.append(output)
        return cls(tape, found, boxes, reached)

    # what it costs: multiply-adds, and TOUCH for each number that is written

    def _share(self, node: int) -> float:
        return prod(self.boxes[node].size) / prod(layer_of(self.tape, node)) if node in self.boxes else 1.0

    def _numbers(self, node: int) -> int:
        return prod(self.tape.shapes[node] or (0,))

    def _whole(self, call: Call) -> float:
        return call.products + TOUCH * sum(map(self._numbers, call.outputs[:1]))

    def _patched(self, index: int) -> float:
        """Of a call in this course."""
        call, way, reached = self.tape.calls[index], self.ways[index], self.reached[index]
        pasted = sum(self._numbers(node) for node in call.inputs if node in self.boxes)
        if way is None or reached is None:
            return self._whole(call) + TOUCH * pasted
        gathered = 0.0
        for node in set(call.inputs):
            if not way.slide.stays or self.boxes[node].top is not reached.top:
                size = reached.size if way.slide.stays else way.slide.sees(reached)[1]
                share = self._share(node) + prod(size) / prod(layer_of(self.tape, node))
                gathered += self._numbers(node) * share
        return self._share(call.outputs[0]) * self._whole(call) + TOUCH * gathered

    @property
    def full(self) -> float:
        """Of all calls in full, a picture."""
        return sum(map(self._whole, self.tape.calls))

    def best_cut(self) -> tuple[int, float]:
        """At which call it is best to go on in full, and what that costs altogether."""
        calls = self.tape.calls
        before = [0.0, *accumulate(map(self._patched, range(len(calls))))]
        after = [0.0, *accumulate(map(self._whole, reversed(calls)))][::-1]
        last_read = {node: index for index, call in enumerate(calls) for node in call.inputs}
        made = {0: -1} | {node: index for index, call in enumerate(calls) for node in call.outputs}
        costs = []
        for cut in range(1, len(calls) + 1):
            alive = [node for node in self.boxes if made[node] < cut <= last_read.get(node, -1)]
            costs.append(before[cut] + after[cut] + TOUCH * sum(map(self._numbers, alive)))
        best = min(range(len(costs)), key=costs.__getitem__, default=0)
        return best + 1, costs[best] if costs else 0.0

    def saving(self, cut: int) -> float:
        """How many times fewer multiply-adds than in full."""
        products = [call.products for call in self.tape.calls]
        shares = [self._share(call.outputs[0]) if i < cut else 1.0 for i, call in enumerate(self.tape.calls)]
        return sum(products) / sum(map(mul, products, shares)) if any(products) else 1.0

    def obstacle(self) -> str:
        """Why so little can be saved, as the end of a sentence."""
        calls = self.tape.calls
        for index, (call, reached) in enumerate(zip(calls, self.reached, strict=True)):
            shares = [self._share(node) for node in call.inputs if node in self.boxes]
            if reached is None and shares and min(shares) < 0.5:
                if call.operation in _LAYOUT:  # positions become tokens: what mixes those is what people know
                    mixing = [c for c in calls[index:] if "attention" in c.name or c.name in ("matmul", "bmm")]
                    call = min(mixing, key=lambda c: "attention" not in c.name, default=call)
                return f"{call.place} needs the whole picture"
        return "the square reaches so much that recomputing would save too little"


def layer_of(tape: Recording, node: int) -> Pair:
    """The height and width of a node that patches may be in."""
    shape = tape.shapes[node] or (1, 1)
    return shape[-2], shape[-1]


# --------------------------------------------------------------------------------------------------------- playing


def clean_rows(tape: Recording, found: Sequence[Way | None], x: Tensor) -> dict[int, Tensor]:
    """Of every node that patches are cropped with, or pasted into: its rows `with_borders` in the clean picture."""
    tensors = {0: x}
    for call, way in zip(tape.calls, found, strict=True):
        if way is not None and all(node in tensors for node in call.inputs):
            given = {node: tensors[node].clone() if call.in_place else tensors[node] for node in call.inputs}
            tensors |= dict(zip(call.outputs, call.play(given, 1), strict=True))
    needed = set(tape.taps.values()).union(
        *(
            call.inputs
            for call, way in zip(tape.calls, found, strict=True)
            if way is None or not way.slide.stays or len(call.inputs) > 1
        )
    )
    return {node: with_borders(rows_of(tensor)) for node, tensor in tensors.items() if node in needed}


class Batch:
    """One batch of windows on its way down a tape."""

    def __init__(
        self, tape: Recording, found: Sequence[Way | None], clean: Mapping[int, Tensor], windows: Boxes, patches: Tensor
    ) -> None:
        self.tape, self.ways, self.clean = tape, found, clean
        self.course = Course.of(tape, found, windows)
        self.pictures = windows.count
        self.tensors = {0: patches.contiguous(memory_format=torch.channels_last)}  # patches where there are boxes
        self.whole: dict[int, Tensor] = {}

    def run(self) -> dict[Tap, Tensor]:
        """What is read, by tap."""
        calls = self.tape.calls
        last_read = {node: index for index, call in enumerate(calls) for node in call.inputs}
        last_written = max((index for index, call in enumerate(calls) if call.in_place), default=-1)
        wanted = set(self.tape.taps.values())
        kept = {}
        for index, call in enumerate([None, *calls]):
            made = self._made(index - 1, call) if call else {0: self.tensors[0]}
            self.tensors |= made
            for node in wanted.intersection(made):
                kept[node] = self._all_of(node).clone() if index <= last_written else self._all_of(node)
            for node in call.inputs if call else ():
                if last_read[node] == index - 1:
                    self.tensors.pop(node, None)
                    self.whole.pop(node, None)
        return {tap: kept[node] for tap, node in self.tape.taps.items()}

    def _made(self, index: int, call: Call) -> dict[int, Tensor]:
        way, reached = self.ways[index], self.course.reached[index]
        if way is None or reached is None:
            made: Sequence[Tensor] = call.play({node: self._all_of(node) for node in call.inputs}, self.pictures)
        else:
            made = way.run({node: self._part(node, way, reached) for node in call.inputs}, reached)
        return dict(zip(call.outputs, made, strict=False))  # what nothing reads may not have been made

    def _part(self, node: int, way: Way, reached: Boxes) -> Tensor:
        """What a call that works on patches sees of a node."""
        if way.slide.stays:
            return self._cropped(node, reached.top, reached.size)
        return self._cropped(node, *way.slide.sees(reached), way.slide.fill)

    def _all_of(self, node: int) -> Tensor:
        """A node as a whole, its patches pasted into the clean layer, and as the network itself has it in memory."""
        if node not in self.whole:
            boxes, whole = self.course.boxes.get(node), self.tensors[node]
            if boxes is not None:
                whole = self._cropped(node, torch.zeros_like(boxes.top), layer_of(self.tape, node))
            layout = torch.channels_last if node in self.tape.channels_last else torch.contiguous_format
            self.whole[node] = whole.contiguous(memory_format=layout) if whole.dim() == 4 else whole
        return self.whole[node]

    def _cropped(self, node: int, top: Tensor, size: Pair, step: Pair = (1, 1), fill: float = 0.0) -> Tensor:
        boxes, patches = self.course.boxes[node], self.tensors[node]
        if size == boxes.size and step == (1, 1) and top is boxes.top:
            return patches
        return crops(self.clean[node], layer_of(self.tape, node), patches, boxes, top, size, step, fill)
