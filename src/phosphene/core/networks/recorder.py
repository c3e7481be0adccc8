"""One forward pass as a list of calls that can be played again, in whole or in part, on any number of pictures.

In eval mode, on pictures of one size, a network is a fixed sequence of PyTorch's own operations ("aten" operations,
which is what every module and every function comes down to). Two passes, on two and on three pictures, tell which
integers among their arguments count pictures: `x.view(x.size(0), -1)` arrives here as `view(x, [2, -1])`.

What can't be played: a network that looks at its numbers to decide what to do, and one that writes into a part of a
tensor that it reads afterwards. `Unplayable` says so in words. What no tape can see (a detour through NumPy), whoever
plays it has to find out by comparing once with a reading.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.interception import Interception, forward_within
from phosphene.core.networks.layers import Tap, canonical_names, first_tensor
from phosphene.core.networks.rewrites import rewritten

_BLIND = frozenset("new_empty new_full new_ones new_zeros".split())
"""Operations that ask a tensor for its kind and not for its numbers."""

_VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)

COUNTS = (2, 3)
"""Pictures in the two passes; one alone is what broadcasting and kernels treat in a way of their own."""


class Unplayable(Exception):
    """Why a pass can't be played again, as the end of a sentence."""


@dataclass(frozen=True)
class Node:
    """A tensor of the pass, by its number; 0 is what the model is fed."""

    index: int


@dataclass(frozen=True)
class PerPicture:
    """An integer that counts pictures: `start` + n `each`."""

    start: int
    each: int


@dataclass(frozen=True)
class Call:
    """One operation.

    Attributes:
        function: PyTorch's operation.
        args, kwargs: with nodes, and integers that count pictures, in place of tensors and of numbers.
        outputs: the nodes that it makes, in order; an operation in place makes a new one too.
        in_place: it writes into its first argument, whose node nothing but a tap reads any more.
        name: the function that the model called, `relu`.
        owner: the module that called it.
        products: multiply-adds of convolutions and matrix products, a picture.
    """

    function: Any
    args: tuple
    kwargs: dict[str, Any]
    outputs: tuple[int, ...]
    in_place: bool
    name: str
    owner: str
    products: float

    @property
    def place(self) -> str:
        """`relu in layer1.0.relu`."""
        return f"{self.name} in {self.owner}" if self.owner else self.name

    @cached_property
    def operation(self) -> str:
        """PyTorch's name of it, `relu` for `relu_` too."""
        name: str = self.function.overloadpacket.__name__
        return name.removesuffix("_") if self.in_place else name

    @cached_property
    def inputs(self) -> list[int]:
        """The nodes that it reads."""
        return [leaf.index for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Node)]

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """All of them by name, also those that were left at their defaults."""
        schema = self.function._schema.arguments
        given = dict(zip((argument.name for argument in schema), self.args, strict=False)) | self.kwargs
        return {argument.name: given.get(argument.name, argument.default_value) for argument in schema}

    def changed(self, **arguments: Any) -> "Call":
        """The same call with other arguments."""
        return replace(self, args=(), kwargs=self.arguments | arguments)

    @cached_property
    def _leaves(self) -> tuple[list[Any], Any]:
        return tree_flatten((self.args, self.kwargs))

    def play(self, tensors: Mapping[int, Tensor], pictures: int) -> list[Tensor]:
        """The tensors that it makes of those of its nodes, for so many pictures."""

        def value(leaf: Any) -> Any:
            if isinstance(leaf, Node):
                return tensors[leaf.index]
            return leaf.start + pictures * leaf.each if isinstance(leaf, PerPicture) else leaf

        leaves, shape = self._leaves
        args, kwargs = tree_unflatten([value(leaf) for leaf in leaves], shape)
        return [out for out in tree_leaves(self.function(*args, **kwargs)) if isinstance(out, Tensor)]


@dataclass(frozen=True)
class Tape:
    """A pass.

    Attributes:
        calls: in order, those that a tap needs.
        shapes: of each node that has one tensor row a picture: without the batch; of the others: None.
        channels_last: the nodes that lie in memory like this, and not contiguously.
        taps: the node that each tap reads.
    """

    calls: Sequence[Call]
    shapes: Mapping[int, tuple[int, ...] | None]
    channels_last: Set[int]
    taps: Mapping[Tap, int]


# ---------------------------------------------------------------------------------------------------- recording


