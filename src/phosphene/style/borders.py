"""The picture goes on beyond its border: the first layer that pads sees the last pixels again instead of nothing.

A network that pads with zeros sees an edge all around a picture, and a style's statistics then paint it. Only the first
padding is changed, and only while the network is read (crowsonkb, style-transfer-pytorch): what is padded behind it is
no picture any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.calls import called
from phosphene.core.networks.interception import Handler
from phosphene.core.networks.sliding_windows import pair


def replicated(x: Tensor) -> Handler:
    """What one pass does to every call (`interception.Propagation`): the first padding with zeros replicates instead.

    Args:
        x: the model's input.
    """
    left = True

    def handle(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        nonlocal left
        name = called(function, args, kwargs) if left else ""
        if name == "conv2d":
            left, result = _convolved(function, *_named(args, kwargs))
        elif name == "pad":
            left, result = _padded(*_named(args, kwargs))
        else:
            return NotImplemented
        return result

    return handle


def _named(args: tuple, kwargs: dict) -> tuple[Tensor, tuple, dict]:
    """The input, and the other arguments."""
    if args:
        return args[0], args[1:], kwargs
    others = dict(kwargs)
    return others.pop("input"), (), others


def _convolved(function: Callable, x: Tensor, args: tuple, kwargs: dict) -> tuple[bool, Any]:
    """Whether a padding is still to come, and the result, where it is another one.

    Args:
        args: weight, bias, stride, padding and so on.
    """
    padding = args[3] if len(args) > 3 else kwargs.get("padding", 0)
    if isinstance(padding, str):
        return padding == "valid", NotImplemented
    down, across = pair(padding)
    if not (down or across):
        return True, NotImplemented
    own = dict(kwargs) if len(args) > 3 else kwargs | {"padding": 0}
    further = (*args[:3], 0, *args[4:]) if len(args) > 3 else args
    return False, function(_grown(x, (across, across, down, down)), *further, **own)


def _padded(x: Tensor, args: tuple, kwargs: dict) -> tuple[bool, Any]:
    """The same for a padding alone; another than with zeros was thought of by somebody, and stays.

    Args:
        args: how far, the mode and the value.
    """
    far = args[0] if args else kwargs["pad"]
    mode = args[1] if len(args) > 1 else kwargs.get("mode", "constant")
    value = args[2] if len(args) > 2 else kwargs.get("value")
    plain = mode == "constant" and not value and len(far) <= 4 and min(far) >= 0 and x.dim() == 4
    return False, _grown(x, far) if plain else NotImplemented


def _grown(x: Tensor, far: Sequence[int]) -> Tensor:
    """A picture with its last pixels repeated: so far to the left, right, top and bottom."""
    return F.pad(x, [*far, *[0] * (4 - len(far))], mode="replicate")
