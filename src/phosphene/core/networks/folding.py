"""Other weights, lent to a model for the time of one reading.

Batch normalization in eval mode is a linear map, so it can be part of the convolution before it: with
s = gamma / sqrt(var + eps), w' = s w and b' = s (b - mean) + beta, computed in float64. And where products are computed
in bfloat16, weights are cast once instead of in every step. The model's own are put back afterwards.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.interception import Interception, forward_within
from phosphene.core.networks.layers import canonical_names

Pair = tuple[str, str]
"""The names of a convolution and of the batch normalization that alone reads it."""

_ABOUT = frozenset(
    "dim size stride numel __get__ __len__ is_floating_point is_contiguous is_complex ndimension".split()
)
"""What may be asked of a tensor without reading its numbers."""


def pairs(model: nn.Module, x: Tensor) -> list[Pair]:
    """Run `model`, in eval mode, on x and list the convolutions that a batch normalization can be folded into.

    Both are PyTorch's own, with their weights as plain parameters, and called once; nothing but the normalization reads
    what the convolution returns, and the model doesn't return it.
    """
    names = canonical_names(model)
    made = WeakTensorKeyDictionary()  # what a convolution returned: its name
    calls: Counter[str] = Counter()
    readers: dict[str, list[str | None]] = {}

    def handle(owner: str, function: Any, args: tuple, kwargs: dict) -> Any:
        inputs = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor) and value in made]
        result = function(*args, **kwargs)
        asks = plain_name(function) in _ABOUT or getattr(function, "__name__", "") in _ABOUT
        if not asks or any(isinstance(value, Tensor) for value in tree_leaves(result)):
            for tensor in inputs:
                readers[made[tensor]].append(owner if plain_name(function) == "batch_norm" else None)
        return result

    mode = Interception(handle)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        with mode.inside(None):
            calls[names[module]] += 1
            if type(module) is nn.Conv2d and module._parameters.get("weight") is not None:
                made[output] = names[module]
                readers.setdefault(names[module], [])

    with ExitStack() as stack, torch.no_grad():
        for module, name in names.items():
            stack.enter_context(forward_within(module, partial(mode.inside, name)))
            stack.callback(module.register_forward_hook(leave).remove)
        out = model(x)
    for value in tree_leaves(out):
        if isinstance(value, Tensor) and value in made:
            readers[made[value]].append(None)
    found = []
    for name, (reader, *more) in ((n, r) for n, r in readers.items() if r):
        if reader is not None and not more and calls[name] == calls[reader] == 1:
            norm = model.get_submodule(reader)
            if type(norm) is nn.BatchNorm2d and norm.running_var is not None:
                found.append((name, reader))
    return found


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The weight and bias of the convolution that does the work of both, in float64 on the CPU (MPS has none)."""

    def exact(value: Tensor | None, otherwise: float) -> Tensor:
        return torch.tensor(otherwise).double() if value is None else value.to("cpu", torch.float64)

    scale = exact(norm.weight, 1) / (exact(norm.running_var, 1) + norm.eps).sqrt()
    bias = (exact(conv.bias, 0) - exact(norm.running_mean, 0)) * scale + exact(norm.bias, 0)
    return exact(conv.weight, 0) * scale.view(-1, 1, 1, 1), bias


@dataclass(frozen=True)
class Loan:
    """What one module gets: weights by name, and the normalization that they make superfluous."""

    module: nn.Module
    weights: dict[str, Tensor]
    name: str = ""
    norm: nn.Module | None = None

    def hooked(self) -> bool:
        """Whether somebody else's hook would see what lies between the two."""
        inner = [self.module._forward_hooks, self.module._backward_hooks]
        return self.norm is not None and any((*inner, self.norm._forward_pre_hooks, self.norm._backward_hooks))


@torch.no_grad()
def loans(model: nn.Module, fold: Sequence[Pair], dtype: torch.dtype | None, channels_last: bool) -> list[Loan]:
    """The weights to lend: of folded pairs, and, where products are computed in another dtype, of all of PyTorch's own
    convolutions and linear layers."""

    def cast(value: Tensor, own: Tensor) -> Tensor:
        layout = torch.channels_last if channels_last and value.dim() == 4 else torch.contiguous_format
        return value.to(dtype or own.dtype).to(own.device).contiguous(memory_format=layout)

    found: dict[nn.Module, Loan] = {}
    for name, reader in fold:
        conv, norm = model.get_submodule(name), model.get_submodule(reader)
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        values = zip(("weight", "bias"), folded(conv, norm), strict=True)
        found[conv] = Loan(conv, {key: cast(value, conv.weight) for key, value in values}, name, norm)
    if dtype is not None:
        for module in model.modules():
            if type(module) in (nn.Conv2d, nn.Linear) and module not in found:
                own = {key: value for key, value in module._parameters.items() if value is not None}
                found[module] = Loan(module, {key: cast(value, value) for key, value in own.items()})
    return list(found.values())


def fingerprint(modules: Sequence[nn.Module]) -> list[int]:
    """What changes when one of their weights is exchanged or written to; a plain loop, as it runs in every step."""
    found: list[int] = []
    for module in modules:
        for tensors in (module._parameters, module._buffers):
            for tensor in tensors.values():
                if tensor is not None:
                    found += id(tensor), tensor._version
    return found


def _itself(x: Tensor) -> Tensor:
    return x


@contextmanager
def lent(every: Sequence[Loan], tapped: Collection[str]) -> Iterator[None]:
    """The weights are in the modules until this context ends; pairs whose inside is `tapped` are left as they are."""
    given = [loan for loan in every if not (loan.norm is not None and (loan.name in tapped or loan.hooked()))]
    own = [dict(loan.module._parameters) for loan in given]
    before = {loan.norm: loan.norm.__dict__.get("forward") for loan in given if loan.norm is not None}
    try:
        for loan in given:
            loan.module._parameters.update(loan.weights)  # type: ignore[arg-type]
        for norm in before:
            norm.__dict__["forward"] = _itself
        yield
    finally:
        for loan, parameters in zip(given, own, strict=True):
            loan.module._parameters.update(parameters)
        for norm, forward in before.items():
            if forward is None:
                norm.__dict__.pop("forward", None)
            else:
                norm.__dict__["forward"] = forward
