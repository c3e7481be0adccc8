"""A model is borrowed, never changed: who may use it, and how it is given back.

While a model is borrowed it is in eval mode, its parameters are frozen, and other weights or hooks may stand in it. So
one thread borrows it at a time. Models share a lock where they share a module or a parameter; models that share
nothing are borrowed side by side.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from itertools import count
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from phosphene.core.errors import Mistake
from phosphene.core.networks.opaque import Opaque, is_opaque
from phosphene.core.networks.recomputing import without_recomputation

_mutex = threading.Lock()
_numbers = count()
_locks = WeakIdKeyDictionary()  # of every module and parameter: the number and the lock that it got first

_borrower: ContextVar[Any] = ContextVar("borrower", default=None)


class Locks:
    """The locks of a model: those that its modules and parameters got from the first models that hold them.

    They are taken in the order in which they were made, so that no two threads wait for one another; and a thread
    that holds them may take them again, because a hook may read the model that is being read. (Two threads that read,
    in a hook of the one model, the other model, and the other way round, would wait for ever.)
    """

    def __init__(self, model: nn.Module) -> None:
        with _mutex:
            own = next(_numbers), threading.RLock()
            shared = dict(_locks.setdefault(part, own) for part in (*model.modules(), *model.parameters()))
        self._ordered = [shared[number] for number in sorted(shared)]

    def __enter__(self) -> None:
        taken = []
        try:
            for lock in self._ordered:
                lock.acquire()
                taken.append(lock)
        except BaseException:
            for lock in reversed(taken):
                lock.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lock in reversed(self._ordered):
            lock.release()


def without_numbers(value: Tensor) -> bool:
    """Whether a tensor has a shape alone: it says that it is on the device meta, and can't be read."""
    if not value.is_meta:
        return False
    try:
        value.flatten()[:1].tolist()
    except RuntimeError:  # NotImplementedError is one
        return True
    return False


def unwrapped(model: Any) -> nn.Module:
    """The module inside `DataParallel`, `DistributedDataParallel` and `torch.compile` wrappers; TorchScript as it is,
    inside of a module that can be hooked.

    Raises:
        Mistake: it is not a module, or one whose parameters have no numbers yet.
    """
    while True:
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif not isinstance(model, torch.jit.ScriptModule) and hasattr(model, "_orig_mod"):
            model = model._orig_mod
        else:
            break
    if not isinstance(model, nn.Module):
        what = "a class, not a module of it" if isinstance(model, type) else type(model).__name__
        raise Mistake(f"a network is a torch.nn.Module, not {what}")
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(value):
            raise Mistake(f"{name} of {type(model).__name__} has no size yet; run the model once on a picture")
        if without_numbers(value):
            raise Mistake(
                f"{name} of {type(model).__name__} is on the device meta, without numbers; load its weights first: "
                "model.to_empty(device='cpu'), then load_state_dict"
            )
    return Opaque(model) if is_opaque(model) else model


def borrower() -> Any:
    """Who borrows a model in this thread; of several, inside of one another, the last."""
    return _borrower.get()


@contextmanager
def borrowed(model: nn.Module, locks: Locks | None = None, reader: Any = None) -> Iterator[list[nn.Module]]:
    """In eval mode, its parameters frozen, not compiled; afterwards exactly as before. Yields its modules.

    Args:
        model: is nobody else's until this context ends.
        locks: the model's, where they are known.
        reader: who borrows it; a reading inside of a reading (in a hook) is not seen by the outer one.
    """
    with locks or Locks(model):
        token = _borrower.set(reader)
        try:
            with _frozen(model) as modules:
                yield modules
        finally:
            _borrower.reset(token)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[list[nn.Module]]:
    modules = list(model.modules())  # walked once, and without hasattr: this is done in every step
    training = [module for module in modules if module.training]
    parameters = [parameter for module in modules for parameter in module._parameters.values()]
    required = [p for p in parameters if p is not None and p.requires_grad and not p.is_inference()]
    compiled = any("_orig_mod" in m._modules or getattr(m, "_compiled_call_impl", None) is not None for m in modules)
    try:
        for module in training:
            module.training = False
        for parameter in required:
            parameter.requires_grad_(False)
        with without_recomputation(), torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield modules
    finally:
        for module in training:
            module.training = True
        for parameter in required:
            parameter.requires_grad_(True)
