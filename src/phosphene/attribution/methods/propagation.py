"""A network whose gradient at the picture is relevance: what becomes of every call while it runs.

The calls are seen by interception, so it is no matter how the network is written. Each gets the surrogate of
`relevance.py` that `lrp.py` says, and its value stays what it is.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.attribution.methods.relevance import Linear, Rule, Rules, carrier, first, passed, shared, told
from phosphene.core.networks.calls import is_in_place, plain_name
from phosphene.core.networks.layers import ATTENTION
from phosphene.core.networks.rectifiers import RECTIFIERS
from phosphene.core.networks.rewrites import rewritten

_CONVOLUTIONS = frozenset("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d".split())
_CONNECTED = frozenset("linear matmul mm".split())
_GATES = frozenset("sigmoid hardsigmoid softmax".split())
_PASSING = (
    RECTIFIERS
    | {"sigmoid", "hardsigmoid", "tanh", "softsign", "logsigmoid", "hardshrink", "softshrink", "tanhshrink"}
    | {"batch_norm", "local_response_norm", "rms_norm", "normalize", "square", "pow"}
)
_NORMALIZING = frozenset("layer_norm group_norm instance_norm".split())
_SHARING = frozenset(
    "add sub sum mean avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d".split()
)
_PRODUCTS = frozenset("mul multiply matmul bmm mm einsum".split())
_SAME = frozenset(
    "view reshape view_as reshape_as flatten unflatten ravel expand expand_as broadcast_to repeat unsqueeze squeeze "
    "transpose swapaxes permute movedim moveaxis t get getitem contiguous clone to float double type type_as alias "
    "chunk split tensor_split unbind narrow select index_select flip roll rot90 cat stack dropout dropout2d "
    "feature_dropout".split()
)
"""Functions that only put numbers elsewhere."""
_PREPARING = _SAME | {"pad", "add", "sub", "mul", "div", "neg", "batch_norm"}
"""What may come between the picture and the layer that sees it, one pixel's colour becoming one number."""


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _swapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return tree_map(lambda leaf: change(leaf) if isinstance(leaf, Tensor) else leaf, value)


def _argument(args: tuple, kwargs: dict, index: int, name: str) -> Any:
    return args[index] if len(args) > index else kwargs.get(name)


def _linear(name: str, function: Callable, args: tuple, kwargs: dict) -> tuple[Linear, Tensor] | None:
    """The layer that a call is, and its input; none where that is no signal, or the weights are one."""
    if name not in _CONVOLUTIONS | _CONNECTED:
        return None
    x, weight = _argument(args, kwargs, 0, "input"), _argument(args, kwargs, 1, "weight")
    if not (isinstance(x, Tensor) and isinstance(weight, Tensor) and x.requires_grad) or weight.requires_grad:
        return None
    rest = {key: value for key, value in kwargs.items() if key not in ("input", "weight", "bias")}
    if name in ("matmul", "mm"):
        return Linear(lambda x, weight, _: function(x, weight, **rest), weight, None), x
    bias = _argument(args, kwargs, 2, "bias")
    return Linear(lambda x, weight, bias: function(x, weight, bias, *args[3:], **rest), weight, bias), x


def _centred(name: str, function: Callable, args: tuple, kwargs: dict) -> Tensor:
    """A normalization with its deviation as a constant, (x - mean) (y / (x - mean)), y without its bias."""
    x = _argument(args, kwargs, 0, "input")
    if name == "layer_norm":
        axes = tuple(range(-len(_argument(args, kwargs, 1, "normalized_shape")), 0))
        middle = x.mean(axes, keepdim=True)
    elif name == "group_norm":
        groups = x.reshape(len(x), _argument(args, kwargs, 1, "num_groups"), -1)
        middle = groups.mean(-1, keepdim=True).expand_as(groups).reshape(x.shape)
    else:
        middle = x.flatten(2).mean(-1).view(*x.shape[:2], *[1] * (x.dim() - 2))
    at = 4 if name == "instance_norm" else 3
    unbiased = (*args[:at], *(None for _ in args[at : at + 1]), *args[at + 1 :])
    with torch.no_grad():
        y = function(*unbiased, **{key: value for key, value in kwargs.items() if key != "bias"})
    return passed(x - middle, y)


