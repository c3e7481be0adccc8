"""What a model needs before it can be read: parameters that have shapes and numbers, in one precision."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from phosphene.core.errors import Mistake, first_line
from phosphene.core.networks.borrowing import without_numbers
from phosphene.core.networks.calling import Calling


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A model's parameters and buffers, by name."""
    return chain(model.named_parameters(), model.named_buffers())


def check_numbers(model: nn.Module, name: str) -> None:
    """Raise a Mistake if some weights have a shape and no numbers: those on the meta device."""
    if empty := next((one for one, value in named_tensors(model) if without_numbers(value)), None):
        raise Mistake(f"{name} has no weights yet: {empty} is on the meta device; give them: --weights FILE")


def settle(model: nn.Module, name: str, facts: Mapping[str, Any]) -> None:
    """Give lazy modules their shapes, by one forward of a random picture of the network's size; seeded.

    Args:
        model: in eval mode afterwards, as running statistics are not to change.
        name: for messages.
        facts: of its SPEC, for size and channels.
    Raises:
        Mistake: there are such modules, and the size is not given or the model can't take it.
    """
    lazy = next((one for one, module in model.named_modules() if isinstance(module, LazyModuleMixin)), None)
    if lazy is None:
        return
    size = facts.get("size")
    if size is None:
        raise Mistake(
            f"the shape of {lazy} in {name} depends on the picture's size; give size in its SPEC, such as 224"
        )
    many = facts.get("channels") or (len(facts["mean"]) if "mean" in facts else 3)
    known = (p.dtype for p in model.parameters() if not is_lazy(p) and p.is_floating_point())
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            picture = torch.rand(1, many, *size, dtype=next(known, None))
            Calling(facts.get("input"), facts.get("inputs") or {})(evaluating(model), picture)
    except Exception as error:  # a stranger's model: whatever it raises
        raise Mistake(
            f"{lazy} in {name} gets no shape from a picture of {size[0]} x {size[1]} px and {many} channels: "
            f"{first_line(error)}"
        ) from error
    if left := next((one for one, value in named_tensors(model) if is_lazy(value)), None):
        raise Mistake(f"{left} in {name} has no shape, as its module is never called; leave it out")


def evaluating(model: nn.Module) -> nn.Module:
    """The model in eval mode; an exported program is in the mode that it was exported in, and stays so."""
    with suppress(NotImplementedError):
        model.eval()
    return model


def quantized(model: nn.Module) -> bool:
    """Whether some of its modules compute with whole numbers, which PyTorch does on the CPU in float32 alone."""
    return any(
        type(module).__module__.startswith(("torch.ao.nn", "torch.nn.quantized"))
        and "quantized" in type(module).__module__
        for module in model.modules()
    )


def cast(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The model on this device, its weights in this precision, complex ones in the complex of it."""
    if not any(value.is_complex() for _, value in named_tensors(model)):
        return model.to(device=device, dtype=dtype)
    model.to(device)
    for _, value in named_tensors(model):  # Module.to would cut off the imaginary parts
        if value.is_complex():
            value.data = value.data.to(dtype.to_complex())
        elif value.is_floating_point():
            value.data = value.data.to(dtype)
    return model
