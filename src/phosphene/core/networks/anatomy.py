"""What is known about a model since it was run once, and what was prepared for its readings.

The copies of a network (for other purposes, by other plans) share it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.block_ends import BlockEnds, Ends
from phosphene.core.networks.borrowing import Locks, borrowed
from phosphene.core.networks.folding import (
    ConvolutionReaders,
    Pair,
    WeightOverride,
    fingerprint,
    overridden,
    weight_overrides,
)
from phosphene.core.networks.layer_recorder import LayerRecorder, RecordedLayer
from phosphene.core.networks.layers import LOGITS, Layer, Tap, channel_axis, first_tensor, other_names
from phosphene.core.networks.normalization import Normalization
from phosphene.core.networks.operations import COUNTS, record_operations
from phosphene.core.networks.plan import Plan
from phosphene.core.networks.recorder import record
from phosphene.core.networks.recording import Recording

USUAL_SIZES = (224, 32, 64, 28, 96, 128, 160, 192, 256, 299, 384, 448, 512)
"""Tried in this order for a model whose input size is not given."""

Output = str | int | Callable[[Any], Tensor] | None
"""Which part of what a model returns holds the logits."""


Value = TypeVar("Value")


class once(Generic[Value]):
    """A fact about a model that is looked for when it is first needed, while nobody else uses the model.

    `functools.cached_property` has one lock for all instances before Python 3.12: two models would take turns.
    """

    def __init__(self, look: Callable[[Any], Value]) -> None:
        self.look, self.name, self.__doc__ = look, look.__name__, look.__doc__

    def __get__(self, anatomy: Any, owner: Any = None) -> Value:
        if anatomy is None:
            return cast(Value, self)
        known = vars(anatomy)
        with anatomy.locks:
            if self.name not in known:
                known[self.name] = self.look(anatomy)
        return cast(Value, known[self.name])


@dataclass(frozen=True)
class Pass:
    """What one pass shows: its layers, the pairs that can be folded, and the shape of the logits, or why there is none.

    Attributes:
        layers: in order of execution.
        ends: where blocks end.
        pairs: convolutions, each with the normalization that alone reads it.
        logits: the shape without the batch, or what was raised when the logits were looked for.
    """

    layers: Sequence[RecordedLayer]
    ends: Ends
    pairs: Sequence[Pair]
    logits: tuple[int, ...] | Exception


class Anatomy:
    """A model and what is known about it.

    Args:
        model: is borrowed, never changed.
        name: for messages.
        size: (height, width) of the input that it was trained on; found by trying where it is None.
        normalization: from pictures to the model's input, in a trial.
        output: which part of what it returns holds the logits.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str = "",
        size: tuple[int, int] | None = None,
        normalization: Normalization = Normalization(),
        output: Output = None,
    ) -> None:
        self.model, self.name, self.normalization, self.output = model, name, normalization, output
        self._size = size
        self._overrides: tuple[list[int], dict[Any, list[WeightOverride]]] = [], {}
        self._recording: tuple[Any, Recording] | None = None
        self.grids: dict[Any, Any] = {}  # of tokens, as far as they were looked for (`units/token_grids.py`)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "locks"}  # a copy gets its own

    def of(self, model: nn.Module) -> "Anatomy":
        """Another model of the same architecture: what is known about the one holds for the other."""
        _ = self.layers, self.grey
        other = copy(self)
        other.model, other._overrides, other._recording = model, ([], {}), None
        return other

    # --------------------------------------------------------------------------------------------- what it consists of

    @cached_property
    def locks(self) -> Locks:
        """Those of the model."""
        return Locks(self.model)

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next((p.device for p in self._tensors()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """What its parameters are, whatever stands in their place during a reading in another thread."""
        with self.locks:
            return next((p.dtype for p in self._tensors() if p.is_floating_point()), torch.float32)

    def _tensors(self) -> Iterator[Tensor]:
        """Its parameters; behind them its buffers, for a network that has no parameters."""
        return chain(self.model.parameters(), self.model.buffers())

    @once
    def grey(self) -> bool:
        """Whether the model wants one channel."""
        first = next((m for m in self.model.modules() if isinstance(m, nn.Conv2d)), None)
        if first is not None:
            return first.in_channels == 1
        linear = next((m for m in self.model.modules() if isinstance(m, nn.Linear)), None)
        return linear is not None and self._size is not None and linear.in_features == self._size[0] * self._size[1]

    @once
    def size(self) -> tuple[int, int]:
        """(height, width) of the input that it was trained on."""
        if self._size:
            return self._size
        for side in USUAL_SIZES:
            if not isinstance(self._try((side, side)), Exception):
                return side, side
        raise Mistake(f"{self.name} takes none of the usual picture sizes; give it: Network(model, size=(h, w))")

    def noise(self, size: tuple[int, int], pictures: int = 2) -> Tensor:
        """Random pictures that are the same every time."""
        x = torch.rand(pictures, 3, *size, generator=torch.Generator().manual_seed(0))
        return x.to(self.device, self.dtype)

    def preprocess(self, x: Tensor, channels_last: bool = False) -> Tensor:
        """The model's input in a trial."""
        x = self.normalization(x, self.grey)
        return x.contiguous(memory_format=torch.channels_last) if channels_last else x

    def _pass(self, size: tuple[int, int]) -> Pass:
        with borrowed(self.model, self.locks):
            x = self.preprocess(self.noise(size))
            recorded, ends, readers = LayerRecorder(self.model, x), BlockEnds(x), ConvolutionReaders()
            output = record(self.model, x, [recorded, ends, readers])
        shape: tuple[int, ...] | Exception
        try:
            shape = tuple(self.logits(output).shape[1:])
        except Exception as error:  # it matters to whoever asks for the layers; the model ran
            shape = error
        return Pass(recorded.layers, ends.found, readers.pairs(self.model, output), shape)

    def _try(self, size: tuple[int, int]) -> Pass | Exception:
        try:
            return self._pass(size)
        except Exception as error:  # whatever a stranger's model raises on a size that it can't take
            return error

    @once
    def native(self) -> Pass:
        """The pass at the network's own size."""
        tried = self._try(self.size)
        if isinstance(tried, Exception):
            height, width = self.size
            raise Mistake(f"{self.name} can't take a picture of {height} x {width} pixels: {tried}") from tried
        return tried

    @once
    def larger(self) -> Pass | None:
        """The pass at another size, if the model takes it."""
        _ = self.native
        tried = self._try((self.size[0] + 32, self.size[1] + 64))
        return None if isinstance(tried, Exception) else tried

    @once
    def layers(self) -> dict[str, Layer]:
        """Every layer that can be read, by name, in order of execution; the last one is `logits`."""
        shapes = {layer.tap: layer.shape for layer in (self.larger.layers if self.larger else ())}
        layers = {
            layer.name: Layer(
                layer.name,
                layer.kind,
                layer.shape,
                channel_axis(layer.shape, shapes.get(layer.tap)),
                layer.field,
                layer.tap,
            )
            for layer in self.native.layers
            if not layer.hidden
        }
        shape = self.native.logits
        if isinstance(shape, Exception):
            raise shape
        layers["logits"] = Layer("logits", "logits", shape, 1, None, LOGITS)
        return layers

    @once
    def other_names(self) -> dict[str, str]:
        """Names of shared modules beyond the first: the name to the first one."""
        return other_names(self.model)

    def callers(self, functions: Iterable[str]) -> dict[str, nn.Module]:
        """The modules that call one of these functions themselves, by name."""
        wanted = set(functions)
        names = {layer.tap.owner for layer in self.native.layers if layer.tap.function in wanted}
        return {name: self.model.get_submodule(name) for name in names}

    def logits(self, output: Any) -> Tensor:
        """The part of what the model returns that holds the logits.

        Raises:
            Mistake: it is not a tensor.
        """
        logits: Any
        if callable(self.output):
            logits = self.output(output)
        elif isinstance(self.output, int) or (self.output is not None and isinstance(output, Mapping)):
            logits = output[self.output]
        elif self.output is not None:
            logits = getattr(output, self.output)
        else:
            logits = first_tensor(output)
        if not isinstance(logits, Tensor):
            raise Mistake(f"{self.name} returns {type(output).__name__}, not a tensor; say which part with output=")
        return logits

    # ---------------------------------------------------------------------------------------------------- running it

    def lowered(self, plan: Plan) -> bool:
        """Whether products are computed in less than the model's own precision."""
        return plan.precision == "bfloat16" and self.dtype == torch.float32

    @contextmanager
    def ready(self, plan: Plan, tapped: Collection[str] = (), reader: Any = None) -> Iterator[None]:
        """The model as the plan runs it, where the outputs of the `tapped` modules are their own."""
        with borrowed(self.model, self.locks, reader) as modules:
            lowered = self.lowered(plan)
            lower = torch.autocast(self.device.type, torch.bfloat16) if lowered else nullcontext()
            with overridden(self._overridden_by(plan, lowered, modules), tapped), lower:
                yield

    def _overridden_by(self, plan: Plan, lowered: bool, modules: Sequence[nn.Module]) -> list[WeightOverride]:
        """The weights that the plan runs on, made again when the model's own have changed."""
        fold = "batch_norm" in plan.rewrites
        if not (fold or lowered):
            return []
        own = fingerprint(modules)
        if self._overrides[0] != own:
            self._overrides = own, {}
        key = fold, lowered, plan.channels_last
        if key not in self._overrides[1]:
            pairs = self.native.pairs if fold else ()
            dtype = torch.bfloat16 if lowered else None
            self._overrides[1][key] = weight_overrides(self.model, pairs, dtype, plan.channels_last)
        return self._overrides[1][key]

    @once
    def runs_in_bfloat16(self) -> bool:
        """Whether every function of the model exists in that precision, forward + backward."""
        plan = Plan("bfloat16", True, ())
        try:
            with torch.enable_grad():
                x = self.noise(self.size)[:1].requires_grad_()
                with self.ready(plan):
                    logits = self.logits(self.model(self.preprocess(x, channels_last=True))).float()
                (gradient,) = torch.autograd.grad(logits.square().sum(), x)
        except (RuntimeError, TypeError, Mistake):  # "... not implemented for 'BFloat16'", or types that don't mix
            return False
        return bool(logits.isfinite().all() and gradient.isfinite().all())

    def recording(self, size: tuple[int, int], taps: Sequence[Tap], plan: Plan) -> Recording:
        """The pass up to these taps with pictures of this size; the last one is kept.

        Raises:
            Unplayable: why it can't be played again.
        """
        with self.locks:
            key = size, taps, plan, fingerprint(list(self.model.modules()))
            if self._recording is None or self._recording[0] != key:
                x = self.preprocess(self.noise(size, COUNTS[1]), plan.channels_last)
                rewrite = "local_response_norm" in plan.rewrites
                with self.ready(plan, {tap.owner for tap in taps if tap.function is None}):
                    inputs = x[: COUNTS[0]], x
                    recording = record_operations(self.model, inputs, taps, logits=self.logits, rewrite=rewrite)
                self._recording = key, recording
            return self._recording[1]
