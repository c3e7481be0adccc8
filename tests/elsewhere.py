"""A device that is not there: CPU tensors that say they are elsewhere, and are as strict about it as a GPU.

Tensors on the device "meta" carry numbers inside `elsewhere()`. Every operation is computed on the CPU, with its
kernels, so that the numbers are the CPU's; what a GPU refuses is refused: an operation on tensors of two devices, a
generator of the other device, NumPy. With `float64=False` doubles are refused too, as on Apple's MPS.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE = torch.device("meta")
WIDE = (torch.float64, torch.complex128)
ATEN = torch.ops.aten
COPIES = {ATEN._to_copy, ATEN.copy_}
INDEXED = {ATEN.index, ATEN.index_put, ATEN.index_put_, ATEN._index_put_impl_, ATEN._unsafe_index}


class Elsewhere(Tensor):
    """A tensor that says it is on the device "meta", and its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "Elsewhere":
        return Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, layout=numbers.layout, device=ELSEWHERE,
        )  # fmt: skip

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    def __repr__(self) -> str:
        return f"Elsewhere({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} is called on a tensor that is elsewhere, outside of elsewhere()")


def refuse_two_devices(func, args: tuple, kwargs: dict) -> None:
    """What a GPU refuses: tensors of another device, but for CPU numbers among pointwise ones and CPU indices."""
    op = func.overloadpacket
    if op in COPIES:
        return
    checked, at_home = (args, kwargs), []
    if op in INDEXED and isinstance(args[0], Elsewhere):
        checked = (args[0], args[2:3])
    for x in tree_leaves(checked):
        if isinstance(x, Tensor) and not isinstance(x, Elsewhere):
            at_home.append(x)
    free = torch.Tag.pointwise in func.tags or op in INDEXED
    if any(x.dim() or not free for x in at_home):
        shapes = ", ".join(str(tuple(x.shape)) for x in at_home)
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but {shapes} is on the CPU")


class _Computing(TorchDispatchMode):
    def __init__(self, float64: bool) -> None:
        super().__init__()
        self.float64 = float64

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        away = any(isinstance(x, Elsewhere) for x in tree_leaves((args, kwargs)))
        if away:
            refuse_two_devices(func, args, kwargs)
        result_away = away if device is None else device == ELSEWHERE
        if (away or result_away) and kwargs.get("generator") is not None:
            raise RuntimeError(f"{func}: expected a generator of the same device, but it is on the CPU")
        if device == ELSEWHERE:
            kwargs["device"] = torch.device("cpu")
        seen = {}

        def numbers(x: Elsewhere) -> Tensor:
            seen[id(x.numbers)] = x
            return x.numbers

        def sent(x: Tensor) -> Tensor:
            if x.dtype in WIDE and not self.float64:
                raise TypeError(f"{func}: there is no {x.dtype} on this device")
            return seen[id(x)] if id(x) in seen else Elsewhere(x)

        result = func(*tree_map_only(Elsewhere, numbers, args), **tree_map_only(Elsewhere, numbers, kwargs))
        if func.overloadpacket is ATEN.copy_:
            return args[0]
        return tree_map_only(Tensor, sent, result) if result_away else result


class _Sending(TorchFunctionMode):
    """What PyTorch decides before any dispatch: `torch.tensor(data, device="meta")` drops the data, for one."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor, torch.asarray) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return func(args[0].cpu(), *args[1:], **kwargs).to(ELSEWHERE)
        if func is Tensor.tolist:  # refused for subclasses
            return func(args[0].cpu())
        return func(*args, **kwargs)


@contextmanager
def elsewhere(float64: bool = True) -> Iterator[torch.device]:
    """The device, for as long as tensors on it carry numbers."""
    with ExitStack() as stack:
        stack.enter_context(_Sending())
        stack.enter_context(_Computing(float64))
        yield ELSEWHERE