class Propagated:
    """One pass: what becomes of every call, so that the gradient at the picture is its relevance.

    Args:
        rules: for its linear layers.
        x: what the model is fed.
        bounds: the least and the largest that it could be, (1, channels, h, w).
    Attributes:
        layers: how many linear layers were met.
    """

    def __init__(self, rules: Rules, x: Tensor, bounds: tuple[Tensor, Tensor]) -> None:
        self.rules, self.layers = rules, 0
        # the picture itself and what it was prepared to, with their bounds; and what gates come from
        self.pictures = WeakTensorKeyDictionary({x: (bounds[0].expand_as(x), bounds[1].expand_as(x))})
        self.gates = WeakTensorKeyDictionary()

    def __call__(self, owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        """The call's result with the gradient of its surrogate; NotImplemented where it is its own."""
        if not any(tensor.requires_grad for tensor in _tensors((args, kwargs))):
            return NotImplemented
        name, written = plain_name(function), _overwrites(function, args, kwargs)
        pure = (lambda x, *rest, **options: function(x.clone(), *rest, **options)) if written else function
        of_picture = any(tensor in self.pictures for tensor in _tensors((args, kwargs)))
        result = (self._of_picture if of_picture else self._of_signal)(name, pure, args, kwargs)
        if not written or result is NotImplemented:
            return result
        target = args[0].copy_(result)
        for marks in (self.pictures, self.gates):
            marks.pop(target, None)
            if result in marks:
                marks[target] = marks[result]
        return target

    def _of_picture(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        layer = _linear(name, function, args, kwargs)
        if layer is not None and layer[1] in self.pictures:
            self.layers += 1
            linear, x = layer
            bounds = self.pictures[x]
            low, high = torch.minimum(*bounds), torch.maximum(*bounds)  # a preparation may turn them round
            rule = self.rules.picture or first(self._rule(name))
            with torch.no_grad():
                y = linear(x)
            return told(y, rule(linear, x.detach(), carrier(x), y, (low, high)))
        if name in _PREPARING:
            prepared = self._prepared(name, function, args, kwargs)
            if prepared is not None:
                return prepared
        # anything else that sees the picture gets the gradient times it
        args, kwargs = _swapped((args, kwargs), lambda t: t.detach() * carrier(t) if t in self.pictures else t)
        result = self._of_signal(name, function, args, kwargs)
        return function(*args, **kwargs) if result is NotImplemented else result

    def _rule(self, name: str) -> Rule:
        return self.rules.convolution if name in _CONVOLUTIONS else self.rules.connected

    def _prepared(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        """The picture in another form, relevance passing through unchanged; None where it is no picture any more."""
        signals = [tensor for tensor in _tensors((args, kwargs)) if tensor.requires_grad]
        if not all(tensor in self.pictures for tensor in signals):
            return None
        moved = name in _SAME or name == "pad"
        if not moved and len(signals) > 1:
            return None
        result = function(*args, **kwargs)
        if not moved:
            if not isinstance(result, Tensor) or result.shape != signals[0].shape:
                return None
            result = told(result, signals[0])
        with torch.no_grad():
            ends = [
                function(*_swapped(args, partial(self._end, end)), **_swapped(kwargs, partial(self._end, end)))
                for end in (0, 1)
            ]
        for tensor, low, high in zip(_tensors(result), *map(_tensors, ends), strict=True):
            self.pictures[tensor] = low, high
        return result

    def _end(self, end: int, tensor: Tensor) -> Tensor:
        return self.pictures[tensor][end] if tensor in self.pictures else tensor

    def _of_signal(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        layer = _linear(name, function, args, kwargs)
        if layer is not None:
            self.layers += 1
            linear, x = layer
            y = linear(x)
            return told(y, self._rule(name)(linear, x, y))
        if name in _SAME:
            return self._moved(function, args, kwargs)
        signals = [tensor for tensor in _tensors((args, kwargs)) if tensor.requires_grad]
        result = self._surrogate(name, function, args, kwargs, signals)
        if name in _GATES and result is not NotImplemented:
            self.gates[result] = True
        return result

    def _surrogate(self, name: str, function: Callable, args: tuple, kwargs: dict, signals: list[Tensor]) -> Any:
        """What becomes of a call that is no layer with weights and moves more than numbers from place to place."""
        if name in _PASSING:
            y = _value(function, args, kwargs)
            return told(y, passed(signals[0], y))
        if name in _NORMALIZING:
            return told(_value(function, args, kwargs), _centred(name, function, args, kwargs))
        if name in _SHARING and len(signals) == (2 if name in ("add", "sub") else 1):
            y = function(*args, **kwargs)
            return told(y, shared(y, y))
        if name == ATTENTION:
            return _with_constant_weights(function, args, kwargs)
        if name in _PRODUCTS and len(signals) == 2:
            constants = [tensor for tensor in signals if tensor in self.gates]
            if len(constants) == 1:
                return _with_constant(function, args, kwargs, constants[0])
            y = function(*args, **kwargs)
            return told(y, 0.5 * y)
        if name == "div" and len(signals) == 2:
            return _with_constant(function, args, kwargs, signals[1])
        return function(*args, **kwargs) if name in _GATES else NotImplemented

    def _moved(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        result = function(*args, **kwargs)
        if any(tensor in self.gates for tensor in _tensors((args, kwargs))):
            for tensor in _tensors(result):
                self.gates[tensor] = True
        return result


@torch.no_grad()
def _value(function: Callable, args: tuple, kwargs: dict) -> Tensor:
    new = rewritten(function, args, kwargs, ["local_response_norm"])
    return function(*args, **kwargs) if new is None else new


def _with_constant(function: Callable, args: tuple, kwargs: dict, constant: Tensor) -> Any:
    args, kwargs = _swapped((args, kwargs), lambda tensor: tensor.detach() if tensor is constant else tensor)
    return function(*args, **kwargs)


def _with_constant_weights(function: Callable, args: tuple, kwargs: dict) -> Any:
    """Attention whose weights, the softmax of queries and keys, are constants."""
    weighing = tuple(tensor.detach() for tensor in args[:2])
    named = {key: value.detach() if key in ("query", "key") else value for key, value in kwargs.items()}
    return function(*weighing, *args[2:], **named)


def _overwrites(function: Callable, args: tuple, kwargs: dict) -> bool:
    """Whether a call changes its first argument; `inplace` of F.relu and its kin may be given by position."""
    by_position = plain_name(function) in RECTIFIERS and any(value is True for value in args[1:])
    return bool(args) and (is_in_place(function, kwargs) or by_position)
