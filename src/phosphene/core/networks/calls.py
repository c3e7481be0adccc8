"""What a call of one of PyTorch's functions is, however it is written."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


def plain_name(function: Callable) -> str:
    """What a function is called, however it is written: `add` for `+`, `+=` and `torch.add`."""
    name = getattr(function, "__name__", "").strip("_")
    if name[:1] in ("i", "r") and name[1:] in ("add", "sub", "mul", "div", "truediv"):
        name = name[1:]
    return {"concat": "cat", "concatenate": "cat", "truediv": "div"}.get(name, name)


def called(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> str:
    """What a call does: `plain_name`; `relu` too where it is written as a clamp at 0 from below or a maximum with 0."""
    name = plain_name(function)
    if name in ("clamp", "clip", "clamp_min"):
        low = kwargs.get("min", args[1] if len(args) > 1 else None)
        high = kwargs.get("max", args[2] if len(args) > 2 else None)
        return "relu" if high is None and low is not None and is_zero(low) else name
    if name in ("maximum", "max"):
        return "relu" if any(map(is_zero, compared(args, kwargs))) else name
    return name


def compared(args: tuple, kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The two tensors of a maximum; none of the maximum along an axis."""
    both = [*args, *(kwargs[name] for name in ("input", "other") if name in kwargs)]
    return both if len(both) == 2 and all(isinstance(value, Tensor) for value in both) else []


def is_zero(value: Any) -> bool:
    """Whether this number, or all of this tensor, is 0."""
    return not value.any() if isinstance(value, Tensor) else value == 0


def is_in_place(function: Callable, arguments: Mapping[str, Any]) -> bool:
    """Whether the call overwrites its input (`relu_`, `+=`, `inplace=True`)."""
    name = getattr(function, "__name__", "")
    written = name.endswith("_") and not name.endswith("__")
    return (
        written
        or name in ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__")
        or bool(arguments.get("inplace", False))
    )