@dataclass
class _Written:
    """What one pass leaves: calls, the shape of each node (batch included), those in channels last, taps, and what no
    picture went into."""

    calls: list[Call] = field(default_factory=list)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    channels_last: set[int] = field(default_factory=set)
    taps: dict[Tap, int] = field(default_factory=dict)
    constants: dict[int, Tensor] = field(default_factory=dict)


class _Writer(TorchDispatchMode):
    """Writes down every operation on the way from x; `name` and `owner` say who is at it."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.written = _Written()
        self.nodes = WeakTensorKeyDictionary()
        self.stale = WeakTensorKeyDictionary()  # overwritten behind its back: by whom
        self.name, self.owner = "", ""
        self.pictures = len(x)
        self._number(x)

    def _number(self, tensor: Tensor) -> int:
        index = len(self.written.shapes)
        self.nodes[tensor] = index
        self.written.shapes[index] = tuple(tensor.shape)
        if tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last):
            self.written.channels_last.add(index)
        return index

    @property
    def _place(self) -> str:
        return f"{self.name} in {self.owner}" if self.owner else self.name

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, torch._ops.OpOverload):
            raise Unplayable(f"{self._place} is made of what is no operation of PyTorch")
        own = not self.name
        if own:  # outside of every function that could be seen
            self.name = func.overloadpacket.__name__.strip("_")
        try:
            return self._write(func, args, kwargs)
        finally:
            if own:
                self.name = ""

    def _write(self, func: Any, args: tuple, kwargs: dict) -> Any:
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for leaf in leaves:
            if leaf in self.stale:
                raise Unplayable(f"{self.stale[leaf]} writes into a part of what is read afterwards")
        seen = func.overloadpacket.__name__ not in _BLIND and any(
            leaf in self.nodes and self.nodes[leaf] not in self.written.constants for leaf in leaves
        )
        if seen and func is torch.ops.aten._local_scalar_dense.default:
            raise Unplayable(f"{self._place} looks at the numbers to decide what to do")
        over = _overwritten(func, args, kwargs)
        if seen and len(over) > (1 if args and over and over[0] is args[0] else 0):
            raise Unplayable(f"{self._place} writes into a tensor that it is given")

        def noted(leaf: Any) -> Any:
            return Node(self.nodes[leaf]) if isinstance(leaf, Tensor) and leaf in self.nodes else leaf

        given_args, given_kwargs = tree_map(noted, (args, kwargs))
        result = func(*args, **kwargs)
        if over and seen:
            self._spoil(over[0])
        outputs = [out for out in tree_leaves(result) if isinstance(out, Tensor)]
        numbers = tuple(self._number(out) for out in outputs)
        if not seen:
            self.written.constants |= dict(zip(numbers, outputs, strict=True))
        count = flop_registry.get(func.overloadpacket)
        products = count(*args, **kwargs, out_val=result) / 2 / self.pictures if count else 0.0
        self.written.calls.append(
            Call(func, given_args, given_kwargs, numbers, bool(over), self.name, self.owner, products)
        )
        return result

    def _spoil(self, overwritten: Tensor) -> None:
        """Whatever else lies in the same memory is not what it was."""
        memory = overwritten.untyped_storage()._cdata
        for other in list(self.nodes):
            if other is not overwritten and other.untyped_storage()._cdata == memory:
                self.stale[other] = self._place


def _overwritten(func: Any, args: tuple, kwargs: dict) -> list[Tensor]:
    """The tensors among the arguments that the operation writes into."""
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    into = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [leaf for name in into for leaf in tree_leaves(given.get(name)) if isinstance(leaf, Tensor)]


def _pass(model: nn.Module, x: Tensor, taps: Sequence[Tap], logits: Callable[[Any], Tensor], rewrite: bool) -> _Written:
    """What one pass leaves; the taps count calls as a reading does."""
    writer, names = _Writer(x), canonical_names(model)
    calls: Counter[tuple[str, str | None]] = Counter()
    wanted = set(taps)

    def note(owner: str, function: str | None, result: Tensor) -> None:
        calls[owner, function] += 1
        tap = Tap(owner, function, calls[owner, function])
        if tap in wanted and result in writer.nodes and tap not in writer.written.taps:
            writer.written.taps[tap] = writer.nodes[result]

    def handle(owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        before = writer.name, writer.owner
        writer.name, writer.owner = plain_name(function), owner
        try:
            new = rewritten(function, args, kwargs) if rewrite else None
            result = function(*args, **kwargs) if new is None else new
        finally:
            writer.name, writer.owner = before
        if isinstance(result, Tensor):
            note(owner, plain_name(function), result)
        return result

    mode = Interception(handle)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        with mode.inside(None):
            tensor = first_tensor(output)
            if tensor is not None:
                note(names[module], None, tensor)

    with ExitStack() as stack:
        for module, name in names.items():
            stack.enter_context(forward_within(module, partial(mode.inside, name)))
            if name:
                stack.callback(module.register_forward_hook(leave).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(writer)
        out = logits(model(x))
        if Tap("", None, 1) in wanted and out in writer.nodes:
            writer.written.taps[Tap("", None, 1)] = writer.nodes[out]
    return writer.written


def record(
    model: nn.Module,
    inputs: tuple[Tensor, Tensor],
    taps: Sequence[Tap],
    *,
    logits: Callable[[Any], Tensor] = lambda out: out,
    rewrite: bool = False,
) -> Tape:
    """The pass of `model`, which is in eval mode, up to these taps.

    Args:
        model: a network's model, as a reading would run it.
        inputs: what it is fed with two pictures and with three.
        taps: what is to be read.
        logits: the tensor in what the model returns.
        rewrite: exact rewrites are on.
    Raises:
        Unplayable: it can't be played again.
    """
    first, second = (_pass(model, x, taps, logits, rewrite) for x in inputs)
    missing = [tap for tap in taps if tap not in first.taps]
    if missing:
        raise Unplayable(f"{missing[0].owner or 'the model'} returns what was not computed from the picture")
    if first.taps != second.taps or len(first.calls) != len(second.calls):
        raise Unplayable("the model's course depends on the number of pictures")
    calls = [_merged(a, b) for a, b in zip(first.calls, second.calls, strict=True)]
    calls = _needed(_settled(calls, first.constants), first.taps.values())
    shapes = {node: _row(shape, second.shapes[node]) for node, shape in first.shapes.items()}
    return Tape(calls, shapes, first.channels_last, first.taps)


def _row(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of one picture's part, where the first axis counts pictures."""
    return a[1:] if (a[:1], b[:1]) == (COUNTS[:1], COUNTS[1:]) and a[1:] == b[1:] else None


