"""Recomputation switched off: blocks under `torch.utils.checkpoint` keep their activations while a model is read.

A reading ends inside of blocks and changes what their calls do; a block that was run again in the backward pass would
have to be changed and ended in just the same way, and reentrant checkpoints refuse `torch.autograd.grad` altogether.
Without it the numbers are the same. Other threads, which may be training, go on as they are.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch.utils.checkpoint as checkpoints

_reading: ContextVar[bool] = ContextVar("reading", default=False)
_mutex = threading.Lock()
_readers = 0

_REENTRANT, _OTHER = "CheckpointFunction", "_checkpoint_without_reentrant_generator"
"""What both kinds of checkpoint come down to, by the names under which `checkpoint` looks them up."""

_own: dict[str, Any] = {}


class _Reentrant:
    """In place of the autograd function: calls what is checkpointed, where a model is read."""

    @staticmethod
    def apply(function: Callable, preserve: bool, *args: Any) -> Any:
        return function(*args) if _reading.get() else _own[_REENTRANT].apply(function, preserve, *args)


def _other(function: Callable, *args: Any, **kwargs: Any) -> Iterator[None]:
    """In place of the generator around what is checkpointed: does nothing, where a model is read."""
    if _reading.get():
        yield
    else:
        yield from _own[_OTHER](function, *args, **kwargs)


@contextmanager
def without_recomputation() -> Iterator[None]:
    """Checkpointed blocks of this thread are plain calls until this context ends."""
    global _readers
    with _mutex:
        _readers += 1
        if _readers == 1:
            for name, other in ((_REENTRANT, _Reentrant), (_OTHER, _other)):
                if hasattr(checkpoints, name):  # a later PyTorch may call them otherwise
                    _own[name] = getattr(checkpoints, name)
                    setattr(checkpoints, name, other)
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)
        with _mutex:
            _readers -= 1
            if not _readers:
                for name, own in _own.items():
                    setattr(checkpoints, name, own)
