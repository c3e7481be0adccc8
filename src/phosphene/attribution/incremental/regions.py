"""What a change inside a window of the picture can reach in a layer.

The regions of a batch of windows differ in place, and by a row or so in size. All of them are computed as parts of the
largest size, moved inside the layer where they would leave it: what is computed beyond a region is what was there
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phosphene.core.networks.sliding_windows import Pair, Windows


@dataclass(frozen=True)
class Regions:
    """What is reached in one layer, a box a picture.

    Attributes:
        start, stop: (2, n) first and last (excluded) row and column.
        size: of the parts that are computed, the same for all.
        top: (2, n) where those begin.
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
    def of(cls, start: Tensor, stop: Tensor, layer: Pair) -> "Regions":
        """Parts around boxes in a layer of this height and width."""
        rows, columns = (stop - start).amax(1).clamp(min=1).tolist()
        top = start.minimum(_column((layer[0] - rows, layer[1] - columns)))
        return cls(start, stop, (rows, columns), top)

    def behind(self, windows: Windows, layer: Pair) -> "Regions":
        """What windows that see something of these regions reach in their output, a layer of this height and width."""
        first = torch.stack([window.first_output(at) for window, at in zip(windows, self.start, strict=True)])
        end = torch.stack([window.end_of_outputs(at) for window, at in zip(windows, self.stop, strict=True)])
        most = _column(layer)
        return Regions.of(first.clamp(min=0).minimum(most), end.clamp(min=0).minimum(most), layer)

    def inputs_of(self, windows: Windows) -> tuple[Tensor, Pair, Pair]:
        """Of the input: where the parts begin (2, n), how large they are, and every how many rows and columns."""
        top = torch.stack([window.first_input(at) for window, at in zip(windows, self.top, strict=True)])
        if all(window.kernel == 1 for window in windows):
            return top, self.size, (windows[0].stride, windows[1].stride)
        return top, (windows[0].inputs(self.size[0]), windows[1].inputs(self.size[1])), (1, 1)


def _column(pair: Pair) -> Tensor:
    return torch.tensor(pair)[:, None]


def union(parts: Sequence[Regions], layer: Pair) -> Regions:
    """The regions around several, in layers of the same height and width."""
    if all(part is parts[0] for part in parts):
        return parts[0]
    start = torch.stack([part.start for part in parts]).amin(0)
    return Regions.of(start, torch.stack([part.stop for part in parts]).amax(0), layer)
