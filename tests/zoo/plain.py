"""What is right, by plain PyTorch: pictures prepared by hand, a model in eval mode, autograd; nothing of the program.

Each function answers for one picture x, (1, channels, h, w) in [0, 1], and one class.
"""

import ctypes
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.zoo.case import stirred

RECTIFIERS = ("Relu", "LeakyRelu", "PreluKernel", "Gelu", "Silu", "Hardswish", "ClampMin", "Clamp", "Maximum")
"""How the nodes of autograd's graph are called that rules of the backward pass act on."""


class Plain:
    """A network of the zoo, as plain PyTorch runs it.

    Args:
        case: the network.
        dtype: what it computes in.
    """

    def __init__(self, case, dtype=torch.float32):
        torch.manual_seed(0)
        self.case, self.dtype, self.target = case, dtype, case.target
        self.model = stirred((case.plain or case.build)())
        if dtype == torch.float64:
            self.model = self.model.double()
        with_eval(self.model)
        parameters = [p for p in self.model.parameters() if p.is_floating_point()]
        self.least = min((p.dtype for p in parameters), key=lambda kind: torch.finfo(kind).bits, default=dtype)

    # ------------------------------------------------------------------------------------------------- the numbers

    def prepared(self, x: Tensor) -> Tensor:
        """From pictures in [0, 1] to what the model wants."""
        facts = self.case.facts
        if self.case.grey:
            x = (x[:, :1] + x[:, 1:2] + x[:, 2:3]) / 3
        middle, width = (
            x.new_tensor(facts.get(key, [end])).view(1, -1, 1, 1) for key, end in (("mean", 0.0), ("std", 1.0))
        )
        x = (x - middle) / width
        return x.flip(1) if facts.get("bgr") else x

    def numbers(self, x: Tensor) -> Tensor:
        """The numbers of the classes."""
        return self.of_prepared(self.prepared(x))

    def of_prepared(self, x: Tensor) -> Tensor:
        """The same of prepared pictures: cast to a half precision where the whole model is in one."""
        x = x.to(self.least) if self.least.itemsize == 2 else x
        return self.case.run(self.model, x)

    def log_p(self, numbers: Tensor) -> Tensor:
        """The logarithms of the classes' probabilities."""
        z = numbers.to(torch.promote_types(numbers.dtype, torch.float32))
        if self.case.head == "softmax":
            return z.log_softmax(1)
        if self.case.head == "sigmoid":
            return F.logsigmoid(z)
        if self.case.head == "one":
            return torch.cat([F.logsigmoid(-z), F.logsigmoid(z)], 1)
        return z.log()

    def asked(self, numbers: Tensor) -> Tensor:
        """The score that is asked about: the class's logit, the number, or the logarithm of a probability."""
        if self.case.head == "probabilities":
            return self.log_p(numbers)[:, self.target]
        return numbers[:, 0 if numbers.shape[1] == 1 else self.target]

    def score(self, x: Tensor) -> Tensor:
        """The same of a picture."""
        return self.asked(self.numbers(x))

    # ------------------------------------------------------------------------------------------------ what is asked

    def gradient(self, x: Tensor) -> Tensor:
        """d score / d x."""
        return self._pulled(x, self.score)

    def _pulled(self, x: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            return torch.autograd.grad(score(x).sum(), x)[0]

    def guided(self, x: Tensor) -> tuple[Tensor, int]:
        """The gradient where every rectifier lets through what is positive above and below; and how many there are."""
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            score = self.score(x).sum()
            hooks = [hook for node in nodes(score.grad_fn) if kind(node) in RECTIFIERS for hook in ruled(node)]
            return torch.autograd.grad(score, x)[0], len(hooks)

    def layer(self, x: Tensor, asked: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The layer's activations, and their gradient."""
        kept = {}

        def keep(module, inputs, output):
            kept["y"] = output
            return output.clone()

        with torch.enable_grad():
            module = self.model.get_submodule(self.case.layer)
            hook = module.register_forward_hook(keep)
            try:
                score = self.score(x.clone().requires_grad_()).sum()
            finally:
                hook.remove()
            (gradient,) = torch.autograd.grad(score, kept["y"])
        return kept["y"].detach(), gradient

    def activations(self, x: Tensor) -> Tensor:
        """The layer's, or the numbers of the classes where no layer is named."""
        kept = []
        if self.case.layer is None:
            return self.numbers(x).detach()
        hook = self.model.get_submodule(self.case.layer).register_forward_hook(lambda m, i, y: kept.append(y.clone()))
        try:
            with torch.no_grad():
                self.numbers(x)
        finally:
            hook.remove()
        return kept[0]

    def grad_cam(self, x: Tensor) -> Tensor:
        """ReLU of the sum of a layer's channels, each weighted by the mean of its gradient, at the picture's size."""
        y, gradient = self.layer(x)
        if self.case.prefix is not None:
            side = int((y.shape[1] - self.case.prefix) ** 0.5)
            y, gradient = (t[:, self.case.prefix :].transpose(1, 2).unflatten(2, (side, side)) for t in (y, gradient))
        rough = torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), y).relu()
        return F.interpolate(rough[:, None].to(x.dtype), x.shape[2:], mode="bilinear")[:, 0]

    def integrated(self, x: Tensor, steps: int) -> Tensor:
        """The mean of the gradients in the middles of equal parts of the way from black, times the picture."""
        return x * sum(self.gradient(x * (i + 0.5) / steps) for i in range(steps)) / steps

    def occlusion(self, x: Tensor, window: int, stride: int) -> Tensor:
        """The drops of the score behind grey squares, a pixel's the mean over those that cover it."""
        total, count = torch.zeros(2, *x.shape[2:], dtype=torch.float64)
        with torch.no_grad():
            whole = self.score(x).double()
            for top in places(x.shape[2], window, stride):
                for left in places(x.shape[3], window, stride):
                    covered = x.clone()
                    covered[:, :, top : top + window, left : left + window] = 0.5
                    part = slice(top, top + window), slice(left, left + window)
                    total[part] += float(whole - self.score(covered).double())
                    count[part] += 1
        return (total / count)[None]

    def input_times_gradient(self, x: Tensor) -> Tensor:
        """What epsilon-LRP is on a network of linear layers and rectifiers, per pixel (Ancona et al. 2018)."""
        fed = self.prepared(x).detach()
        found = fed * self._pulled(fed, lambda fed: self.asked(self.of_prepared(fed)))
        return found.sum(1)

    def decided(self, x: Tensor) -> int:
        """The class that the picture is taken for."""
        numbers = self.numbers(x).detach()
        return int((numbers if self.case.head in ("softmax", "sigmoid", "numbers") else self.log_p(numbers)).argmax())

    def attacked(self, x: Tensor, label: int) -> Tensor:
        """What an attack makes large: -log p of what the picture is taken for; of plain numbers the number itself."""
        numbers = self.numbers(x)
        log_p = self.log_p(numbers if self.case.head == "numbers" else numbers.double())  # p may round to 1 in float32
        return numbers[:, label] if self.case.head == "numbers" else -log_p[:, label]

    def sign_step(self, x: Tensor, radius: float, label: int) -> tuple[Tensor, Tensor]:
        """One step of the gradient's sign; and where the sign is sure."""
        away = self._pulled(x, lambda x: self.attacked(x, label))
        moved = (x + radius * away.sign()).clamp(0, 1)
        return moved, away.abs() > 1e-4 * away.abs().max()

    def code_distance(self, x: Tensor, of: Tensor) -> float:
        """|Phi(x) - Phi(of)|^2 / |Phi(of)|^2."""
        code = self.activations(of).double()
        return float((self.activations(x).double() - code).square().sum() / code.square().sum())

    def channel(self, x: Tensor) -> float:
        """The mean of the layer's first channel over its places."""
        y = self.activations(x).double()
        return float(y[..., 0].mean() if self.case.prefix is not None else y[:, 0].mean())


