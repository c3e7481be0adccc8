"""Rules for the backward pass through an activation: deconvnet, guided backprop, redirection.

With f the input and R the signal from above (Springenberg et al. 2015, arXiv:1412.6806): the gradient passes (f > 0) R,
deconvnet (R > 0) R, guided backprop (f > 0)(R > 0) R.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.calls import compared, is_in_place, is_zero, plain_name
from phosphene.core.networks.interception import Propagation

RectifierRule = Literal["gradient", "guided", "deconvnet", "redirected"]

Rule = RectifierRule | Propagation
"""What happens in one pass: a rule for the backward pass through rectifiers, or for every call."""

RECTIFIERS = frozenset(
    "relu relu6 hardtanh leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish threshold softplus".split()
)
"""Activations that a rule for the backward pass applies to; gates (sigmoid, hardsigmoid, tanh, softmax) keep their
gradient."""


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
    """The gradient; where all of a picture's is blocked, the part that leads back to where the activation is not flat.

    `above` is the gradient R of something to be made small, and a step goes against it: R < 0 pushes the input up, R >
    0 pushes it down. Left of the slope (ReLU below 0, hardtanh below its least value) it takes a push up to get out,
    right of it (ReLU6 above 6, hardtanh above its largest value) a push down:

        left of it, min(R, 0); right of it, max(R, 0)

    which is the table of lucid's `redirected_relu6_grad`; a push further out would change nothing. An activation is
    right of its slope where it has the value that it has at infinity: for all but hardtanh and ReLU6 that is nowhere.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = activation(x)
        (through,) = torch.autograd.grad(y, x, above)
    beyond = y.detach() == activation(torch.full_like(x.detach(), torch.inf))
    blocked = (through.reshape(len(x), -1) == 0).all(1).view(-1, *[1] * (x.dim() - 1))
    return torch.where(blocked, torch.where(beyond, above.clamp(min=0), above.clamp(max=0)), through)


def ruled(rule: RectifierRule, function: Callable, args: tuple, kwargs: dict) -> Tensor:
    """Call a rectifier with the backward pass of `rule`.

    With f the input and R the signal from above as in the paper; for smooth or bent activations a with derivative a'
    this program defines: guided passes (f > 0)(R > 0) a'(f) R, so that ReLU6 also blocks f > 6 and LeakyReLU's
    negative side is closed as ReLU's; deconvnet passes max(R, 0) and ignores the activation. "redirected" is the
    gradient, except for pictures whose whole gradient is blocked (lucid, `redirected_relu_grad.py`; `_redirected`).

    A rectifier is recognized by its function (`RECTIFIERS`), and by `called` as a clamp at 0 or a maximum with 0. One
    written as a product with a mask, `x * (x > 0)`, or with `torch.where` is not recognized; a clamp at both ends is
    not a rectifier, because gates are written so (`(x + 3).clamp(0, 6) / 6`).
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
        zeros = [value for value in compared(args, kwargs) if is_zero(value)]
        others = [value for value in compared(args, kwargs) if value is not zeros[0]]
        return (others[0] if others else x), F.relu
    options = {name: value for name, value in kwargs.items() if name not in ("input", "inplace")}
    # the positional `inplace` of F.relu and its kin is the only bool among their arguments
    rest = [value for value in rest if not isinstance(value, bool)]
    out_of_place = getattr(F, getattr(function, "__name__", "").strip("_"), function)
    return x, lambda f: out_of_place(f, *rest, **options)
