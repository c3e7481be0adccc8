"""One forward pass as a list of calls that can be played again, in whole or in part, on any number of pictures.

In eval mode, on pictures of one size, a network is a fixed sequence of PyTorch's own operations ("aten" operations,
which is what every module and every function comes down to). `operations.py` writes them down.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from phosphene.core.networks.layers import Tap


class Unplayable(Exception):
    """Why a pass can't be played again, as the end of a sentence."""


@dataclass(frozen=True)
class Node:
    """A tensor of the pass, by its number; 0 is the model's input."""

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
class Recording:
    """A pass that can be played again.

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
