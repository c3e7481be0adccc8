"""See and change what a model does while it runs, without touching its code.

`torch.overrides.TorchFunctionMode` sees `nn.ReLU`, `F.relu`, `torch.relu` and `Tensor.relu_` alike. It costs about 15
microseconds a call, so it is switched on only inside the modules whose own calls matter (`Interception.inside`), and
off again inside their children.

A `Propagation` is a rule for every call of a model: what others want to see of a pass, or to be passed back through it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial, update_wrapper
from types import FunctionType
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from phosphene.core.networks.opaque import visible_modules

Handler = Callable[[str, Callable, tuple, dict], Any]
"""(owner, function, args, kwargs) -> the result of a call."""

Propagation = Callable[[Tensor], Handler]
"""What one pass does to every call: from the model's input to a handler, which returns NotImplemented for calls
that it leaves as they are."""


class Interception(TorchFunctionMode):
    """Hand every torch function called inside the chosen modules to `handle`.

    Args:
        handle: (owner, function, args, kwargs) -> the result; the owner is what `inside` was given.
    """

    def __init__(self, handle: Handler) -> None:
        super().__init__()
        self.handle = handle
        self.owner: str | None = None
        self.on = False

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if self.owner is None:
            return func(*args, **(kwargs or {}))
        if func is F.multi_head_attention_forward:  # what nn.MultiheadAttention calls, and is seen into
            with self:
                return _opened(func)(*args, **(kwargs or {}))
        return self.handle(self.owner, func, args, kwargs or {})

    @contextmanager
    def inside(self, owner: str | None) -> Iterator[None]:
        """On, with the calls belonging to `owner`; off for None."""
        before, self.owner = self.owner, owner
        # under somebody else's mode (the model's own, or another reading's) it can't be taken off: it stays, idle
        switch = self.on == (owner is None) and (not self.on or _get_current_function_mode() is self)
        if switch:
            self._switch()
        try:
            yield
        finally:
            self.owner = before
            if switch:
                self._switch()

    def _switch(self) -> None:
        self.on = not self.on
        self.__enter__() if self.on else self.__exit__(None, None, None)


def _opened(function: Callable) -> Callable:
    """A Python function of torch that does its work at once, instead of handing itself to whoever intercepts."""
    own = cast(FunctionType, function)
    seen = own.__globals__ | {"has_torch_function": lambda arguments: False}
    opened = FunctionType(own.__code__, seen, own.__name__, own.__defaults__, own.__closure__)
    opened.__kwdefaults__ = own.__kwdefaults__
    return opened


@contextmanager
def forward_within(module: nn.Module, within: Callable[[], Any]) -> Iterator[None]:
    """Run every forward of `module` inside the context `within()`, until this context ends."""
    original, had_own = module.forward, "forward" in module.__dict__

    def forward(*args: Any, **kwargs: Any) -> Any:
        with within():
            return original(*args, **kwargs)

    update_wrapper(forward, original, assigned=(), updated=())  # whoever reads its signature sees the model's own
    try:
        module.__dict__["forward"] = forward
        yield
    finally:
        if had_own:
            module.__dict__["forward"] = original
        else:
            module.__dict__.pop("forward", None)


@contextmanager
def intercepted(owners: Mapping[str, nn.Module], handle: Handler) -> Iterator[None]:
    """Hand the calls that `owners` (by name) make themselves to `handle`; those of their children are left alone."""
    mode = Interception(handle)
    chosen = {module: name for name, module in owners.items()}
    # not the direct children alone: a forward may call grandchildren, those in a ModuleList always
    inner = {child: None for module in owners.values() for _, child in visible_modules(module)}
    with ExitStack() as stack:
        for module, name in (inner | chosen).items():
            stack.enter_context(forward_within(module, partial(mode.inside, name)))
        yield
