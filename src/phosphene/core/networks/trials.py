"""What is found out about a model by running it: one pass that is watched, and what several passes say together."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.block_ends import BlockEnds, Ends
from phosphene.core.networks.calling import Calling
from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.detections import is_detections
from phosphene.core.networks.folding import ConvolutionReaders, Pair
from phosphene.core.networks.layer_recorder import LayerRecorder, RecordedLayer
from phosphene.core.networks.layers import Tap
from phosphene.core.networks.recorder import record
from phosphene.core.networks.rewrites import is_strided

USUAL_SIZES = (224, 32, 64, 28, 96, 128, 160, 192, 256, 299, 384, 448, 512)
"""Tried in this order for a model whose input size is not given."""

USUAL_CHANNELS = (3, 1, 4, 2)
"""Tried in this order for a model whose channels are not given; then those that its convolutions name."""

CLOSE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""By how much, of the largest number, answers may differ that are the same but for rounding."""

HALF = 2e-2
"""The same in half precision."""

_SAME_NUMBERS = frozenset(
    "squeeze unsqueeze view reshape flatten unflatten permute transpose movedim getitem __getitem__ select narrow "
    "contiguous clone float double half to type detach expand stack cat chunk split".split()
)
"""Functions whose result holds the numbers that they are given."""


@dataclass(frozen=True)
class Pass:
    """What one pass shows.

    Attributes:
        layers: in order of execution.
        pairs: convolutions, each with the normalization that alone reads it.
        strided: convolutions whose gradient is computed without strides.
        pictures: how many there were.
        returned: the tensor that holds the logits, as the model returned it, or why there is none.
        maker: the function that made its numbers, where it was seen.
        boxes: the model is a detector.
        ends: where blocks end.
        grids: of tokens, as far as they were looked for (`units/token_grids.py`).
    """

    layers: Sequence[RecordedLayer]
    pairs: Sequence[Pair]
    strided: Sequence[str]
    pictures: int
    returned: Tensor | Exception
    maker: str | None
    boxes: bool
    ends: Ends
    grids: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Company:
    """How a model takes several pictures, and the same ones again.

    Attributes:
        independent: what it says of a picture doesn't depend on the others.
        deterministic: it says the same each time.
    """

    independent: bool
    deterministic: bool


class _Makers:
    """Listens to a pass and remembers which function made the numbers of each tensor."""

    def __init__(self) -> None:
        self.of = WeakTensorKeyDictionary()

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """What made it, or what made that of which it is a view."""
        if isinstance(result, Tensor):
            given = args[0] if args else None
            if isinstance(given, (tuple, list)) and given:
                given = given[0]
            same = plain_name(function) in _SAME_NUMBERS and isinstance(given, Tensor)
            self.of[result] = self.of.get(given) if same else plain_name(function)

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """Nothing: a module's functions have been heard."""


def watched(model: nn.Module, x: Tensor, calling: Calling, pick: Callable[[Any], Tensor]) -> Pass:
    """One pass of a model, which is borrowed, on its input."""
    recorded, ends, readers, makers = LayerRecorder(model, x), BlockEnds(x), ConvolutionReaders(), _Makers()
    output = record(model, x, [recorded, ends, readers, makers], calling=calling)
    returned: Tensor | Exception
    try:
        picked = pick(output)
        returned, maker = picked.detach(), makers.of.get(picked)
    except Exception as error:  # it matters to whoever asks for the layers; the model ran
        returned, maker = error, None
    boxes = is_detections(output)
    owners = dict.fromkeys(layer.tap.owner for layer in recorded.layers)
    strided = [owner for owner in owners if is_strided(model.get_submodule(owner))]
    return Pass(recorded.layers, readers.pairs(model, output), strided, len(x), returned, maker, boxes, ends.found)


def alike(a: Tensor, b: Tensor, dtype: torch.dtype) -> bool:
    """Whether two answers are the same but for rounding."""
    if a.shape != b.shape:
        return False
    if not a.numel():
        return True
    a, b = a.cpu().double(), b.cpu().double()  # not every device has doubles
    if not torch.equal(a.isfinite(), b.isfinite()):
        return False
    apart = (a - b).nan_to_num(0, 0, 0).abs().max()
    return bool(apart <= CLOSE.get(dtype, HALF) * b.nan_to_num(0, 0, 0).abs().max())


def commonest_dtype(tensors: Iterable[Tensor]) -> torch.dtype | None:
    """What most of a model's numbers are in, where they are not all in the same."""
    many: Counter[torch.dtype] = Counter()
    for tensor in tensors:
        if tensor.is_floating_point():
            many[tensor.dtype] += tensor.numel()
    return many.most_common(1)[0][0] if len(many) > 1 else None
