"""How a model is called: with pictures alone, with other inputs held fixed, under a name, or in a dict."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from phosphene.core.errors import Mistake, did_you_mean


@dataclass(frozen=True, eq=False)
class Calling:
    """How a model gets its pictures.

    Attributes:
        input: the name of the argument that pictures are given as, or their key where the model takes one dict; None
            for the first argument.
        inputs: what it takes beside them, by name. A tensor for one picture, (1, ...), is repeated for each.
    """

    input: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, model: nn.Module, x: Tensor) -> Any:
        """What the model returns for this input.

        Raises:
            RuntimeError: it ends the program instead.
            Mistake: an input that it does not take.
        """
        try:
            if self.input is None and not self.inputs:
                return model(x)
            return self._call(model, x)
        except SystemExit as end:
            raise RuntimeError(f"it ends the program (sys.exit({end.code if end.code is not None else ''}))") from end

    def _call(self, model: nn.Module, x: Tensor) -> Any:
        others = {name: _for(value, x) for name, value in self.inputs.items()}
        takes = _parameters(model)
        open_ended = takes is None or any(p.kind is p.VAR_KEYWORD for p in takes.values())
        # a model of one argument without that name takes a dict
        unknown = [name for name in (*others, *([self.input] if self.input else ())) if name not in (takes or ())]
        if open_ended or not unknown:
            return model(x, **others) if self.input is None else model(**{self.input: x}, **others)
        required = [p for p in (takes or {}).values() if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
        if self.input is not None and len(takes or ()) == 1 and len(required) == 1:
            return model({self.input: x, **others})
        names = list(takes or ())
        near = did_you_mean(unknown[0], names) or f"; it takes {', '.join(names)}"
        raise Mistake(f"{type(model).__name__} takes no input '{unknown[0]}'{near}")


def _parameters(model: nn.Module) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(model.forward).parameters
    except (TypeError, ValueError):  # scripted, or written in C
        return None


def _for(value: Any, x: Tensor) -> Any:
    """A fixed input for as many pictures as x has, where x is, in its precision."""
    if not isinstance(value, Tensor):
        return value
    value = value.to(x.device, x.dtype if value.is_floating_point() else value.dtype)
    return value.expand(len(x), *value.shape[1:]) if value.dim() and len(value) == 1 else value


PLAINLY = Calling()


def missing_input(error: Exception) -> str:
    """How a refusal goes on where the model needs more than pictures."""
    words = str(error)
    if isinstance(error, TypeError) and "required positional argument" in words:
        return "; give what it takes beside pictures: Network(model, inputs={'NAME': tensor})"
    return ""
