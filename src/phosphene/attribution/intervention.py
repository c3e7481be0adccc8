"""What a network says when one of its layers is changed while it runs.

Take a channel out and see what it was good for. The change is made where the layer is read, so that it is no matter
whether the layer is a module or a function that a module calls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.networks.borrowing import borrower
from phosphene.core.networks.calls import called
from phosphene.core.networks.layers import Layer, Tap, first_tensor, replaced
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule

Change = Callable[[Float[Tensor, "n channels ..."]], Float[Tensor, "n channels ..."]]
"""From a layer's activations, channels on axis 1, to those that the network goes on with."""


def read_changed(
    network: Network, pictures: Float[Tensor, "n c h w"], layers: Iterable[str], at: str, change: Change
) -> dict[str, Tensor]:
    """A reading of these layers with the layer `at` changed, which is read too."""
    layer = network.layer(at)
    wanted = {*layers, layer.name}  # what is read is not folded into the layer before it
    if layer.tap.function is not None:
        return network.read(pictures, wanted, _function_changed(layer, change))
    with network.anatomy.locks, _module_changed(network.model, layer, change):
        return network.read(pictures, wanted)


def _changed(tensor: Tensor, layer: Layer, change: Change) -> Tensor:
    axis = layer.channel_axis
    return change(tensor.movedim(axis, 1)).movedim(1, axis)


def _function_changed(layer: Layer, change: Change) -> Rule:
    """What changes the result of the call that the layer is, in every pass anew."""

    def begin(_: Tensor) -> Callable[[str, Callable, tuple, dict], Any]:
        calls: Counter[tuple[str, str]] = Counter()

        def handle(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
            name = called(function, args, kwargs)
            if (owner, name) != (layer.tap.owner, layer.tap.function):
                return NotImplemented
            result = function(*args, **kwargs)
            calls[owner, name] += isinstance(result, Tensor)
            if Tap(owner, name, calls[owner, name]) != layer.tap or not isinstance(result, Tensor):
                return result
            return _changed(result, layer, change)

        return handle

    return begin


@contextmanager
def _module_changed(model: nn.Module, layer: Layer, change: Change) -> Iterator[None]:
    """The module that the layer is hands on what is changed, until this context ends."""
    calls = 0

    def begin(*_: Any) -> None:
        nonlocal calls
        calls = 0

    def leave(module: nn.Module, _: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        tensor = first_tensor(output)
        if borrower() is None or calls != layer.tap.index or tensor is None:
            return None  # another thread's, or another call
        return replaced(output, tensor, _changed(tensor, layer, change))

    handles = []
    try:
        handles.append(model.register_forward_pre_hook(begin))
        handles.append(model.get_submodule(layer.tap.owner).register_forward_hook(leave))
        yield
    finally:
        for handle in handles:
            handle.remove()
