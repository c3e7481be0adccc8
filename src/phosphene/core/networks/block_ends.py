"""Where the blocks of a network end: behind an activation, a sum or a concatenation of branches, whatever makes it.

What stands before it, a convolution or its normalization, is half a block: its channels mean something only once the
activation has said what counts. So every tensor of a pass is followed: an activation, a sum and a concatenation begin
an end; pooling, dropout and whatever moves numbers about hand it on; convolutions and products begin the next block.
What is no picture (a bias, a position, a class token) adds no branch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks import layer_recorder
from phosphene.core.networks.layers import Tap, first_tensor
from phosphene.core.networks.receptive_fields import tensors
from phosphene.core.networks.rectifiers import RECTIFIERS

GATES = frozenset("sigmoid tanh hardsigmoid hardtanh softsign".split())
ACTIVATIONS = RECTIFIERS | GATES | set("clamp clip where glu logsigmoid abs".split())
SUMS = frozenset("add sub maximum max minimum min lerp".split())
JOINS = frozenset("cat stack hstack vstack dstack".split())
MOVES = frozenset(
    "dropout dropout2d feature_dropout alpha_dropout stochastic_depth clone contiguous to float double half type "
    "detach alias view reshape flatten unflatten permute transpose swapaxes movedim mT T squeeze unsqueeze "
    "expand repeat chunk split unbind narrow select getitem roll flip rot90 pad pixel_shuffle pixel_unshuffle "
    "channel_shuffle view_as reshape_as index_select get".split()
)  # fmt: skip
POOLS = layer_recorder.POOLS | set("adaptive_avg_pool1d adaptive_max_pool1d interpolate upsample".split())


@dataclass(frozen=True)
class End:
    """The end that a tensor is, or comes from.

    Attributes:
        index: which one, in order of execution.
        changed: how it was since: 0 not at all, 1 moved about or pooled, 2 normalized.
    """

    index: int
    changed: int = 0


@dataclass(frozen=True)
class Ends:
    """Those of one pass.

    Attributes:
        at: where each can be read.
        instead: of ends that another follows at once (a sum, of its activation, also behind a normalization): that one.
    """

    at: dict[Tap, End] = field(default_factory=dict)
    instead: dict[int, int] = field(default_factory=dict)


class BlockEnds:
    """Listens to a pass of a model on x and finds the ends of its blocks."""

    def __init__(self, x: Tensor) -> None:
        self.found = Ends()
        self._of: Any = WeakTensorKeyDictionary({x: None})  # None: it comes from the picture, but is no end
        self._count = 0

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """What the result of this function is."""
        from_picture = [x for x in tensors((*args, *kwargs.values())) if x in self._of]
        if not from_picture:
            return
        made = list(tensors((result,)))
        for tensor in made:
            self._of[tensor] = self._end(tap.function or "", from_picture, tensor)
        if isinstance(result, Tensor) and self._of[result] is not None:
            self.found.at[tap] = self._of[result]

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """A module ends where what it returns is an end."""
        tensor = first_tensor(output)
        if tensor is not None and self._of.setdefault(tensor, None) is not None:
            self.found.at[tap] = self._of[tensor]

    def _end(self, name: str, inputs: Sequence[Tensor], result: Tensor) -> End | None:
        alike = [x for x in inputs if x.shape == result.shape]
        ends = [self._of[x] for x in alike if self._of[x] is not None]
        if name in ACTIVATIONS:
            return self._new(ends[:1])
        if (name in SUMS and len(alike) > 1) or (name in JOINS and len(inputs) > 1):
            return self._new()
        if name in ("mul", "add", "sub", "div", "maximum", "max", "minimum", "min"):
            return self._scaled(alike, ends)
        first = self._of[inputs[0]]
        if first is None:
            return None
        if name in MOVES or name in JOINS:
            return replace(first, changed=max(first.changed, int(name in MOVES)))
        if name in POOLS:
            return replace(first, changed=max(first.changed, 1))
        return replace(first, changed=2) if name in layer_recorder.NORMALIZATIONS else None

    def _scaled(self, alike: Sequence[Tensor], ends: Sequence[End]) -> End | None:
        """Of a product: x sigmoid(x) is an activation; a number, or a weight for each channel, changes nothing."""
        if len(alike) > 1 and ends:
            return self._new(ends)
        return ends[0] if ends and len(alike) == 1 else None

    def _new(self, replaced: Sequence[End] = ()) -> End:
        self._count += 1
        self.found.instead.update({end.index: self._count for end in replaced})
        return End(self._count)
