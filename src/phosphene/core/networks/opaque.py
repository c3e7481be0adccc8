"""Models whose layers can't be read one by one: TorchScript, scripted or traced.

They are run as they are: their answers can be read and, where they are differentiable, their gradients.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


class Opaque(nn.Module):
    """A module that runs another one, into which nobody looks."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def is_opaque(module: nn.Module) -> bool:
    """Whether nobody can look into this module."""
    return isinstance(module, torch.jit.ScriptModule)


def visible_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that can be looked at, each once, by the first of its names."""
    hidden = {inner for module in model.modules() if is_opaque(module) for inner in module.modules()}
    yield from ((name, module) for name, module in model.named_modules() if module not in hidden)
