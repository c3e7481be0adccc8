"""An independent account of what a model computes, and of the state that it is in: the references of the tests."""

import hashlib
from contextlib import nullcontext
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SAME = {"iadd": "add", "radd": "add", "concat": "cat", "concatenate": "cat"}


class Witness(TorchFunctionMode):
    """Every module's output and every function's result of a whole, untouched run, by (owner, function, index)."""

    def __init__(self, model):
        super().__init__()
        self.names = {}
        for name, module in model.named_modules(remove_duplicate=False):
            self.names.setdefault(module, name)
        self.stack, self.times, self.seen = [], {}, {}
        self.model = model

    def __torch_function__(self, func, types, args=(), kwargs=None):
        with self.attending() if func is F.multi_head_attention_forward else nullcontext():
            result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if isinstance(result, Tensor) and self.stack:
            self.note(self.stack[-1], SAME.get(name, name), result)
        return result

    def attending(self):
        """Torch's own attention calls another one, which no function mode sees: it is exchanged for one that notes."""
        inner = F.scaled_dot_product_attention

        def noted(*args):
            result = inner(*args)
            self.note(self.stack[-1], "scaled_dot_product_attention", result)
            return result

        return mock.patch.object(F, "scaled_dot_product_attention", noted)

    def note(self, owner, function, tensor):
        index = self.times[owner, function] = self.times.get((owner, function), 0) + 1
        self.seen[owner, function, index] = tensor.clone()

    def run(self, x):
        plain = nn.Module.__call__

        def call(module, *args, **kwargs):
            self.stack.append(self.names[module])
            try:
                result = plain(module, *args, **kwargs)
            finally:
                self.stack.pop()
            found = first(result)
            if found is not None:
                with torch._C.DisableTorchFunction():
                    self.note(self.names[module], None, found)
            return result

        with mock.patch.object(nn.Module, "__call__", call), self:
            self.model(x)
        return self.seen


def first(output):
    if isinstance(output, Tensor):
        return output
    if hasattr(output, "logits"):
        return output.logits
    values = list(output.values()) if isinstance(output, dict) else list(output) if isinstance(output, tuple) else []
    return next((found for value in values if (found := first(value)) is not None), None)


def state(model):
    """Everything about a model that a reading might change: its tensors' bits and flags, its modules' attributes."""

    def of_tensor(tensor):
        data = hashlib.sha256(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
        flags = (tensor.requires_grad, tensor.grad is None, tensor._version, sorted(vars(tensor)))
        return id(tensor), tensor.data_ptr(), data, flags

    def of_value(value):
        if isinstance(value, dict):
            return id(value), [(str(key), id(item)) for key, item in value.items()]
        return id(value)

    tensors = {name: of_tensor(tensor) for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    modules = {name: [(key, of_value(value)) for key, value in vars(m).items()] for name, m in model.named_modules()}
    return tensors, modules


def apart(found, expected):
    """The largest difference, relative to the largest expected number."""
    assert found.shape == expected.shape
    largest = expected.detach().abs().max()
    return ((found - expected).detach().abs().max() / (largest if largest > 0 else 1)).item()
