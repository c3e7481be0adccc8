"""One pass of a model, with listeners: every function and every module, in the order in which they return.

How calls are counted is what a `Tap` means by its index: a module's calls all count; of a function that a module calls
itself, those that return a tensor.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from phosphene.core.networks.calling import PLAINLY, Calling
from phosphene.core.networks.calls import called
from phosphene.core.networks.interception import Handler, Interception, forward_within
from phosphene.core.networks.layers import Tap, canonical_names


@runtime_checkable
class Listener(Protocol):
    """Gets every event of a pass; the functions that it calls itself are not events."""

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """The module `tap.owner` called `function`; the tap is where its result is read, if that is a tensor."""

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """A module has run for the `tap.index`-th time."""


def plainly(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Call a function as the model does."""
    return function(*args, **kwargs)


def record(
    model: nn.Module,
    x: Tensor,
    listeners: Sequence[Listener],
    *,
    calling: Calling = PLAINLY,
    run: Handler = plainly,
    name: Callable[[Callable, tuple, dict], str] = called,
) -> Any:
    """Run a model, which is in eval mode, without gradients, and return its output.

    Args:
        model: what is run.
        x: the model's input.
        listeners: what gets the events.
        calling: how the model is called.
        run: calls the model's functions.
        name: what they are called.
    """
    names = canonical_names(model)
    counts: Counter[tuple[str, str | None]] = Counter()

    def handle(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        what = name(function, args, kwargs)
        result = run(owner, function, args, kwargs)
        counts[owner, what] += isinstance(result, Tensor)
        for listener in listeners:
            listener.function_returned(Tap(owner, what, counts[owner, what]), function, args, kwargs, result)
        return result

    mode = Interception(handle)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        owner = names[module]
        counts[owner, None] += 1
        with mode.inside(None):
            for listener in listeners:
                listener.module_returned(Tap(owner, None, counts[owner, None]), module, output)

    with ExitStack() as stack, torch.no_grad():
        for module, owner in names.items():
            stack.enter_context(forward_within(module, partial(mode.inside, owner)))
            stack.callback(module.register_forward_hook(leave).remove)
        return calling(model, x)
