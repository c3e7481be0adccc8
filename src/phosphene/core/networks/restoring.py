"""What a model writes into itself while it runs, put back: counters, caches, statistics that ignore eval mode.

A first run shows which modules do so (`Kept.changed`); from then on only theirs is kept.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_draw: ContextVar[int] = ContextVar("draw", default=0)

_OWN = frozenset(vars(nn.Module())) | {"forward"}
"""What every module has; nothing of it is a model's state."""


class Kept:
    """The buffers and attributes of modules; as they were, when this context ends.

    A model writes into copies of its buffers meanwhile.

    Attributes:
        changed: afterwards, the modules that had been written into.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.modules = list(modules)
        self.changed: list[nn.Module] = []
        self._buffers: list[dict[str, Tensor | None]] = []
        self._attributes: list[dict[str, Any]] = []
        self._contents: list[dict[str, Any]] = []

    def __enter__(self) -> "Kept":
        for module in self.modules:
            own = dict(module._buffers)
            self._buffers.append(own)
            module._buffers.update({name: value if value is None else _copy(value) for name, value in own.items()})
            attributes = {name: value for name, value in vars(module).items() if name not in _OWN}
            self._attributes.append(attributes)
            self._contents.append({name: _contents(value) for name, value in attributes.items()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for module, buffers, attributes, contents in zip(
            self.modules, self._buffers, self._attributes, self._contents, strict=False
        ):
            written = not _alike(module._buffers, buffers)
            module._buffers.clear()
            module._buffers.update(buffers)
            if _restored(module, attributes, contents) or written:
                self.changed.append(module)


def _copy(value: Tensor) -> Tensor:
    with torch.no_grad():
        return value if value.is_meta else value.clone()


def _alike(now: dict[str, Tensor | None], before: dict[str, Tensor | None]) -> bool:
    if set(now) != set(before):
        return False
    for name, own in before.items():
        other = now[name]
        if own is None or other is None:
            if own is not other:
                return False
        elif own.shape != other.shape or own.dtype != other.dtype or not _same(own, other):
            return False
    return True


def _same(a: Tensor, b: Tensor) -> bool:
    if a.is_meta or b.is_meta or a is b:
        return a is b
    return bool(torch.equal(a, b) or torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def _contents(value: Any) -> Any:
    """What is in a container, so that it can be filled again; None for everything else."""
    return type(value)(value) if type(value) in (list, dict, set) else None


def _restored(module: nn.Module, attributes: dict[str, Any], contents: dict[str, Any]) -> bool:
    """Whether attributes had been written into; they are as before now."""
    now = {name: value for name, value in vars(module).items() if name not in _OWN}
    written = [name for name in now if name not in attributes]
    for name in written:
        del vars(module)[name]
    for name, value in attributes.items():
        if name not in now or now[name] is not value:
            vars(module)[name] = value
            written.append(name)
        if (inside := contents[name]) is not None and not _same_contents(value, inside):
            value.clear()
            value.extend(inside) if isinstance(value, list) else value.update(inside)
            written.append(name)
    return bool(written)


def _same_contents(value: Any, inside: Any) -> bool:
    if len(value) != len(inside):
        return False
    if isinstance(value, dict):
        return all(key in value and value[key] is item for key, item in inside.items())
    return all(a is b for a, b in zip(value, inside, strict=True))


@contextmanager
def drawing(draw: int) -> Iterator[None]:
    """Other random numbers for whoever begins anew meanwhile: a network that draws some is read with this draw of them.

    Args:
        draw: below 2^32; 0 is the usual one.
    """
    token = _draw.set(draw)
    try:
        yield
    finally:
        _draw.reset(token)


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """PyTorch's, NumPy's and Python's random numbers begin anew, and go on as if nothing had been drawn afterwards."""
    seed = _draw.get()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            # torch.manual_seed also notes a traceback for each kind of accelerator, every time: .3 to 10 ms
            (torch if torch.accelerator.is_available() else torch.default_generator).manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
