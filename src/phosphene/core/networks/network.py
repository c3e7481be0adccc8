"""A model, borrowed: how to feed it, its named layers, and reading them with a forward pass that stops early.

Pictures are RGB in [0, 1], (n, 3, h, w); the network owns what its model wants (mean, std, channel order, grey, a fixed
input size). The model is put into eval mode with frozen parameters only for the moment of a reading and given back as
it was, also after an error. A reading ends with the deepest layer that was asked for: nothing behind it is computed.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake, nearest
from phosphene.core.networks.calls import called, is_in_place
from phosphene.core.networks.folding import Loan, Pair, fingerprint, lent, loans, pairs
from phosphene.core.networks.interception import Handler, intercepted
from phosphene.core.networks.layers import (
    Axis,
    Layer,
    ReceptiveField,
    Recorded,
    Tap,
    channel_axis,
    first_tensor,
    other_names,
    replaced,
)
from phosphene.core.networks.layers import record as stages
from phosphene.core.networks.plan import REWRITES, Plan, Plans, Purpose, plans
from phosphene.core.networks.recorder import COUNTS, Tape, record
from phosphene.core.networks.rectifiers import RECTIFIERS, RectifierRule, Rule, ruled
from phosphene.core.networks.rewrites import rewritten

USUAL_SIZES = (224, 32, 64, 28, 96, 128, 160, 192, 256, 299, 384, 448, 512)
"""Tried in this order for a model whose input size nobody told."""


class _Enough(BaseException):
    """Raised out of a forward pass when everything was read; a BaseException, so that no model swallows it."""

    def __init__(self, reader: "_Reader") -> None:
        super().__init__()
        self.reader = reader


def unwrapped(model: Any) -> nn.Module:
    """The module inside `DataParallel`, `DistributedDataParallel` and `torch.compile` wrappers.

    Raises:
        Mistake: a scripted or traced module: its code can't be seen.
    """
    while True:
        if isinstance(model, torch.jit.ScriptModule):
            raise Mistake(
                "this model is TorchScript, whose layers can't be read one by one; "
                "give the Python module that it was scripted from"
            )
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = model._orig_mod
        else:
            break
    if not isinstance(model, nn.Module):
        raise Mistake(f"a network is a torch.nn.Module, not {type(model).__name__}")
    scripted = next((name for name, m in model.named_modules() if isinstance(m, torch.jit.ScriptModule)), None)
    if scripted is not None:
        raise Mistake(f"the module '{scripted}' is TorchScript, whose layers can't be read; give the Python module")
    return model


@contextmanager
def borrowed(model: nn.Module) -> Iterator[list[nn.Module]]:
    """In eval mode, its parameters frozen, not compiled; afterwards exactly as before. Yields its modules."""
    modules = list(model.modules())  # walked once, and without hasattr: this is done in every step
    training = [module for module in modules if module.training]
    parameters = [parameter for module in modules for parameter in module._parameters.values()]
    required = [parameter for parameter in parameters if parameter is not None and parameter.requires_grad]
    compiled = any("_orig_mod" in m._modules or m._compiled_call_impl is not None for m in modules)
    try:
        for module in training:
            module.training = False
        for parameter in required:
            parameter.requires_grad_(False)
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield modules
    finally:
        for module in training:
            module.training = True
        for parameter in required:
            parameter.requires_grad_(True)


class Network:
    """A frozen model and how to feed it.

    Args:
        model: any `torch.nn.Module` from pictures to scores; it is borrowed, never changed.
        mean, std: of the model's input, for RGB in [0, 1]; what the model is fed is (rgb - mean) / std.
        size: side, or (height, width), of the input that it was trained on; found by trying where it is not given.
        bgr: the model wants blue first.
        labels: the names of the classes, in order; synonyms separated by ", ".
        output: which part of what the model returns holds the logits: a key, an attribute, an index, or a function;
            by default the tensor itself, `.logits`, or the first tensor.
        name: the spec string that loads it, for the record.
        sha256: of its weights, for the record.
        code_sha256: of the file that it was made by, for the record.
        precision: "auto" (bfloat16 for synthesized pictures where the device has instructions for it), "float32" or
            "bfloat16" for everything; what the model itself is in stays as it is.
        plans: how it is run for each purpose, instead of by the rules.

    Raises:
        Mistake: a scripted model, or one that takes no picture.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        size: int | tuple[int, int] | None = None,
        bgr: bool = False,
        labels: Sequence[str] | None = None,
        output: str | int | Callable[[Any], Tensor] | None = None,
        name: str = "",
        sha256: str = "",
        code_sha256: str = "",
        precision: str = "auto",
        plans: Plans | None = None,
    ) -> None:
        self.model = unwrapped(model)
        self.mean, self.std, self.bgr = tuple(mean), tuple(std), bgr
        self._size = (size, size) if isinstance(size, int) else size and tuple(size)
        self.labels = list(labels) if labels else None
        self.output, self.name, self.sha256 = output, name or type(self.model).__name__, sha256
        self.code_sha256, self.precision = code_sha256, precision
        self._given_plans = dict(plans or {})
        self._purpose: Purpose = "reading"
        self._loans: tuple[list[int], list[Loan]] | None = None
        self._tape: tuple[Any, Tape] | None = None

    def __repr__(self) -> str:
        return f"Network({self.name}, {self.size[0]} x {self.size[1]} px, {len(self.layers)} layers)"

    # ------------------------------------------------------------------------------------------- what it wants

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next((p.device for p in self._tensors()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """What its parameters are; what it is fed is cast to it."""
        return next((p.dtype for p in self._tensors() if p.is_floating_point()), torch.float32)

    def _tensors(self) -> Iterator[Tensor]:
        """Its parameters; behind them its buffers, for a network that has no parameters."""
        return chain(self.model.parameters(), self.model.buffers())

    @property
    def plans(self) -> dict[Purpose, Plan]:
        """How it is run for each purpose: memory format, rewrites, precision."""
        found: dict[Purpose, Plan] = plans(self.dtype, self.device, self.precision) | self._given_plans
        by_rule = self.precision == "auto" and "picture" not in self._given_plans
        if by_rule and self._purpose == "picture" and self._lowered(found["picture"]) and not self._runs_in_bfloat16:
            found["picture"] = replace(found["picture"], precision="float32")
        return found

    @property
    def purpose(self) -> Purpose:
        """What it is run for."""
        return self._purpose

    @property
    def plan(self) -> Plan:
        """How it is run for its present purpose."""
        return self.plans[self._purpose]

    def planned(self, purpose: Purpose) -> "Network":
        """The same model, run for this purpose from now on."""
        if purpose == self._purpose:
            return self
        low = purpose == "picture" and self._lowered(self.plans["picture"])
        other = self._copy("layers", "_pairs", *(["_runs_in_bfloat16"] if low else []))
        other._purpose = purpose
        return other

    def following(self, plans: Plans) -> "Network":
        """The same model, run by these plans instead of the rules."""
        other = self._copy("layers")
        other._given_plans = dict(plans)
        return other

    def of(self, model: nn.Module) -> "Network":
        """Another model of the same architecture, fed and run like this one: a copy with other weights."""
        other = self._copy("layers", "grey")
        other.model, other.sha256 = unwrapped(model), ""
        return other

    def subtracting(self, mean: Sequence[float]) -> "Network":
        """The same model, from whose pictures this mean is subtracted instead of its own."""
        other = self._copy("layers", "grey")
        other.mean = tuple(mean)
        return other

    def _copy(self, *shared: str) -> "Network":
        """The same model in another object; these cached properties are found first, so that both have them."""
        for name in shared:
            getattr(self, name)
        other = copy(self)
        other._loans = other._tape = None
        return other

    def _lowered(self, plan: Plan) -> bool:
        """Whether products are computed in less than the model's own precision."""
        return plan.precision == "bfloat16" and self.dtype == torch.float32

    @cached_property
    def _pairs(self) -> list[Pair]:
        with _alone(None), borrowed(self.model):
            return pairs(self.model, self._fed(self._noise(self.size)))

    @cached_property
    def _runs_in_bfloat16(self) -> bool:
        """Whether every function of the model exists in that precision, there and back."""
        tried = copy(self)
        tried._given_plans, tried._purpose, tried._loans = {"picture": Plan("bfloat16", True, ())}, "picture", None
        try:
            with torch.enable_grad():
                x = self._noise(self.size)[:1].requires_grad_()
                logits = tried.read(x, ["logits"])["logits"]
                (slope,) = torch.autograd.grad(logits.square().sum(), x)
        except (RuntimeError, TypeError, Mistake):  # "... not implemented for 'BFloat16'", or types that don't mix
            return False
        return bool(logits.isfinite().all() and slope.isfinite().all())

    @cached_property
    def grey(self) -> bool:
        """Whether the model wants one channel: then it is fed the mean of the three."""
        first = next((m for m in self.model.modules() if isinstance(m, nn.Conv2d)), None)
        if first is not None:
            return first.in_channels == 1
        linear = next((m for m in self.model.modules() if isinstance(m, nn.Linear)), None)
        return linear is not None and self._size is not None and linear.in_features == self._size[0] * self._size[1]

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input that it was trained on."""
        if self._size:
            return self._size[0], self._size[1]
        for side in USUAL_SIZES:
            if not isinstance(self._try((side, side)), Exception):
                return side, side
        raise Mistake(f"{self.name} takes none of the usual picture sizes; give it: Network(model, size=(h, w))")

    @property
    def fixed(self) -> bool:
        """Whether the model takes pictures of its own size only; others are resized at its door."""
        return self._recorded[1] is None

    def door(self, pictures: Float[Tensor, "n 3 h w"]) -> Tensor:
        """(n, 3, h, w) pictures in [0, 1] as the model wants them: size, grey, normalized, channel order, dtype."""
        x = pictures.to(self.device)
        if x.shape[-2:] != self.size and self.fixed:
            x = x.to(torch.promote_types(self.dtype, torch.float32))  # there is no resizing in half precision
            x = F.interpolate(x, self.size, mode="bilinear", antialias=True)
        return self._fed(x.to(self.dtype))

    def _fed(self, x: Tensor) -> Tensor:
        if self.grey:
            x = x.mean(1, keepdim=True)
        if any(self.mean) or any(s != 1 for s in self.std):
            mean, std = (torch.tensor(v, dtype=x.dtype, device=x.device).view(-1, 1, 1) for v in (self.mean, self.std))
            x = (x - mean) / std
        if self.bgr:
            x = x.flip(1)
        return x.contiguous(memory_format=torch.channels_last) if self.plan.channels_last else x

    # ---------------------------------------------------------------------------------------------- its layers

    def _noise(self, size: tuple[int, int]) -> Tensor:
        return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)).to(self.device, self.dtype)

    def _record(self, size: tuple[int, int]) -> list[Recorded]:
        with _alone(None), borrowed(self.model):
            return stages(self.model, self._fed(self._noise(size)))

    def _try(self, size: tuple[int, int]) -> list[Recorded] | Exception:
        try:
            return self._record(size)
        except Exception as error:  # whatever a stranger's model raises on a size that it can't take
            return error

    @cached_property
    def _recorded(self) -> tuple[list[Recorded], list[Recorded] | None]:
        """The stages at the network's own size, and at another one if it takes it."""
        native = self._try(self.size)
        if isinstance(native, Exception):
            height, width = self.size
            raise Mistake(f"{self.name} can't take a picture of {height} x {width} pixels: {native}") from native
        other = self._try((self.size[0] + 32, self.size[1] + 64))
        return native, None if isinstance(other, Exception) else other

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every stage that can be read, by name, in order of execution; the last one is `logits`."""
        native, other = self._recorded
        shapes = {stage.tap: stage.shape for stage in other or ()}
        layers = {
            stage.name: Layer(
                stage.name,
                stage.kind,
                stage.shape,
                channel_axis(stage.shape, shapes.get(stage.tap)),
                stage.field,
                stage.tap,
            )
            for stage in native
            if not stage.hidden
        }
        with torch.no_grad(), _alone(None), borrowed(self.model):
            out = self._logits(
                self.model(self._fed(torch.zeros(1, 3, *self.size, device=self.device, dtype=self.dtype)))
            )
        layers["logits"] = Layer("logits", "logits", tuple(out.shape[1:]), 1, None, Tap("", None, 1))
        return layers

    def layer(self, name: str) -> Layer:
        """The layer of this name; `#1` may be written, and every name of a shared module works.

        Raises:
            Mistake: there is none; the nearest names are told.
        """
        name = name.removesuffix("#1")
        if name not in self.layers:
            for other, first in self._other_names.items():
                head, _, call = name.partition("#")
                if head == other or head.startswith(other + "."):
                    name = first + head[len(other) :] + (f"#{call}" if call else "")
                    break
        if name in self.layers:
            return self.layers[name]
        close = nearest(name, self.layers)
        hint = "; did you mean " + " or ".join(map(repr, close)) + "?" if close else ""
        raise Mistake(f"no layer '{name}'{hint} ({len(self.layers)} in all: phosphene layers)")

    @cached_property
    def _other_names(self) -> dict[str, str]:
        return other_names(self.model)

    @cached_property
    def classes(self) -> int:
        """How many logits."""
        return self.layers["logits"].channels

    def receptive_field(self, name: str) -> ReceptiveField:
        """What one position of this layer sees: calculated where the graph is plain, else measured."""
        layer = self.layer(name)
        return layer.field or self._measured_field(layer)

    def _measured_field(self, layer: Layer) -> ReceptiveField:
        """The box outside of which the gradient of a middle position is zero, united over three noises."""
        shape = list(layer.shape)
        places = [size for axis, size in enumerate(shape, start=1) if axis != layer.channel_axis]
        height, width = self.size
        if len(places) != 2 or places == [1, 1]:
            return ReceptiveField(Axis(height, height), Axis(width, width), measured=True)

        @torch.enable_grad()
        def box(row: int, column: int) -> tuple[slice, slice]:
            seen = torch.zeros(height, width, dtype=torch.bool, device=self.device)
            for seed in range(3):
                x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
                x = x.to(self.device, self.dtype).requires_grad_()
                y = self.read(x, [layer.name])[layer.name][..., row, column]
                seen |= torch.autograd.grad(y.abs().sum(), x)[0].abs().sum((0, 1)) > 0
            rows, columns = (seen.any(axis).nonzero().flatten().tolist() or [0] for axis in (1, 0))
            return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

        middle = [places[0] // 2, places[1] // 2]
        here, before = box(*middle), box(*(max(at - 1, 0) for at in middle))

        def axis(size: int, many: int, part: slice, one_before: slice, at: int) -> Axis:
            # where the picture's edge cuts the boxes off, the number of positions tells
            stride = part.start - one_before.start or round(size / many)
            return Axis(part.stop - part.start, stride, part.start - at * stride)

        rows, columns = (axis(*along) for along in zip((height, width), places, here, before, middle, strict=True))
        return ReceptiveField(rows, columns, measured=True)

    # ------------------------------------------------------------------------------------------------- reading

    def _logits(self, out: Any) -> Tensor:
        found: Any
        if callable(self.output):
            found = self.output(out)
        elif isinstance(self.output, int) or (self.output is not None and isinstance(out, Mapping)):
            found = out[self.output]
        elif self.output is not None:
            found = getattr(out, self.output)
        else:
            found = first_tensor(out)
        if not isinstance(found, Tensor):
            raise Mistake(f"{self.name} returns {type(out).__name__}, not a tensor; say which part with output=")
        return found

    @property
    def rectified(self) -> bool:
        """Whether it has rectifiers that a rule can act on."""
        return bool(self._owners(RECTIFIERS))

    def rectified_before(self, name: str) -> bool:
        """Whether a rectifier that a rule can act on runs before this layer is read; it may be one itself."""
        tap, stages = self.layer(name).tap, self._recorded[0]
        end = next((i for i, stage in enumerate(stages, start=1) if stage.tap == tap), len(stages))
        return any(stage.function in RECTIFIERS for stage in stages[:end])

    @property
    def functional_rectifiers(self) -> bool:
        """Whether some of them are functions (`F.relu`), which whoever hooks modules does not see."""
        return any(
            type(owner).__module__ != "torch.nn.modules.activation" for owner in self._owners(RECTIFIERS).values()
        )

    @property
    def rewritable(self) -> tuple[str, ...]:
        """The exact rewrites that find something to act on."""
        acts = {"local_response_norm": bool(self._owners(["local_response_norm"])), "batch_norm": bool(self._pairs)}
        return tuple(name for name in REWRITES if acts[name])

    def _owners(self, functions: Iterable[str]) -> dict[str, nn.Module]:
        """The modules that call one of these functions themselves, by name."""
        wanted = set(functions)
        names = {stage.tap.owner for stage in self._recorded[0] if stage.function in wanted}
        return {name: self.model.get_submodule(name) for name in names}

    def read(
        self, pictures: Float[Tensor, "n 3 h w"], layers: Iterable[str], rule: Rule = "gradient"
    ) -> dict[str, Tensor]:
        """The activations of these layers, by name, their channels on axis 1; the forward stops at the deepest.

        Args:
            pictures: (n, 3, h, w) in [0, 1]; gradients flow back to them.
            layers: names; `logits` is the model's output.
            rule: what the backward pass does at rectifiers: "gradient", "guided", "deconvnet" or "redirected"; or what
                becomes of every call, a `Propagation`.
        Raises:
            Mistake: an unknown layer, or a rule that finds nothing to act on.
        """
        wanted = {name: self.layer(name) for name in layers}
        tapped = {layer.tap.owner for layer in wanted.values() if layer.tap.function is None}
        with _Reader.lock:
            reader = _Reader(self, {layer.tap: layer.channel_axis for layer in wanted.values()}, rule)
            x = self.door(pictures)  # in the model's own precision: 8-bit pixels are closer than bfloat16's steps
            with _alone(reader), self._ready(tapped):
                found = reader.run(x)
        return {name: found[layer.tap].float() if reader.low else found[layer.tap] for name, layer in wanted.items()}

    @contextmanager
    def _ready(self, tapped: Collection[str]) -> Iterator[None]:
        """The model as the plan runs it, where the outputs of the `tapped` modules are their own."""
        lower = torch.autocast(self.device.type, torch.bfloat16) if self._lowered(self.plan) else nullcontext()
        with borrowed(self.model) as modules, lent(self._lent(self.plan, modules), tapped), lower:
            yield

    def tape(self, size: tuple[int, int], layers: Iterable[str]) -> Tape:
        """What a reading of these layers does with pictures of this size, to be played again; the last one is kept.

        Raises:
            Mistake: an unknown layer.
            Unplayable: why it can't be played again.
        """
        taps = [self.layer(name).tap for name in layers]
        key = size, taps, self.plan, fingerprint(list(self.model.modules()))
        if self._tape is None or self._tape[0] != key:
            noise = torch.rand(COUNTS[1], 3, *size, generator=torch.Generator().manual_seed(0))
            x = self._fed(noise.to(self.device, self.dtype))
            rewrite = "local_response_norm" in self.plan.rewrites
            with _alone(None), self._ready({tap.owner for tap in taps if tap.function is None}):
                tape = record(self.model, (x[: COUNTS[0]], x), taps, logits=self._logits, rewrite=rewrite)
            self._tape = key, tape
        return self._tape[1]

    def _lent(self, plan: Plan, modules: Sequence[nn.Module]) -> list[Loan]:
        """The weights that the plan runs on, made again when the model's own have changed."""
        fold, low = "batch_norm" in plan.rewrites, self._lowered(plan)
        if not (fold or low):
            return []
        own = fingerprint(modules)
        if self._loans is None or self._loans[0] != own:
            dtype = torch.bfloat16 if low else None
            self._loans = own, loans(self.model, self._pairs if fold else (), dtype, plan.channels_last)
        return self._loans[1]


@contextmanager
def _alone(reader: "_Reader | None") -> Iterator[None]:
    """One borrower at a time; a reading inside of a reading (in a hook) is not seen by the outer one."""
    with _Reader.lock:
        before, _Reader.current = _Reader.current, reader
        try:
            yield
        finally:
            _Reader.current = before


class _Reader:
    """One forward pass: taps set, functions intercepted, ended early."""

    lock = threading.RLock()  # for all networks, because they may share modules
    current: "_Reader | None" = None

    def __init__(self, network: Network, axes: Mapping[Tap, int], rule: Rule) -> None:
        self.network, self.propagation = network, rule if callable(rule) else None
        self.rule: RectifierRule = "gradient" if callable(rule) else rule
        self.rewrites = "local_response_norm" in network.plan.rewrites
        self.low = network._lowered(network.plan)
        self.logits = Tap("", None, 1)
        self.missing = dict(axes)  # what is still to be read, and its channel axis
        self.found: dict[Tap, Tensor] = {}
        self.calls: Counter[tuple[str, str | None]] = Counter()
        self.acted = 0
        self.handler: Handler | None = None

    def run(self, x: Tensor) -> dict[Tap, Tensor]:
        network, model = self.network, self.network.model
        functions = {tap for tap in self.missing if tap.function is not None}
        owners = {tap.owner: model.get_submodule(tap.owner) for tap in functions}
        if self.rewrites:
            owners |= network._owners(["local_response_norm"])
        if self.rule != "gradient":
            owners |= network._owners(RECTIFIERS)
        if self.propagation is not None:
            owners |= dict(model.named_modules())
            self.handler = self.propagation(x)
        with ExitStack() as stack:
            if owners:
                stack.enter_context(intercepted(owners, self._handle))
            for owner in {tap.owner for tap in self.missing if tap.function is None and tap != self.logits}:
                hook = model.get_submodule(owner).register_forward_hook(
                    lambda module, inputs, output, owner=owner: self._module_called(owner, inputs, output)
                )
                stack.callback(hook.remove)
            try:
                out = model(x)
                if self.logits in self.missing:
                    self.found[self.logits] = network._logits(out)
                    del self.missing[self.logits]
            except _Enough as enough:
                if enough.reader is not self:
                    raise
            except RuntimeError as error:
                size, reason = f"{x.shape[-2]} x {x.shape[-1]}", str(error).partition("\n")[0]
                if tuple(x.shape[-2:]) == network.size and self.low:
                    raise Mistake(f"{network.name} can't be run in bfloat16: {reason}; use float32") from error
                if tuple(x.shape[-2:]) == network.size:
                    raise
                raise Mistake(f"{network.name} can't take a picture of {size} pixels: {reason}") from error
        if self.rule != "gradient" and not self.acted:
            raise Mistake(
                f"{self.rule} changes what rectifiers (ReLU and its kin) pass back, and {network.name} has none that "
                "can be seen before this layer; use the plain gradient"
            )
        if self.missing:
            names = ", ".join(repr(tap.owner) for tap in self.missing)
            raise Mistake(f"{network.name} did not run its layer {names} on a picture of {tuple(x.shape[-2:])} pixels")
        return self.found

    def _keep(self, tap: Tap, tensor: Tensor) -> Tensor:
        """Keep what was read, channels on axis 1; the model goes on with what comes from it and may overwrite that."""
        axis = self.missing.pop(tap)
        self.found[tap] = tensor if axis == 1 else tensor.movedim(axis, 1)
        if not self.missing:
            raise _Enough(self)
        return tensor.clone() if axis == 1 else self.found[tap].movedim(1, axis).clone()

    def _module_called(self, owner: str, inputs: Any, output: Any) -> Any:
        if _Reader.current is not self:
            return None
        self.calls[owner, None] += 1
        tap = Tap(owner, None, self.calls[owner, None])
        if tap not in self.missing:
            return None
        tensor = first_tensor(output)
        if tensor is None:
            return None
        # an in-place operation further on must not overwrite what was read: the model goes on with a copy, and what
        # is read is a copy itself where the module only handed its input on
        kept = tensor.clone() if tensor._is_view() or any(tensor is x for x in inputs) else tensor
        return replaced(output, tensor, self._keep(tap, kept))

    def _handle(self, owner: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        if _Reader.current is not self:
            return function(*args, **kwargs)
        name = called(function, args, kwargs)
        tap = Tap(owner, name, self.calls[owner, name] + 1)
        overwritten = args[0] if tap in self.missing and is_in_place(function, kwargs) else None
        if overwritten is not None:
            args = (overwritten.clone(), *args[1:])
        result = self._called(owner, name, function, args, kwargs)
        self.calls[owner, name] += isinstance(result, Tensor)
        if tap not in self.missing or not isinstance(result, Tensor):
            return result
        further = self._keep(tap, result)
        return further if overwritten is None else overwritten.copy_(further)

    def _called(self, owner: str, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        result = NotImplemented if self.handler is None else self.handler(owner, function, args, kwargs)
        if result is not NotImplemented:
            return result
        if self.rule != "gradient" and name in RECTIFIERS:
            self.acted += 1
            return ruled(self.rule, function, args, kwargs)
        new = rewritten(function, args, kwargs) if self.rewrites else None
        return function(*args, **kwargs) if new is None else new
