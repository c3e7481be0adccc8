"""A recorded pass played again, each call only where its result changes, as far as there is a rule for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from phosphene.attribution.incremental.crops import crops, rows_of, with_borders
from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import RegionRule
from phosphene.attribution.incremental.spread import Spread, layer_of
from phosphene.core.networks.layers import Tap
from phosphene.core.networks.recording import Call, Recording, Unplayable
from phosphene.core.networks.sliding_windows import Pair


@contextmanager
def naming(call: Call) -> Iterator[None]:
    """Whatever goes wrong while a call is played again is told with its name.

    Raises:
        Unplayable: something did.
    """
    try:
        yield
    except Exception as error:  # of any of PyTorch's operations, and of operations that others have added
        words = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Unplayable(f"{call.place} can't be computed by itself ({words})") from error


def clean_rows(recording: Recording, rules: Sequence[RegionRule | None], x: Tensor) -> dict[int, Tensor]:
    """Of every node that parts are cropped with, or pasted into: its rows `with_borders` in the clean picture."""
    tensors = {0: x}
    for call, rule in zip(recording.calls, rules, strict=True):
        if rule is not None and all(node in tensors for node in call.inputs):
            given = {node: tensors[node].clone() if call.in_place else tensors[node] for node in call.inputs}
            with naming(call):
                tensors |= dict(zip(call.outputs, call.play(given, 1), strict=True))
    needed = set(recording.taps.values()).union(
        *(
            call.inputs
            for call, rule in zip(recording.calls, rules, strict=True)
            if rule is None or not rule.stays or len(call.inputs) > 1
        )
    )
    return {node: with_borders(rows_of(tensor)) for node, tensor in tensors.items() if node in needed}


class Playback:
    """A recording played again on a batch of pictures that differ from the clean one inside a window each.

    Args:
        recording: the pass.
        rules: how each call is computed on regions; None where it is computed in full.
        clean: `clean_rows` of the clean picture.
        windows: where the pictures differ.
        parts: (n, channels, *window) what they show there, preprocessed.
    """

    def __init__(
        self,
        recording: Recording,
        rules: Sequence[RegionRule | None],
        clean: Mapping[int, Tensor],
        windows: Regions,
        parts: Tensor,
    ) -> None:
        self.recording, self.rules, self.clean = recording, rules, clean
        self.spread = Spread.of(recording, rules, windows)
        self.pictures = windows.count
        self.tensors = {0: parts.contiguous(memory_format=torch.channels_last)}  # parts where there are regions
        self.whole: dict[int, Tensor] = {}

    def run(self) -> dict[Tap, Tensor]:
        """What is read, by tap."""
        calls = self.recording.calls
        last_read = {node: index for index, call in enumerate(calls) for node in call.inputs}
        last_written = max((index for index, call in enumerate(calls) if call.in_place), default=-1)
        wanted = set(self.recording.taps.values())
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
        return {tap: kept[node] for tap, node in self.recording.taps.items()}

    def _made(self, index: int, call: Call) -> dict[int, Tensor]:
        rule, output = self.rules[index], self.spread.outputs[index]
        with naming(call):
            if rule is None or output is None:
                made: Sequence[Tensor] = call.play({node: self._all_of(node) for node in call.inputs}, self.pictures)
            else:
                made = rule.run({node: self._part(node, rule, output) for node in call.inputs}, output)
        return dict(zip(call.outputs, made, strict=False))  # what nothing reads may not have been made

    def _part(self, node: int, rule: RegionRule, output: Regions) -> Tensor:
        """What a call that works on regions sees of a node."""
        if rule.stays:
            return self._cropped(node, output.top, output.size)
        return self._cropped(node, *output.inputs_of(rule.windows), rule.fill)

    def _all_of(self, node: int) -> Tensor:
        """A node as a whole, its parts pasted into the clean layer, and as the network itself has it in memory."""
        if node not in self.whole:
            regions, whole = self.spread.regions.get(node), self.tensors[node]
            if regions is not None:
                whole = self._cropped(node, torch.zeros_like(regions.top), layer_of(self.recording, node))
            layout = torch.channels_last if node in self.recording.channels_last else torch.contiguous_format
            if whole.dim() == 4:
                # the strides of a single picture may be neither layout's, and some operations look at them
                whole = whole.clone(memory_format=layout) if len(whole) == 1 else whole.contiguous(memory_format=layout)
            self.whole[node] = whole
        return self.whole[node]

    def _cropped(self, node: int, top: Tensor, size: Pair, step: Pair = (1, 1), fill: float = 0.0) -> Tensor:
        regions, parts = self.spread.regions[node], self.tensors[node]
        if size == regions.size and step == (1, 1) and top is regions.top:
            return parts
        return crops(self.clean[node], layer_of(self.recording, node), parts, regions, top, size, step, fill)