def _merged(a: Call, b: Call) -> Call:
    """The same call of both passes."""
    (one, shape), (other, other_shape) = (tree_flatten((call.args, call.kwargs)) for call in (a, b))
    if (a.function, a.outputs, shape) != (b.function, b.outputs, other_shape):
        raise Unplayable("the model's course depends on the number of pictures")

    def merged(x: Any, y: Any) -> Any:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            if x is y or (x.shape == y.shape and x.dtype == y.dtype and torch.equal(x, y)):
                return x
        elif type(x) is type(y) is int and x != y:
            each = (y - x) // (COUNTS[1] - COUNTS[0])
            return PerPicture(x - COUNTS[0] * each, each)
        elif not isinstance(x, Tensor) and not isinstance(y, Tensor) and x == y:
            return x
        raise Unplayable(f"{a.place} depends on the number of pictures")

    args, kwargs = tree_unflatten([merged(x, y) for x, y in zip(one, other, strict=True)], shape)
    # patches don't lie in memory as whole layers do, and not every view of those is one of these
    function = torch.ops.aten.reshape.default if a.function in _VIEWS else a.function
    return replace(a, function=function, args=args, kwargs=kwargs)


def _settled(calls: Sequence[Call], constants: Mapping[int, Tensor]) -> list[Call]:
    """Without the calls whose outcome is always the same: the tensor itself stands in place of the node."""
    fixed: dict[int, Tensor] = {}
    kept = []

    def settled(leaf: Any) -> Any:
        return fixed.get(leaf.index, leaf) if isinstance(leaf, Node) else leaf

    for call in calls:
        args, kwargs = tree_map(settled, (call.args, call.kwargs))
        alike = all(output in constants for output in call.outputs)
        open_to = PerPicture if call.operation in _BLIND else (Node, PerPicture)
        if alike and not any(isinstance(leaf, open_to) for leaf in tree_leaves((args, kwargs))):
            fixed |= {output: constants[output] for output in call.outputs}
        elif alike and call.in_place:
            raise Unplayable(f"{call.place} writes into what depends on the number of pictures")
        else:
            kept.append(replace(call, args=args, kwargs=kwargs))
    return kept


def _needed(calls: Sequence[Call], taps: Any) -> list[Call]:
    """Those that the taps depend on."""
    wanted, kept = set(taps), []
    for call in reversed(calls):
        if wanted.intersection(call.outputs):
            wanted.update(call.inputs)
            kept.append(call)
    return kept[::-1]
