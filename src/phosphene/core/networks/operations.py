"""Write down the operations of a pass, so that it can be played again.

Two passes, on two and on three pictures, tell which integers among the arguments count pictures:
`x.view(x.size(0), -1)` arrives here as `view(x, [2, -1])`.

What can't be played: a network that looks at its numbers to decide what to do, and one that writes into a part of a
tensor that it reads afterwards. `Unplayable` says so in words. What no recording can see (a detour through NumPy),
whoever plays it has to find out by comparing once with a reading.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.calling import PLAINLY, Calling
from phosphene.core.networks.calls import called, plain_name
from phosphene.core.networks.layers import LOGITS, Tap, first_tensor
from phosphene.core.networks.recorder import record
from phosphene.core.networks.recording import Call, Node, PerPicture, Recording, Unplayable
from phosphene.core.networks.rewrites import rewritten

_BLIND = frozenset("new_empty new_full new_ones new_zeros".split())
"""Operations that ask a tensor for its kind and not for its numbers."""

_VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)

Logits = Callable[[Any, int], Tensor]
"""From what a model returns, and for how many pictures, to the logits."""

COUNTS = (2, 3)
"""Pictures in the two passes; one alone is what broadcasting and kernels treat in a way of their own."""


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
        self.silent = False
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
        if self.silent:
            return func(*args, **kwargs)
        if not isinstance(func, torch._ops.OpOverload):
            raise Unplayable(f"{self._place} is not made of PyTorch's operations")
        own = not self.name
        if own:  # outside of every function that could be seen
            self.name = func.overloadpacket.__name__.strip("_")
        try:
            return self._write(func, args, kwargs)
        finally:
            if own:
                self.name = ""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written down until this context ends."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    def _write(self, func: Any, args: tuple, kwargs: dict) -> Any:
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        depends = func.overloadpacket.__name__ not in _BLIND and any(map(self._depends, leaves))
        overwritten = _overwritten(func, args, kwargs)
        self._check(func, args, leaves, overwritten, depends)

        def node(leaf: Any) -> Any:
            return Node(self.nodes[leaf]) if isinstance(leaf, Tensor) and leaf in self.nodes else leaf

        node_args, node_kwargs = tree_map(node, (args, kwargs))
        result = func(*args, **kwargs)
        if overwritten and depends:
            self._spoil(overwritten[0])
        outputs = [out for out in tree_leaves(result) if isinstance(out, Tensor)]
        numbers = tuple(self._number(out) for out in outputs)
        if not depends:
            self.written.constants |= dict(zip(numbers, outputs, strict=True))
        count = flop_registry.get(func.overloadpacket)
        products = count(*args, **kwargs, out_val=result) / 2 / self.pictures if count else 0.0
        self.written.calls.append(
            Call(func, node_args, node_kwargs, numbers, bool(overwritten), self.name, self.owner, products)
        )
        return result

    def _depends(self, tensor: Tensor) -> bool:
        """Whether the picture went into this tensor."""
        return tensor in self.nodes and self.nodes[tensor] not in self.written.constants

    def _check(
        self, func: Any, args: tuple, leaves: Sequence[Tensor], overwritten: Sequence[Tensor], depends: bool
    ) -> None:
        """That an operation can be played again; the picture went into its arguments where it `depends`.

        Raises:
            Unplayable: why it can't.
        """
        for leaf in leaves:
            if leaf in self.stale:
                raise Unplayable(f"{self.stale[leaf]} writes into a part of what is read afterwards")
        if depends and func is torch.ops.aten._local_scalar_dense.default:
            raise Unplayable(f"{self._place} looks at the numbers to decide what to do")
        first = bool(args) and bool(overwritten) and overwritten[0] is args[0]
        if depends and len(overwritten) > int(first):
            raise Unplayable(f"{self._place} writes into a tensor that it is given")

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


class _Taps:
    """Listens to a pass and notes which node each tap reads; names the functions that the writer writes down."""

    def __init__(self, writer: "_Writer", taps: Sequence[Tap], rewrite: bool) -> None:
        self.writer, self.wanted, self.rewrite = writer, set(taps), rewrite

    def run(self, owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Call a function, or its exact rewrite, under its name."""
        writer = self.writer
        before = writer.name, writer.owner
        writer.name, writer.owner = plain_name(function), owner
        try:
            new = rewritten(function, args, kwargs, ["local_response_norm"]) if self.rewrite else None
            return function(*args, **kwargs) if new is None else new
        finally:
            writer.name, writer.owner = before

    def name(self, function: Callable, args: tuple, kwargs: dict) -> str:
        """What a function is called; that this looks at numbers is not the model's doing."""
        with self.writer.paused():
            return called(function, args, kwargs)

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Its result may be what a tap reads."""
        self.note(tap, result)

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """Its output may be what a tap reads; that of the model itself is looked for in `logits`."""
        if tap.owner:
            self.note(tap, first_tensor(output))

    def note(self, tap: Tap, result: Any) -> None:
        """What a tap reads, the first time."""
        written = self.writer.written
        if tap in self.wanted and isinstance(result, Tensor) and result in self.writer.nodes:
            written.taps.setdefault(tap, self.writer.nodes[result])


def _pass(
    model: nn.Module, x: Tensor, taps: Sequence[Tap], logits: Logits, rewrite: bool, calling: Calling
) -> _Written:
    """What one pass leaves."""
    writer = _Writer(x)
    listener = _Taps(writer, taps, rewrite)
    with torch.no_grad(), writer:
        output = record(model, x, [listener], calling=calling, run=listener.run, name=listener.name)
        listener.note(LOGITS, logits(output, len(x)))
    return writer.written


def record_operations(
    model: nn.Module,
    inputs: tuple[Tensor, Tensor],
    taps: Sequence[Tap],
    *,
    logits: Logits = lambda out, pictures: out,
    rewrite: bool = False,
    calling: Calling = PLAINLY,
) -> Recording:
    """The pass of `model`, which is in eval mode, up to these taps.

    Args:
        model: a network's model, as a reading would run it.
        inputs: the model's input for two pictures and for three.
        taps: what is to be read.
        logits: the tensor in what the model returns for so many pictures.
        rewrite: exact rewrites are on.
        calling: how the model is called.
    Raises:
        Unplayable: it can't be played again.
    """
    first, second = (_pass(model, x, taps, logits, rewrite, calling) for x in inputs)
    missing = [tap for tap in taps if tap not in first.taps]
    if missing:
        raise Unplayable(f"{missing[0].owner or 'the model'} returns what was not computed from the picture")
    if first.taps != second.taps or len(first.calls) != len(second.calls):
        raise Unplayable("what the model does depends on the number of pictures")
    calls = [_merged(a, b) for a, b in zip(first.calls, second.calls, strict=True)]
    calls = _needed(_settled(calls, first.constants), first.taps.values())
    shapes = {node: _row(shape, second.shapes[node]) for node, shape in first.shapes.items()}
    return Recording(calls, shapes, first.channels_last, first.taps)


def _row(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of one picture's part, where the first axis counts pictures."""
    return a[1:] if (a[:1], b[:1]) == (COUNTS[:1], COUNTS[1:]) and a[1:] == b[1:] else None


def _merged(a: Call, b: Call) -> Call:
    """The same call of both passes."""
    (one, shape), (other, other_shape) = (tree_flatten((call.args, call.kwargs)) for call in (a, b))
    if (a.function, a.outputs, shape) != (b.function, b.outputs, other_shape):
        raise Unplayable("what the model does depends on the number of pictures")

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
    # parts of a layer don't lie in memory as whole layers do, and not every view of those is one of these
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