def with_eval(model) -> None:
    """Eval mode, where a model has one: exported programs have none."""
    for module in model.modules():
        module.training = False


def places(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin, the last one at the end."""
    return sorted({*range(0, length - window, stride), length - window})


# ---------------------------------------------------------------------------------------------- the graph of autograd


def kind(node) -> str:
    """`Relu` of a `ReluBackward0`."""
    return type(node).__name__.partition("Backward")[0]


def nodes(root) -> list:
    """Every node of a graph."""
    found, waiting = {}, [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found[node] = None
            waiting += [other for other, _ in node.next_functions]
    return list(found)


def ruled(node) -> list:
    """Guided backprop at one node: hooks before and behind it, where it is a rectifier."""
    if kind(node) == "Clamp" and getattr(node, "_saved_max", None) is not None:
        return []  # a clamp at both ends is a gate
    if kind(node) == "Maximum" and not any(_is_zero(t) for t in (node._saved_self, node._saved_other)):
        return []
    hooks = [node.register_prehook(lambda above: tuple(a if a is None else a.clamp(min=0) for a in above))]
    if hasattr(node, "_saved_self"):
        positive = node._saved_self > 0
        hooks.append(node.register_hook(lambda below, above: (below[0] * positive, *below[1:])))
    return hooks


def _is_zero(tensor: Tensor | None) -> bool:
    return tensor is not None and not tensor.any()


# ---------------------------------------------------------------------------------------------- the state of a model


def _bytes(tensor: Tensor):
    if tensor.device.type == "meta" or isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        return tensor.device.type
    flat = (tensor.int_repr() if tensor.is_quantized else tensor.detach()).contiguous().flatten()
    return ctypes.string_at(flat.data_ptr(), flat.nbytes) if flat.nbytes else b""


def _tensor(tensor: Tensor):
    return tuple(getattr(tensor, "shape", ())) if not _lazy(tensor) else (), tensor.dtype, _bytes(tensor)


def _lazy(tensor) -> bool:
    return isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin)


def _value(value):
    """What an attribute is: numbers and tensors by value, tables by what is in them, other objects by identity."""
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, dict):
        return type(value), [(str(key), _value(one)) for key, one in value.items()]
    if isinstance(value, (list, tuple, set)):
        return type(value), [_value(one) for one in value]
    return value if isinstance(value, (bool, int, float, str, type(None), np.generic)) else id(value)


def state(model) -> dict:
    """Everything about a model that a reading might change: bits and flags of tensors, attributes and hooks."""
    found = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        own = tensor.data_ptr() if tensor.device.type != "meta" and not _lazy(tensor) else 0
        found[f"tensor {name}"] = (id(tensor), own, tensor.requires_grad, tensor.grad is None, *_tensor(tensor))
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key not in ("_parameters", "_buffers"):
                found[f"attribute {name}.{key}"] = _value(value)
        found[f"mode {name}"] = module.training
    return found


def differences(before: dict, after: dict) -> list[str]:
    """What is not as it was."""
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


@contextmanager
def unchanged(model):
    """A context that ends with the model as it was: bit by bit, flags, attributes, hooks, and the global ones."""
    before, everywhere = state(model), _globals()
    try:
        yield
    finally:
        changed = differences(before, state(model))
        assert not changed, f"not as it was: {', '.join(changed)}"
        assert _globals() == everywhere, "something global is not as it was"


def _globals():
    from torch.nn.modules import module

    names = [name for name in vars(module) if name.startswith("_global_") and name.endswith("hooks")]
    hooks = {name: len(getattr(module, name)) for name in names}
    modes = len(torch.overrides._get_current_function_mode_stack())
    return hooks, modes, torch.is_grad_enabled(), torch.get_default_dtype()
