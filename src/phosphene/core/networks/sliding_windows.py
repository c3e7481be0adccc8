"""Where a window looks that slides over a layer: the arithmetic of convolutions, pools, paddings and slices.

Along one axis, output i of a window with kernel k, stride s, dilation d, and b rows of padding before the first one,
sees the inputs

    i s - b + j d    for 0 <= j < k,

so that a change in the inputs a <= r < z reaches the outputs

    ceil((a + b - (k - 1) d) / s)  <=  i  <=  floor((z - 1 + b) / s).

Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

Pair = tuple[int, int]
"""Of rows and of columns."""

Place = TypeVar("Place", int, Tensor)
"""A position, or many."""


@dataclass(frozen=True)
class SlidingWindow:
    """A window along one axis: see above.

    Attributes:
        kernel: how many inputs it takes.
        stride: from one window to the next.
        before: rows of padding in front of the first input; negative where inputs are cut off.
        dilation: from one input of a window to the next.
    """

    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1

    @property
    def size(self) -> int:
        """From the first input of a window to its last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def still(self) -> bool:
        """Output i sees input i and nothing else."""
        return (self.kernel, self.stride, self.before) == (1, 1, 0)

    def first_input(self, output: Place) -> Place:
        """Where the window of this output begins; may lie in the padding."""
        return output * self.stride - self.before

    def inputs(self, outputs: int) -> int:
        """From the first input to the last that so many neighbouring outputs see."""
        return (outputs - 1) * self.stride + self.size

    def first_output(self, start: Place) -> Place:
        """The first output that sees the input `start` or one behind it; may be negative."""
        return -((self.size - 1 - start - self.before) // self.stride)

    def end_of_outputs(self, stop: Place) -> Place:
        """Behind the last output that sees an input before `stop`; may lie behind the layer."""
        return (stop - 1 + self.before) // self.stride + 1


Windows = tuple[SlidingWindow, SlidingWindow]
"""Along rows and along columns."""

STILL: Windows = (SlidingWindow(), SlidingWindow())
"""What works position by position."""


def pair(value: Any) -> Pair:
    """One number for both axes, or one for each."""
    return (value[0], value[-1]) if isinstance(value, (tuple, list)) else (value, value)


def windows(kernel: Any, stride: Any = 1, before: Any = 0, dilation: Any = 1) -> Windows:
    """The windows of such a kernel; each argument for both axes or one for each."""
    rows, columns = zip(pair(kernel), pair(stride), pair(before), pair(dilation), strict=True)
    return SlidingWindow(*rows), SlidingWindow(*columns)


def convolution(weight: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Windows:
    """Those of a convolution with this weight (out, in, height, width); its padding may be "same" or "valid"."""
    kernel = tuple(weight.shape[2:])
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(pair(dilation), kernel, strict=True))
    return windows(kernel, stride, 0 if padding == "valid" else padding, dilation)


def pool(kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Windows:
    """Those of a pool; the stride of a pool is its kernel where none is given."""
    return windows(kernel_size, stride or kernel_size, padding, dilation)


def pad(sides: Sequence[int]) -> Windows:
    """Those of a padding: (left, right, top, bottom, ...), the last axis first, as PyTorch has it."""
    return windows(1, 1, (sides[2] if len(sides) > 2 else 0, sides[0]))
