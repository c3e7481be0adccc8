"""What is known about a model since it was run once, and what was prepared for its readings.

The copies of a network (for other purposes, by other plans) share it.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.errors import Failure, Mistake, Note, first_line
from phosphene.core.networks.borrowing import Locks, borrowed
from phosphene.core.networks.calling import PLAINLY, Calling, missing_input
from phosphene.core.networks.detections import as_logits, classes_of, is_detections
from phosphene.core.networks.folding import WeightOverride, fingerprint, overridden, weight_overrides
from phosphene.core.networks.given import Given
from phosphene.core.networks.head import Head, head_of
from phosphene.core.networks.layers import LOGITS, Layer, Tap, canonical_names, channel_axis, other_names
from phosphene.core.networks.normalization import Normalization
from phosphene.core.networks.once import once
from phosphene.core.networks.opaque import visible_modules
from phosphene.core.networks.operations import COUNTS, record_operations
from phosphene.core.networks.outputs import Axes, axes_of, picked
from phosphene.core.networks.plan import Plan
from phosphene.core.networks.recording import Recording, Unplayable
from phosphene.core.networks.restoring import Kept
from phosphene.core.networks.trials import USUAL_CHANNELS, USUAL_SIZES, Company, Pass, alike, commonest_dtype, watched
from phosphene.core.networks.whole_float32 import whole_float32


class Anatomy:
    """A model and what is known about it.

    Args:
        model: is borrowed, never changed.
        given: what a person said; the rest is found by trying.
        normalization: from pictures to the model's input, in a trial.
        calling: how the model is called.
    """

    def __init__(
        self,
        model: nn.Module,
        given: Given = Given(),
        normalization: Normalization = Normalization(),
        calling: Calling = PLAINLY,
    ) -> None:
        self.model, self.given, self.normalization, self.calling = model, given, normalization, calling
        self.name = given.name
        self.told: set[str] = set()
        self.verified: dict[Plan, Plan] = {}
        self._restless: list[str] | None = None
        self._watched = False
        self._mixed = commonest_dtype(self._tensors())
        self._overrides: tuple[list[int], dict[Any, list[WeightOverride]]] = [], {}
        self._recording: tuple[Any, Recording] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "locks"}  # a copy gets its own

    def of(self, model: nn.Module) -> "Anatomy":
        """Another model of the same architecture: what is known about the one holds for the other."""
        _ = self.layers, self.company, self.head
        other = copy(self)
        other.model, other._overrides, other._recording = model, ([], {}), None
        return other

    def tell(self, sentence: str) -> None:
        """Say something about this model that a person should know; once."""
        if sentence not in self.told:
            self.told.add(sentence)
            warnings.warn(Note(sentence), stacklevel=2)

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
        if self._mixed is not None:
            return self._mixed
        with self.locks:
            return next((p.dtype for p in self._tensors() if p.is_floating_point()), torch.float32)

    def _tensors(self) -> Iterator[Tensor]:
        """Its parameters; behind them its buffers, for a network that has no parameters."""
        return chain(self.model.parameters(), self.model.buffers())

    # --------------------------------------------------------------------------------------------- found out by trying

    @property
    def channels(self) -> int:
        """How many channels its input has."""
        return self.given.channels or self._first[0]

    @property
    def grey(self) -> bool:
        """Whether the model wants one channel: then its input is the mean of a picture's colours."""
        return self.channels == 1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input that it was trained on."""
        return self.given.size or self._first[1]

    @property
    def native(self) -> Pass:
        """The pass at the network's own size."""
        return self._first[2]

    @once
    def _first(self) -> tuple[int, tuple[int, int], Pass]:
        """The first channels and size that the model takes, and its pass with them."""
        sizes = [self.given.size] if self.given.size else [(side, side) for side in USUAL_SIZES]
        named = sorted({m.in_channels for m in self.model.modules() if isinstance(m, nn.Conv2d)})
        choices = [self.given.channels] if self.given.channels else dict.fromkeys((*USUAL_CHANNELS, *named))
        refused: Exception | None = None
        for pictures in (2, 1):  # one alone where it takes no more
            for channels in choices:
                for size in sizes:
                    tried = self._try(size, channels, pictures)
                    if not isinstance(tried, Exception):
                        return channels, size, tried
                    refused = refused or tried
        raise self._refusal(sizes, refused) from refused

    def _refusal(self, sizes: Sequence[tuple[int, int]], refused: Exception | None) -> Mistake:
        reason = f"{first_line(refused)}{missing_input(refused)}" if refused is not None else ""
        if isinstance(refused, Mistake):
            return Mistake(reason)
        if (said := self.given.channels) is not None:
            plain = copy(self)
            plain.normalization = Normalization()
            others = (many for many in USUAL_CHANNELS if many != said)
            taken = next((n for n in others if not isinstance(plain._try(sizes[0], n, 2), Exception)), None)
            if taken is not None:
                return Mistake(
                    f"{self.name} takes {taken} channels, not {said}: give mean, std or channels accordingly"
                )
        if len(sizes) == 1:
            height, width = sizes[0]
            return Mistake(f"{self.name} can't take a picture of {height} x {width} pixels: {reason}")
        return Mistake(
            f"{self.name} takes none of the usual picture sizes ({sizes[0][0]} px: {reason}); "
            "give it: Network(model, size=(h, w))"
        )

    def colours(self, channels: int) -> int:
        """How many channels pictures have for a model that wants so many: grey is made of three colours."""
        return 3 if channels == 1 else channels

    def noise(self, size: tuple[int, int], pictures: int = 2, channels: int | None = None) -> Tensor:
        """Random pictures that are the same every time; those behind the first one are dark."""
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(pictures, self.colours(channels or self.channels), *size, generator=generator)
        x[1:] *= 0.05  # so that statistics of a batch, and what is decided by them, differ from a picture's own
        return x.to(self.device, self.dtype)

    def preprocess(self, x: Tensor, channels_last: bool = False, channels: int | None = None) -> Tensor:
        """The model's input in a trial."""
        x = self.normalization(x, (channels or self.channels) == 1)
        return x.contiguous(memory_format=torch.channels_last) if channels_last else x

    def _pass(self, size: tuple[int, int], channels: int, pictures: int) -> Pass:
        kept = Kept(m for _, m in visible_modules(self.model))
        with self.locks, whole_float32(self.device), borrowed(self.model, self.locks), kept:
            x = self.preprocess(self.noise(size, pictures, channels), channels=channels)
            seen = watched(self.model, x, self.calling, self.pick)
        if self._restless is None:
            names = canonical_names(self.model)
            self._restless = [names[module] for module in kept.changed]
        return seen

    def _try(self, size: tuple[int, int], channels: int, pictures: int) -> Pass | Exception:
        try:
            return self._pass(size, channels, pictures)
        except Exception as error:  # whatever a stranger's model raises on a picture that it can't take
            return error

    def watch_backward(self, until: ExitStack) -> None:
        """The first time that somebody goes backward, see what the model writes into itself meanwhile."""
        if self._watched:
            return
        kept = Kept(module for _, module in visible_modules(self.model))
        until.enter_context(self.locks)
        until.callback(self._learn, kept)
        until.enter_context(kept)

    def _learn(self, kept: Kept) -> None:
        names = canonical_names(self.model)
        self._watched = True
        self._restless = sorted({*(self._restless or ()), *(names[module] for module in kept.changed)})

    def restless(self) -> list[nn.Module]:
        """The modules that write into themselves while the model runs."""
        return [self.model.get_submodule(name) for name in self._restless or ()]

    @once
    def larger(self) -> Pass | None:
        """The pass at another size, if the model takes it."""
        tried = self._try((self.size[0] + 32, self.size[1] + 64), self.channels, self.native.pictures)
        return None if isinstance(tried, Exception) else tried

    @once
    def _any(self) -> bool:
        """Whether it takes pictures of odd sizes as well, and not only some that are a multiple of 32 px apart."""
        height, width = self.size
        return not isinstance(self._try((height + 33, width + 65), self.channels, self.native.pictures), Exception)

    def taken(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size that the model takes instead of this one: its own, the nearest multiple of 32 px away, or this."""
        if size == self.size or (self.larger is not None and self._any):
            return size
        if self.larger is None:
            return self.size
        height, width = (own + 32 * round((side - own) / 32) for own, side in zip(self.size, size, strict=True))
        return max(height, self.size[0] % 32 or 32), max(width, self.size[1] % 32 or 32)

    @once
    def axes(self) -> Axes:
        """Where pictures and outputs are counted in what it returns."""
        returned = self.native.returned
        if isinstance(returned, Exception):
            raise returned
        if self.native.boxes and self.given.output is None:
            return Axes(returned.dim(), 0, 0)
        larger = self.larger.returned if self.larger else None
        return axes_of(
            tuple(returned.shape), self.native.pictures,
            tuple(larger.shape) if isinstance(larger, Tensor) else None, self.given.labels,
        )  # fmt: skip

    def pick(self, output: Any) -> Tensor:
        """The part of what the model returns that holds the logits.

        Raises:
            Mistake: it is not a tensor of numbers, or the part that was asked for is not there.
        """
        if self.given.output is None and is_detections(output):
            return as_logits(output, classes_of(self.model, self.given.labels))
        return picked(output, self.given.output, self.name, self.tell)

    def logits(self, output: Any, pictures: int) -> Float[Tensor, "n outputs ..."]:
        """The logits in what the model returns for so many pictures; raises as `pick`."""
        return self.axes.tidy(self.pick(output), pictures)

    @once
    def _first_logits(self) -> Tensor:
        returned = self.native.returned
        if isinstance(returned, Exception):
            raise returned
        return self.axes.tidy(returned, self.native.pictures)

    @once
    def head(self) -> Head:
        """What its outputs mean."""
        if self.native.boxes and self.given.output is None:
            return Head("probabilities", exclusive=False, boxes=True)
        head = head_of(self._first_logits, self.native.maker, self.given.head)
        if head.kind == "probabilities" and self.given.head is None:
            self.tell(
                f"{self.name} returns probabilities: they are shown as they are, and where a class's logit is asked "
                "for, it is their logarithm"
            )
        return head

    @once
    def company(self) -> Company:
        """How it takes several pictures, and the same ones again."""
        together, last = self._first_logits, self._first_logits[-1:]
        many = self.native.pictures
        if many > 1:
            try:
                alone = self.answer(self.noise(self.size)[-1:])
            except Mistake:  # it takes several pictures only, or nothing any more
                alone = self.answer(self.noise(self.size))[-1:]
            if self.axes.batch is not None and alike(alone, last, self.dtype):
                return Company(independent=True, deterministic=True)
        again = self.answer(self.noise(self.size, many))
        deterministic = alike(again, together, self.dtype)
        self.tell(
            f"the pictures of a batch influence each other in {self.name}, or it takes one alone; so it is read one at "
            "a time" if deterministic else
            f"{self.name} answers differently each time (dropout that is always on, or noise); so it is read with the "
            "same random numbers every time, one picture at a time"
        )  # fmt: skip
        return Company(independent=False, deterministic=deterministic)

    @torch.no_grad()
    def answer(self, pictures: Tensor) -> Float[Tensor, "n outputs ..."]:
        """The logits of pictures in a trial, plainly.

        Raises:
            Mistake: the model fails.
        """
        with self.locks, whole_float32(self.device), borrowed(self.model, self.locks), Kept(self.restless()):
            try:
                return self.logits(self.calling(self.model, self.preprocess(pictures)), len(pictures)).detach()
            except (Mistake, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # whatever a stranger's model raises
                raise Failure(f"{self.name} fails: {type(error).__name__}: {first_line(error)}") from error

    @once
    def layers(self) -> dict[str, Layer]:
        """Every layer that can be read, by name, in order of execution; the last one is `logits`."""
        shapes = {layer.tap: layer.shape for layer in (self.larger.layers if self.larger else ())}
        layers = {
            one.name: Layer(
                one.name, one.kind, one.shape, channel_axis(one.shape, shapes.get(one.tap)), one.field, one.tap
            )
            for one in self.native.layers
            if not one.hidden
        }
        shape = tuple(self._first_logits.shape[1:])
        layers["logits"] = Layer("logits", "logits", shape, 1, None, LOGITS)
        _ = self.company  # before anybody reads it
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
            overrides = self._overridden_by(plan, lowered, modules)
            with whole_float32(self.device), Kept(self.restless()), overridden(overrides, tapped), lower:
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

    def recording(self, size: tuple[int, int], taps: Sequence[Tap], plan: Plan) -> Recording:
        """The pass up to these taps with pictures of this size; the last one is kept.

        Raises:
            Unplayable: why it can't be played again.
        """
        if not (self.company.independent and self.company.deterministic):
            raise Unplayable(f"{self.name} is read one picture at a time")
        with self.locks:
            key = size, taps, plan, fingerprint(list(self.model.modules()))
            if self._recording is None or self._recording[0] != key:
                x = self.preprocess(self.noise(size, COUNTS[1]), plan.channels_last)
                rewrite = "local_response_norm" in plan.rewrites
                with self.ready(plan, {tap.owner for tap in taps if tap.function is None}):
                    recording = record_operations(
                        self.model, (x[: COUNTS[0]], x), taps,
                        logits=self.logits, rewrite=rewrite, calling=self.calling,
                    )  # fmt: skip
                self._recording = key, recording
            return self._recording[1]
