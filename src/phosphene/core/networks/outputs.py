"""From what a model returns to its logits: (n, outputs), or (n, outputs, ...) where it answers at several places.

Models return tensors, tuples, dicts, dataclasses; with the classes on any axis, a batch axis that a `squeeze` took
away, or singletons between. Which axis is which is told by the shapes of trials: with two pictures, with one, and with
larger ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.layers import USUAL, entries_of, first_tensor

Output = str | int | Callable[[Any], Tensor] | None
"""Which part of what a model returns holds the logits."""


@dataclass(frozen=True)
class Axes:
    """Where pictures and outputs are counted in the tensor that a model returns.

    Attributes:
        dims: how many axes it has for several pictures.
        batch: the one that counts pictures; None where there is none.
        outputs: the one that counts outputs, among those that are left without the batch; None where there is none.
    """

    dims: int
    batch: int | None
    outputs: int | None

    def tidy(self, logits: Tensor, pictures: int) -> Float[Tensor, "n outputs ..."]:
        """The tensor with pictures on axis 0 and outputs on axis 1."""
        if self.batch is None or (pictures == 1 and logits.dim() == self.dims - 1):
            logits = logits.unsqueeze(0)
        elif self.batch:
            logits = logits.movedim(self.batch, 0)
        if self.outputs is None or logits.dim() == 1:
            return logits.unsqueeze(1)
        return logits.movedim(1 + self.outputs, 1) if self.outputs else logits


def axes_of(together: tuple[int, ...], pictures: int, larger: tuple[int, ...] | None, labels: int | None) -> Axes:
    """Where pictures and outputs are counted.

    Args:
        together: the tensor's shape for so many pictures.
        pictures: how many.
        larger: its shape for as many larger pictures, where the model takes those.
        labels: how many classes have names, where they have.
    """
    batch = next((axis for axis, size in enumerate(together) if size == pictures), None)
    own = tuple(size for axis, size in enumerate(together) if axis != batch)
    other = None if larger is None else tuple(size for axis, size in enumerate(larger) if axis != batch)
    outputs = None if not own else _outputs_axis(own, other if other and len(other) == len(own) else None, labels)
    return Axes(len(together), batch, outputs)


def _outputs_axis(own: Sequence[int], larger: Sequence[int] | None, labels: int | None) -> int:
    """The axis of one picture's answer that counts outputs: as many as labels; else what stays when pictures grow."""
    every = range(len(own))
    named = [axis for axis in every if own[axis] == labels]
    if len(named) == 1:
        return named[0]
    stays = [axis for axis in every if larger is None or own[axis] == larger[axis]] or list(every)
    several = [axis for axis in stays if own[axis] > 1] or stays
    if len(several) == 1:
        return several[0]
    if len(own) == 2:  # (tokens, channels)
        return several[-1]
    if len(own) == 3 and own[0] == own[1] != own[2]:  # (h, w, channels)
        return 2
    return several[0]


# ------------------------------------------------------------------------------------------------------- which part


def picked(returned: Any, output: Output, name: str, tell: Callable[[str], None]) -> Tensor:
    """The part of what a model returns that holds the logits; numbers of whole kinds and NumPy's become floats.

    Args:
        output: which part, if a person said it.
        name: the network's, for messages.
        tell: says a sentence to the person.
    Raises:
        Mistake: there is no such part, or it is not a tensor of numbers.
    """
    part = _first(returned, name, tell) if output is None else _asked(returned, output, name)
    if isinstance(part, np.ndarray):
        part = torch.as_tensor(part)
    if not isinstance(part, Tensor):
        raise Mistake(f"{name} returns {_kind(returned)}, not a tensor; say which part with output={_parts(returned)}")
    if part.is_complex():
        raise Mistake(f"{name} returns complex numbers, which are no scores; say with output= how to make them real")
    return part.dequantize() if part.is_quantized else part if part.is_floating_point() else part.float()


def _first(returned: Any, name: str, tell: Callable[[str], None]) -> Any:
    if isinstance(returned, np.ndarray):
        return returned
    entries = entries_of(returned)
    found = first_tensor(returned)
    if entries is not None and not any(key in entries for key in USUAL):
        tensors = [key for key, value in entries.items() if isinstance(value, Tensor)]
        if len(tensors) > 1:
            others = ", ".join(f"'{key}'" for key in tensors[1:])
            tell(f"{name} returns several tensors, and '{tensors[0]}' is taken; for another, output={others}")
    return found


def _asked(returned: Any, output: Any, name: str) -> Any:
    if callable(output):
        try:
            return output(returned)
        except Exception as error:  # a person's own function: whatever it raises
            raise Mistake(f"the function given as output failed on what {name} returns: {error}") from error
    try:
        if isinstance(output, int) and not isinstance(returned, Mapping):
            return returned[output]
        if isinstance(returned, Mapping):
            return returned[output]
        return getattr(returned, str(output))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        there: list[str] = list(entries_of(returned) or ()) or list(getattr(returned, "_fields", ()))
        near = did_you_mean(str(output), there) or (f"; it has {', '.join(map(repr, there))}" if there else "")
        if isinstance(returned, (tuple, list)) and not there:
            near = f"; it has {len(returned)} parts, 0 to {len(returned) - 1}"
        raise Mistake(f"output {output!r} is not in what {name} returns, {_kind(returned)}{near}") from error


def _kind(returned: Any) -> str:
    return type(returned).__name__


def _parts(returned: Any) -> str:
    entries = entries_of(returned)
    return f" (one of {', '.join(map(repr, entries))})" if entries else ""
