"""Weight overrides: other weights that stand in a model during one reading.

Batch normalization in eval mode is a linear map, so it can be part of the convolution before it: with
s = gamma / sqrt(var + eps), w' = s w and b' = s (b - mean) + beta, computed in float64. And where products are computed
in bfloat16, weights are cast once instead of in every step. The model's own are put back afterwards.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from phosphene.core.networks.calls import plain_name
from phosphene.core.networks.layers import Tap

Pair = tuple[str, str]
"""The names of a convolution and of the batch normalization that alone reads it."""

_ABOUT = frozenset(
    "dim size stride numel __get__ __len__ is_floating_point is_contiguous is_complex ndimension".split()
)
"""What a tensor tells without its numbers being read."""


class ConvolutionReaders:
    """Listens to a pass and finds the convolutions that a batch normalization can be folded into.

    Both are PyTorch's own, with their weights as plain parameters, and called once; nothing but the normalization reads
    what the convolution returns, and the model doesn't return it.
    """

    def __init__(self) -> None:
        self._made = WeakTensorKeyDictionary()  # what a convolution returned: its name
        self._calls: Counter[str] = Counter()
        self._readers: dict[str, list[str | None]] = {}

    def function_returned(self, tap: Tap, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Who reads what a convolution returned: a normalization by name, None for everything else."""
        inputs = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor) and value in self._made]
        about = plain_name(function) in _ABOUT or getattr(function, "__name__", "") in _ABOUT
        if not about or any(isinstance(value, Tensor) for value in tree_leaves(result)):
            for tensor in inputs:
                self._readers[self._made[tensor]].append(tap.owner if tap.function == "batch_norm" else None)

    def module_returned(self, tap: Tap, module: nn.Module, output: Any) -> None:
        """What a convolution returned, and how often a module was called."""
        self._calls[tap.owner] += 1
        if type(module) is nn.Conv2d and module._parameters.get("weight") is not None:
            self._made[output] = tap.owner
            self._readers.setdefault(tap.owner, [])

    def pairs(self, model: nn.Module, output: Any) -> list[Pair]:
        """The pairs, after a pass in which `model` returned this."""
        for value in tree_leaves(output):
            if isinstance(value, Tensor) and value in self._made:
                self._readers[self._made[value]].append(None)
        pairs = []
        for name, (reader, *more) in ((n, r) for n, r in self._readers.items() if r):
            if reader is not None and not more and self._calls[name] == self._calls[reader] == 1:
                norm = model.get_submodule(reader)
                if type(norm) is nn.BatchNorm2d and norm.running_var is not None:
                    pairs.append((name, reader))
        return pairs


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The weight and bias of the convolution that does the work of both, in float64 on the CPU (MPS has none)."""

    def exact(value: Tensor | None, otherwise: float) -> Tensor:
        return torch.tensor(otherwise).double() if value is None else value.to("cpu", torch.float64)

    scale = exact(norm.weight, 1) / (exact(norm.running_var, 1) + norm.eps).sqrt()
    bias = (exact(conv.bias, 0) - exact(norm.running_mean, 0)) * scale + exact(norm.bias, 0)
    return exact(conv.weight, 0) * scale.view(-1, 1, 1, 1), bias


@dataclass(frozen=True)
class WeightOverride:
    """The weights that one module gets, by name, and the normalization that they make superfluous."""

    module: nn.Module
    weights: dict[str, Tensor]
    name: str = ""
    norm: nn.Module | None = None

    def hooked(self) -> bool:
        """Whether somebody else's hook would see what lies between the two."""
        inner = [self.module._forward_hooks, self.module._backward_hooks]
        return self.norm is not None and any((*inner, self.norm._forward_pre_hooks, self.norm._backward_hooks))


@torch.no_grad()
def weight_overrides(
    model: nn.Module, fold: Sequence[Pair], dtype: torch.dtype | None, channels_last: bool
) -> list[WeightOverride]:
    """Those of folded pairs, and, where products are computed in another dtype, of all of PyTorch's own
    convolutions and linear layers; where pictures lie channels last, convolutions' weights do too, or PyTorch would
    lay them out anew in every step."""

    def cast(value: Tensor, own: Tensor) -> Tensor:
        layout = torch.channels_last if channels_last and value.dim() == 4 else torch.contiguous_format
        return value.to(dtype or own.dtype).to(own.device).contiguous(memory_format=layout)

    def moved(module: nn.Module) -> bool:
        weight = module._parameters.get("weight")
        last = torch.channels_last
        return type(module) is nn.Conv2d and weight is not None and not weight.is_contiguous(memory_format=last)

    overrides: dict[nn.Module, WeightOverride] = {}
    for name, reader in fold:
        conv, norm = model.get_submodule(name), model.get_submodule(reader)
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        values = zip(("weight", "bias"), folded(conv, norm), strict=True)
        overrides[conv] = WeightOverride(conv, {key: cast(value, conv.weight) for key, value in values}, name, norm)
    for module in model.modules():
        lowered = dtype is not None and type(module) in (nn.Conv2d, nn.Linear)
        if module not in overrides and (lowered or (channels_last and moved(module))):
            own = {key: value for key, value in module._parameters.items() if value is not None}
            overrides[module] = WeightOverride(module, {key: cast(value, value) for key, value in own.items()})
    return list(overrides.values())


def fingerprint(modules: Sequence[nn.Module]) -> list[int]:
    """What changes when one of their weights is exchanged or written to; a plain loop, as it runs in every step."""
    identities: list[int] = []
    for module in modules:
        for tensors in (module._parameters, module._buffers):
            for tensor in tensors.values():
                if tensor is not None:  # of tensors made in inference mode nobody counts the versions
                    identities += id(tensor), 0 if tensor.is_inference() else tensor._version
    return identities


def _itself(x: Tensor) -> Tensor:
    return x


@contextmanager
def overridden(overrides: Sequence[WeightOverride], tapped: Collection[str]) -> Iterator[None]:
    """The weights stand in the modules until this context ends; pairs whose inside is `tapped` are left as they are."""
    active = [o for o in overrides if not (o.norm is not None and (o.name in tapped or o.hooked()))]
    parameters: list[dict[str, Any]] = [override.module._parameters for override in active]
    own = [dict(weights) for weights in parameters]
    before = {override.norm: override.norm.__dict__.get("forward") for override in active if override.norm is not None}
    try:
        for weights, override in zip(parameters, active, strict=True):
            weights.update(override.weights)
        for norm in before:
            norm.__dict__["forward"] = _itself
        yield
    finally:
        for weights, mine in zip(parameters, own, strict=True):
            weights.update(mine)
        for norm, forward in before.items():
            if forward is None:
                norm.__dict__.pop("forward", None)
            else:
                norm.__dict__["forward"] = forward
