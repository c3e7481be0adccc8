"""See and change what a model does while it runs, without touching its code.

`torch.overrides.TorchFunctionMode` sees `nn.ReLU`, `F.relu`, `torch.relu` and `Tensor.relu_` alike. It costs about 15
microseconds a call, so it is switched on only inside the modules whose own calls matter (`Interception.inside`), and
off again inside their children.

Carried here: the rules for the backward pass through an activation (deconvnet, guided backprop) and exact rewrites
(local response normalization as a banded 1x1 convolution). A `Propagation` is a rule for every call of a model: what
others want to see of a pass, or to be passed back through it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FunctionType
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode, _get_current_function_mode

RectifierRule = Literal["gradient", "guided", "deconvnet", "redirected"]

Handler = Callable[[str, Callable, tuple, dict], Any]
"""(owner, function, args, kwargs) -> the result of a call."""

Propagation = Callable[[Tensor], Handler]
"""What one pass does to every call: from what the model is fed to a handler, which returns NotImplemented for calls
that it leaves as they are."""

Rule = RectifierRule | Propagation

RECTIFIERS = frozenset(
    "relu relu6 hardtanh leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish threshold softplus".split()
)
"""Activations that a rule for the backward pass applies to; gates (sigmoid, tanh, softmax) keep their gradient."""


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
        return "relu" if high is None and low is not None and _is_zero(low) else name
    if name in ("maximum", "max"):
        return "relu" if any(map(_is_zero, _compared(args, kwargs))) else name
    return name


def _compared(args: tuple, kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The two tensors of a maximum; none of the maximum along an axis."""
    both = [*args, *(kwargs[name] for name in ("input", "other") if name in kwargs)]
    return both if len(both) == 2 and all(isinstance(value, Tensor) for value in both) else []


def _is_zero(value: Any) -> bool:
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
    inner = {child: None for module in owners.values() for child in module.modules()}
    with ExitStack() as stack:
        for module, name in (inner | chosen).items():
            stack.enter_context(forward_within(module, partial(mode.inside, name)))
        yield


# ------------------------------------------------------------------------------------------ rules for rectifiers


class _Ruled(torch.autograd.Function):
    """An activation whose backward pass follows `rule` instead of the chain rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Callable[[Tensor], Tensor], rule: RectifierRule) -> Tensor:
        x = x.clone()  # the model may overwrite its own: `x += self.block(x)`
        ctx.save_for_backward(x)
        ctx.activation, ctx.rule = activation, rule
        return activation(x)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if ctx.rule == "redirected":
            return _redirected(ctx.activation, x, above[0]), None, None
        positive = above[0].clamp(min=0)
        if ctx.rule == "deconvnet":
            return positive, None, None
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (through,) = torch.autograd.grad(ctx.activation(x), x, positive)
        return through * (x > 0), None, None


class _Rectified(torch.autograd.Function):
    """The same for plain ReLU, which is most of all: nothing is kept but what comes out, and in place nothing more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: RectifierRule, in_place: bool) -> Tensor:
        y = x.relu_() if in_place else x.relu()
        if in_place:
            ctx.mark_dirty(x)
        if rule == "guided":
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        positive = above[0].clamp(min=0)
        if not ctx.saved_tensors:
            return positive, None, None
        return torch.ops.aten.threshold_backward(positive, ctx.saved_tensors[0], 0), None, None


def _redirected(activation: Callable[[Tensor], Tensor], x: Tensor, above: Tensor) -> Tensor:
    """The gradient; where all of a picture's is blocked, the part that would open closed units (lucid's redirection).

    The slope is that of something to be made small, so a closed unit is opened by a negative signal from above.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (through,) = torch.autograd.grad(activation(x), x, above)
    blocked = (through.flatten(1) == 0).all(1).view(-1, *[1] * (x.dim() - 1))
    return torch.where(blocked, above.clamp(max=0), through)


def ruled(rule: RectifierRule, function: Callable, args: tuple, kwargs: dict) -> Tensor:
    """Call a rectifier with the backward pass of `rule`.

    With f the input and R the signal from above (Springenberg et al. 2015, arXiv:1412.6806): the gradient passes
    (f > 0) R, deconvnet (R > 0) R, guided backprop (f > 0)(R > 0) R. For smooth or bent activations a with derivative
    a' this program defines: guided passes (f > 0)(R > 0) a'(f) R, so that ReLU6 also blocks f > 6 and LeakyReLU's
    negative side is closed as ReLU's; deconvnet passes max(R, 0) and ignores the activation. "redirected" is the
    gradient, except for pictures whose whole gradient is blocked (lucid, `redirected_relu_grad.py`).

    What is a rectifier is told by the function (`RECTIFIERS`), and by `called` for a clamp at 0 or a maximum with 0.
    One written as a product with a mask, `x * (x > 0)`, or with `torch.where` is not seen; a clamp at both ends is
    none, as gates are written so (`(x + 3).clamp(0, 6) / 6`).
    """
    x, activation = _rectified(function, args, kwargs)
    in_place = is_in_place(function, kwargs) or any(value is True for value in args[1:])
    if activation is F.relu and rule != "redirected":
        mine = in_place and not x._is_view()  # a view can't be exchanged for what it becomes
        rectified = _Rectified.apply(x, rule, mine)
        return x.copy_(rectified) if in_place and not mine else rectified
    result = _Ruled.apply(x, activation, rule)
    return x.copy_(result) if in_place else result


def _rectified(function: Callable, args: tuple, kwargs: dict) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """What a rectifier is given, and what it does to that, out of place."""
    x, *rest = args if args else (kwargs["input"],)
    if plain_name(function) == "relu":
        return x, F.relu
    if plain_name(function) not in RECTIFIERS:
        zeros = [value for value in _compared(args, kwargs) if _is_zero(value)]
        others = [value for value in _compared(args, kwargs) if value is not zeros[0]]
        return (others[0] if others else x), F.relu
    options = {name: value for name, value in kwargs.items() if name not in ("input", "inplace")}
    # the positional `inplace` of F.relu and its kin is the only bool among their arguments
    rest = [value for value in rest if not isinstance(value, bool)]
    out_of_place = getattr(F, getattr(function, "__name__", "").strip("_"), function)
    return x, lambda f: out_of_place(f, *rest, **options)


# ------------------------------------------------------------------------------------------------ exact rewrites


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """`F.local_response_norm` of (n, c, h, w) with the sum over channels as a banded 1x1 convolution.

    The same number (1e-15 in float64); PyTorch's goes through avg_pool3d and takes 42 % of a GoogLeNet step.
    """
    channels = x.shape[1]
    band = torch.ones(channels, channels, dtype=x.dtype, device=x.device)
    band = band.triu(-(size // 2)).tril((size - 1) // 2) * (alpha / size)
    total = F.conv2d(x * x, band[:, :, None, None], x.new_full((channels,), k))
    return x * (total.rsqrt() if beta == 0.5 else total.pow(-beta))


def rewritten(function: Callable, args: tuple, kwargs: dict) -> Tensor | None:
    """The result of an exact rewrite of this call, or None where there is none."""
    if function is F.local_response_norm and (args[0] if args else kwargs["input"]).dim() == 4:
        return local_response_norm(*args, **{("x" if name == "input" else name): v for name, v in kwargs.items()})
    return None
