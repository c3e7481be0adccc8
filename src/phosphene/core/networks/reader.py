"""One forward pass that reads: taps set, functions intercepted, ended as soon as everything was read."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.anatomy import Anatomy
from phosphene.core.networks.borrowing import borrower
from phosphene.core.networks.calls import called, is_in_place
from phosphene.core.networks.interception import Handler, intercepted
from phosphene.core.networks.layers import LOGITS, Tap, first_tensor, replaced
from phosphene.core.networks.opaque import visible_modules
from phosphene.core.networks.rectifiers import RECTIFIERS, RectifierRule, Rule, ruled
from phosphene.core.networks.rewrites import acted_on, rewritten


def _unchanged(module: nn.Module, inputs: Any) -> None:
    """A hook that leaves everything as it is."""


class _Enough(BaseException):
    """Raised out of a forward pass when everything was read; a BaseException, so that no model swallows it."""

    def __init__(self, reader: "Reader") -> None:
        super().__init__()
        self.reader = reader


def precise(activation: Tensor) -> Tensor:
    """In float32 at least: sums over an activation need more than half precision."""
    return activation.float() if activation.dtype in (torch.float16, torch.bfloat16) else activation


class Reader:
    """Reads one pass of a model, which is borrowed.

    Args:
        anatomy: the model, and who calls what in it.
        axes: where it is read, and which axis counts channels there.
        rule: what the backward pass does at rectifiers, or what becomes of every call.
        rewrites: the exact ones that are on.
        leaving: where so many pictures of the batch, the first ones, go no further.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        axes: Mapping[Tap, int],
        rule: Rule,
        rewrites: Collection[str],
        leaving: Mapping[Tap, int] = {},
    ) -> None:
        self.anatomy, self.rewrites, self.leaving = anatomy, rewrites, leaving
        self.propagation = rule if callable(rule) else None
        self.rule: RectifierRule = "gradient" if callable(rule) else rule
        self.modules = {tap.owner for tap in axes if tap.function is None and tap != LOGITS}
        self._missing = dict(axes)  # what is still to be read, and its channel axis
        self._activations: dict[Tap, Tensor] = {}
        self._calls: Counter[tuple[str, str | None]] = Counter()
        self._acted = 0
        self._rewriting: set[str] = set()  # the modules whose calls the rewrites take the place of
        self._handler: Handler | None = None

    def run(self, x: Tensor, until: ExitStack) -> dict[Tap, Tensor]:
        """The activations in a pass on x, by tap, channels on axis 1.

        Args:
            until: what happens to calls goes on until this closes, for blocks that run again in the backward pass.
        Raises:
            Mistake: something was not run, or the rule found nothing to act on.
        """
        owners = self._owners()
        if self.propagation is not None:
            self._handler = self.propagation(x)
        if owners:
            until.enter_context(intercepted(owners, self._handle))
            for module in owners.values():  # PyTorch's transformers skip their parts where nobody hooks them
                until.callback(module.register_forward_pre_hook(_unchanged).remove)
        for owner in self.modules:
            module = self.anatomy.model.get_submodule(owner)
            until.callback(module.register_forward_hook(partial(self._module_called, owner)).remove)
        try:
            output = self.anatomy.calling(self.anatomy.model, x)
            if LOGITS in self._missing:
                left = sum(self.leaving.get(tap, 0) for tap in self._activations)
                self._activations[LOGITS] = precise(self.anatomy.logits(output, len(x) - left))
                del self._missing[LOGITS]
        except _Enough as enough:
            if enough.reader is not self:
                raise
        self._check(x)
        return self._activations

    def _owners(self) -> dict[str, nn.Module]:
        """The modules whose own calls matter, by name."""
        anatomy, model = self.anatomy, self.anatomy.model
        owners = {tap.owner: model.get_submodule(tap.owner) for tap in self._missing if tap.function is not None}
        others = acted_on(anatomy, self.rewrites)
        self._rewriting, owners = set(others), owners | others
        if self.rule != "gradient":
            owners |= anatomy.callers(RECTIFIERS)
        if self.propagation is not None:
            owners |= dict(visible_modules(model))
        return owners

    def _check(self, x: Tensor) -> None:
        name = self.anatomy.name
        if self.rule != "gradient" and not self._acted:
            raise Mistake(
                f"{self.rule} changes what rectifiers (ReLU and its kin) pass back, and {name} has none that "
                "can be seen before this layer; use the plain gradient"
            )
        if self._missing:
            names = ", ".join(repr(tap.owner) for tap in self._missing)
            raise Mistake(f"{name} did not run its layer {names} on a picture of {tuple(x.shape[-2:])} pixels")

    def _keep(self, tap: Tap, tensor: Tensor) -> Tensor:
        """Keep what was read, channels on axis 1; the model goes on with what comes from it and may overwrite that."""
        axis = self._missing.pop(tap)
        kept = precise(tensor)
        self._activations[tap] = kept if axis == 1 else kept.movedim(axis, 1)
        if not self._missing:
            raise _Enough(self)
        further = kept if axis == 1 else self._activations[tap].movedim(1, axis)
        if left := self.leaving.get(tap):
            return further[left:].to(tensor.dtype)
        return further.clone() if kept is tensor else further.to(tensor.dtype)

    def _module_called(self, owner: str, module: nn.Module, inputs: Any, output: Any) -> Any:
        if borrower() is not self:
            return None
        self._calls[owner, None] += 1
        tap = Tap(owner, None, self._calls[owner, None])
        if tap not in self._missing:
            return None
        tensor = first_tensor(output)
        if tensor is None:
            return None
        # an in-place operation further on must not overwrite what was read: the model goes on with a copy, and what
        # is read is a copy itself where the module only handed its input on
        kept = tensor.clone() if tensor._is_view() or any(tensor is x for x in inputs) else tensor
        return replaced(output, tensor, self._keep(tap, kept))

    def _handle(self, owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if borrower() is not self:
            return function(*args, **kwargs)
        name = called(function, args, kwargs)
        tap = Tap(owner, name, self._calls[owner, name] + 1)
        overwritten = args[0] if tap in self._missing and is_in_place(function, kwargs) else None
        if overwritten is not None:
            args = (overwritten.clone(), *args[1:])
        result = self._called(owner, name, function, args, kwargs)
        self._calls[owner, name] += isinstance(result, Tensor)
        if tap not in self._missing or not isinstance(result, Tensor):
            return result
        further = self._keep(tap, result)
        return further if overwritten is None else overwritten.copy_(further)

    def _called(self, owner: str, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        result = NotImplemented if self._handler is None else self._handler(owner, function, args, kwargs)
        if result is not NotImplemented:
            return result
        if self.rule != "gradient" and name in RECTIFIERS:
            self._acted += 1
            return ruled(self.rule, function, args, kwargs)
        new = rewritten(function, args, kwargs, self.rewrites) if owner in self._rewriting else None
        return function(*args, **kwargs) if new is None else new
