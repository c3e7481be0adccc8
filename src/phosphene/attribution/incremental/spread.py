"""How far a change spreads from layer to layer, what recomputing that costs, and from where on it costs too much.

Where an operation needs the whole picture, the parts are pasted into the clean layer, and the rest goes on in full.
Where to go on in full follows from counting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from operator import mul

from phosphene.attribution.incremental.regions import Regions, union
from phosphene.attribution.incremental.rules import RegionRule
from phosphene.core.networks.recording import Call, Recording
from phosphene.core.networks.sliding_windows import Pair

TOUCH = 16
"""Moving one number costs as much as so many multiply-adds of a convolution: measured on two cores (AVX-512), where a
gathered number takes .07 ns, and 200 multiply-adds of a convolution a nanosecond."""

_LAYOUT = frozenset("reshape permute transpose clone expand unsqueeze".split())
"""Operations that only arrange numbers anew."""


@dataclass(frozen=True)
class Spread:
    """How far a change in windows of the picture spreads in a recording.

    Attributes:
        recording: the pass.
        rules: how each call is computed on regions, or None.
        regions: of every node that is recomputed in part.
        outputs: of every call that works on regions, those of its output, which may be all of the layer.
    """

    recording: Recording
    rules: Sequence[RegionRule | None]
    regions: Mapping[int, Regions]
    outputs: Sequence[Regions | None]

    @classmethod
    def of(cls, recording: Recording, rules: Sequence[RegionRule | None], changed: Regions) -> "Spread":
        """From what is changed in the picture on."""
        regions = {} if changed.size == layer_of(recording, 0) else {0: changed}
        outputs: list[Regions | None] = []
        for call, rule in zip(recording.calls, rules, strict=True):
            output = None
            if rule is not None and all(node in regions for node in call.inputs):
                layer = layer_of(recording, call.outputs[0])
                around = union([regions[node] for node in call.inputs], layer)
                output = around if rule.stays else around.behind(rule.windows, layer)
                if output.size != layer:
                    regions |= dict.fromkeys(call.outputs, output)
            outputs.append(output)
        return cls(recording, rules, regions, outputs)

    # what it costs: multiply-adds, and TOUCH for each number that is written

    def _share(self, node: int) -> float:
        if node not in self.regions:
            return 1.0
        return prod(self.regions[node].size) / prod(layer_of(self.recording, node))

    def _numbers(self, node: int) -> int:
        return prod(self.recording.shapes[node] or (0,))

    def _whole(self, call: Call) -> float:
        return call.products + TOUCH * sum(map(self._numbers, call.outputs[:1]))

    def _in_part(self, index: int) -> float:
        """Of a call whose inputs are recomputed in part."""
        call, rule, output = self.recording.calls[index], self.rules[index], self.outputs[index]
        pasted = sum(self._numbers(node) for node in call.inputs if node in self.regions)
        if rule is None or output is None:
            return self._whole(call) + TOUCH * pasted
        gathered = 0.0
        for node in set(call.inputs):
            if not rule.stays or self.regions[node].top is not output.top:
                size = output.size if rule.stays else output.inputs_of(rule.windows)[1]
                share = self._share(node) + prod(size) / prod(layer_of(self.recording, node))
                gathered += self._numbers(node) * share
        return self._share(call.outputs[0]) * self._whole(call) + TOUCH * gathered

    @property
    def full(self) -> float:
        """Of all calls in full, a picture."""
        return sum(map(self._whole, self.recording.calls))

    def best_cut(self) -> tuple[int, float]:
        """At which call it is best to go on in full, and what that costs altogether."""
        calls = self.recording.calls
        before = [0.0, *accumulate(map(self._in_part, range(len(calls))))]
        after = [0.0, *accumulate(map(self._whole, reversed(calls)))][::-1]
        last_read = {node: index for index, call in enumerate(calls) for node in call.inputs}
        made = {0: -1} | {node: index for index, call in enumerate(calls) for node in call.outputs}
        costs = []
        for cut in range(1, len(calls) + 1):
            alive = [node for node in self.regions if made[node] < cut <= last_read.get(node, -1)]
            costs.append(before[cut] + after[cut] + TOUCH * sum(map(self._numbers, alive)))
        best = min(range(len(costs)), key=costs.__getitem__, default=0)
        return best + 1, costs[best] if costs else 0.0

    def saving(self, cut: int) -> float:
        """How many times fewer multiply-adds than in full."""
        products = [call.products for call in self.recording.calls]
        shares = [self._share(call.outputs[0]) if i < cut else 1.0 for i, call in enumerate(self.recording.calls)]
        return sum(products) / sum(map(mul, products, shares)) if any(products) else 1.0

    def obstacle(self) -> str:
        """Why so little can be saved, as the end of a sentence."""
        calls = self.recording.calls
        for index, (call, output) in enumerate(zip(calls, self.outputs, strict=True)):
            shares = [self._share(node) for node in call.inputs if node in self.regions]
            if output is None and shares and min(shares) < 0.5:
                if call.operation in _LAYOUT:  # positions become tokens: people know the operation that mixes them
                    mixing = [c for c in calls[index:] if "attention" in c.name or c.name in ("matmul", "bmm")]
                    call = min(mixing, key=lambda c: "attention" not in c.name, default=call)
                return f"{call.place} needs the whole picture"
        return "the square reaches so much that recomputing would save too little"


def layer_of(recording: Recording, node: int) -> Pair:
    """The height and width of a node that may be recomputed in part."""
    shape = recording.shapes[node] or (1, 1)
    return shape[-2], shape[-1]
