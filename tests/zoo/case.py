"""What a network of the zoo is: how it is brought, what is special about it, and what is right.

What is right is a number, that of plain PyTorch (`plain.py`), or a sentence: the refusal.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

GRADIENTS = ("gradient", "guided", "grad_cam", "integrated", "lrp", "visualize", "invert", "pgd")
"""The recipes that need a gradient."""

RECIPES = ("predict", "occlusion", *GRADIENTS)
"""All that are asked."""


@dataclass(frozen=True)
class Case:
    """One network.

    Attributes:
        name: for the test's name.
        special: what is special about it.
        build: makes it, as a user brings it.
        facts: what `Network` is told beside the model and the size.
        size: (height, width) of its pictures, or the side.
        channels: how many its pictures have.
        plain: makes the same function for plain autograd, where that can't go through the model itself.
        run: (model, what it is fed) -> the numbers of its classes, (n, classes), taken from its output by hand.
        target: the class that is asked about.
        head: what these numbers are: "softmax" or "sigmoid" logits, the logit of one class ("one"), "probabilities", or
            plain "numbers".
        layer: a module with places, or none.
        prefix: of tokens (n, tokens, channels) how many come before the grid; None where the layer is (n, c, h, w).
        rectified: made of linear layers, rectifiers and pooling alone (normalizations, where they can be folded), where
            epsilon-LRP is input times gradient.
        refused: recipes that can't be right, and what their sentence says; "*" stands for the rest.
        may: recipes that may be refused instead of being right.
        alone: its pictures influence one another, so each one is asked about alone.
        random: it answers otherwise every time, so there is no number.
        double: it also runs in float64.
        near: the relative difference that its precision allows in float32.
        grey: it takes one channel, and is given colours.
        training: it is brought in train mode.
    """

    name: str
    special: str
    build: Callable[[], nn.Module]
    facts: Mapping[str, Any] = field(default_factory=dict)
    size: int | tuple[int, int] | None = 24
    channels: int = 3
    plain: Callable[[], nn.Module] | None = None
    run: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: model(x)
    target: int = 1
    head: str = "softmax"
    layer: str | None = "a"
    prefix: int | None = None
    rectified: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    may: Collection[str] = ()
    alone: bool = False
    random: bool = False
    double: bool = True
    near: float = 1e-5
    grey: bool = False
    training: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of its pictures."""
        if self.size is None:
            return 32, 32
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def refusal(self, recipe: str) -> str | None:
        """What the sentence says with which a recipe is refused, if it is."""
        return self.refused.get(recipe, self.refused.get("*"))


class Net(nn.Module):
    """A network made of a function of itself and its input."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def conv(inputs: int = 3, outputs: int = 4, side: int = 3, **options: Any) -> nn.Conv2d:
    """A convolution that keeps the picture's size."""
    return nn.Conv2d(inputs, outputs, side, **{"padding": side // 2} | options)


def linear(inputs: int = 4, outputs: int = 5) -> nn.Linear:
    return nn.Linear(inputs, outputs)


def mean(y: Tensor) -> Tensor:
    """The mean over places."""
    return y.mean((2, 3))


def plainest(inputs: int = 3, outputs: int = 5) -> nn.Module:
    """Two convolutions with rectifiers, a mean, a linear layer: nothing is special about it."""
    return Net(
        lambda m, x: m.fc(mean(m.b(m.a(x).relu()).relu())),
        a=conv(inputs), b=conv(4, 4, stride=2), fc=linear(4, outputs),
    )  # fmt: skip


def ending(end: Callable[[Tensor], Any], inputs: int = 3, outputs: int = 5) -> nn.Module:
    """The plainest network, and what becomes of its logits."""
    return Net(lambda m, x: end(m.body(x)), body=plainest(inputs, outputs))


def stirred(model: nn.Module) -> nn.Module:
    """The model, running statistics away from 0 and 1, which would hide them."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name in ("running_mean", "running_var") and buffer is not None and buffer.device.type != "meta":
                buffer += 0.5 * torch.rand(buffer.shape, generator=generator).to(buffer.dtype)
    return model
