"""A frozen model and how to preprocess its pictures: a small value, read at named layers by a pass that stops early.

Pictures are RGB in [0, 1], (n, 3, h, w); the network owns what its model wants (mean, std, channel order, grey, a fixed
input size). The model is put into eval mode with frozen parameters only for the moment of a reading and given back as
it was, also after an error. A reading ends with the deepest layer that is wanted: nothing behind it is computed.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.core.errors import Failure, Mistake, did_you_mean, first_line
from phosphene.core.networks.allowance import UNLIMITED, Allowance
from phosphene.core.networks.anatomy import Anatomy
from phosphene.core.networks.borrowing import unwrapped
from phosphene.core.networks.calling import Calling
from phosphene.core.networks.checked import checked_facts
from phosphene.core.networks.given import Given
from phosphene.core.networks.head import Head, HeadKind
from phosphene.core.networks.layers import Layer, Tap
from phosphene.core.networks.normalization import Normalization
from phosphene.core.networks.opaque import Opaque
from phosphene.core.networks.outputs import Output
from phosphene.core.networks.plan import PURPOSES, Plan, Plans, Purpose, plans
from phosphene.core.networks.reader import Reader
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField, measured_field
from phosphene.core.networks.recording import Recording
from phosphene.core.networks.rectifiers import RECTIFIERS, Rule
from phosphene.core.networks.restoring import same_random_numbers
from phosphene.core.networks.verification import verified


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Network:
    """A frozen model and how to preprocess its pictures.

    What nobody says about it (channels, size, head, the axes of its output, whether pictures influence each other) is
    found out once, by trying, when it is first needed.

    Args:
        model: any `torch.nn.Module` from pictures to scores; it is borrowed, never changed.
        mean, std: of the model's input, for RGB in [0, 1]; its input is (rgb - mean) / std.
        size: side, or (height, width), of the input that it was trained on.
        bgr: the model wants blue first.
        channels: of the model's input; 1 gets the mean of the colours; for other than 1 and 3, pictures have as many.
        shown: which three of many channels are shown as red, green and blue; by default the first three.
        labels: the names of the classes, in order, or by index in a dict; synonyms separated by ", ".
        head: what its outputs are: "softmax" or "sigmoid" logits, "probabilities", or plain "numbers"; one logit is a
            question whose answers are "no" and "yes".
        output: which part of what the model returns holds the logits: a key, an attribute, an index, or a function;
            by default the tensor itself, `.logits`, or the first tensor.
        input: the name of the argument, or key, that pictures are given as; by default the first argument.
        inputs: what else the model takes, by name, held fixed; a tensor for one picture, (1, ...), serves for all.
        name: the spec string that loads it, for the record.
        precision: "auto" (bfloat16 for synthesized pictures where the device has instructions for it), "float32" or
            "bfloat16" for everything; what the model itself is in stays as it is.

    Attributes:
        anatomy: the model and what is known about it; shared by the copies for other purposes and plans.
        normalization: mean, std and channel order.
        sha256, code_sha256: of its weights, and of the file that it was made by, for the record.
        own_plans: how it is run for each purpose, instead of by the rules (`following`).
        purpose: what it is run for.

    Raises:
        Mistake: it is not a module, or what is said about it makes no sense.
    """

    anatomy: Anatomy
    normalization: Normalization
    labels: list[str] | None
    shown: tuple[int, int, int] | None
    name: str
    sha256: str
    code_sha256: str
    precision: str
    own_plans: Plans
    purpose: Purpose
    allowance: Allowance

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        size: int | tuple[int, int] | None = None,
        bgr: bool = False,
        channels: int | None = None,
        shown: tuple[int, int, int] | None = None,
        labels: Sequence[str | None] | Mapping[Any, Any] | None = None,
        head: HeadKind | None = None,
        output: Output = None,
        input: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        name: str = "",
        precision: str = "auto",
    ) -> None:
        own = unwrapped(model)
        name = name or type(own.inner if isinstance(own, Opaque) else own).__name__
        facts = checked_facts(
            mean=mean, std=std, size=size, bgr=bgr, channels=channels, shown=shown, labels=labels, head=head,
            output=output, input=input, inputs=inputs,
        )  # fmt: skip
        normalization = Normalization(facts["mean"], facts["std"], facts["bgr"])
        wanted = facts["channels"] or max(len(normalization.mean), len(normalization.std))
        named, known = len(facts["labels"] or ()) or None, wanted if channels or wanted > 1 else None
        given = Given(name, facts["size"], known, output, facts["head"], named)
        vars(self).update(
            anatomy=Anatomy(own, given, normalization, Calling(input, facts["inputs"] or {})),
            normalization=normalization,
            labels=facts["labels"] or None, shown=facts["shown"], name=given.name, sha256="", code_sha256="",
            precision=precision, own_plans={}, purpose="reading", allowance=UNLIMITED,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Network({self.name}, {self.size[0]} x {self.size[1]} px, {len(self.layers)} layers)"

    def _with(self, **changes: Any) -> "Network":
        other = copy(self)
        vars(other).update(changes)
        return other

    def planned(self, purpose: Purpose) -> "Network":
        """The same model, run for this purpose from now on."""
        return self if purpose == self.purpose else self._with(purpose=purpose)

    def following(self, plans: Plans) -> "Network":
        """The same model, run by these plans instead of the rules."""
        return self._with(own_plans=dict(plans))

    def within(self, allowance: Allowance) -> "Network":
        """The same model, of which no more is asked from now on."""
        return self._with(allowance=allowance)

    def loaded_from(self, sha256: str, code_sha256: str = "") -> "Network":
        """The same model, with the hash of its weights and of the file that made it, for the record."""
        return self._with(sha256=sha256, code_sha256=code_sha256)

    def of(self, model: nn.Module) -> "Network":
        """Another model of the same architecture, with the same input and plans: a copy with other weights."""
        return self._with(anatomy=self.anatomy.of(unwrapped(model)), sha256="")

    def subtracting(self, mean: Sequence[float]) -> "Network":
        """The same model, from whose pictures this mean is subtracted instead of its own."""
        return self._with(normalization=replace(self.normalization, mean=tuple(mean)))

    # ------------------------------------------------------------------------------------------- what it wants

    @property
    def model(self) -> nn.Module:
        """What is read."""
        return self.anatomy.model

    @property
    def mean(self) -> tuple[float, ...]:
        """What is subtracted from RGB in [0, 1]."""
        return self.normalization.mean

    @property
    def std(self) -> tuple[float, ...]:
        """What the difference is divided by."""
        return self.normalization.std

    @property
    def bgr(self) -> bool:
        """Whether the model wants blue first."""
        return self.normalization.bgr

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return self.anatomy.device

    @property
    def dtype(self) -> torch.dtype:
        """What its parameters are; its input is cast to it."""
        return self.anatomy.dtype

    @property
    def plans(self) -> dict[Purpose, Plan]:
        """How it is run for each purpose: memory format, rewrites, precision."""
        return {purpose: self.plan_for(purpose) for purpose in PURPOSES}

    def plan_for(self, purpose: Purpose) -> Plan:
        """How it is run for a purpose, without what would fail or say something else than the plain model."""
        if (own := self.own_plans.get(purpose)) is None:
            own = plans(self.dtype, self.device, self.precision)[purpose]
        return verified(self.anatomy, own)

    @property
    def plan(self) -> Plan:
        """How it is run for its present purpose."""
        return self.plan_for(self.purpose)

    @property
    def grey(self) -> bool:
        """Whether the model wants one channel: then its input is the mean of the three."""
        return self.anatomy.grey

    @property
    def channels(self) -> int:
        """How many channels its pictures have: three, the colours, unless it wants other than one or three."""
        return self.anatomy.colours(self.anatomy.channels)

    @property
    def head(self) -> Head:
        """What its outputs are."""
        return self.anatomy.head

    @property
    def independent(self) -> bool:
        """Whether what it says of a picture doesn't depend on the others of a batch."""
        return self.anatomy.company.independent

    @property
    def deterministic(self) -> bool:
        """Whether it says the same of the same picture each time."""
        return self.anatomy.company.deterministic

    @property
    def together(self) -> bool:
        """Whether several pictures are read in one pass; else one after the other."""
        return self.independent and self.deterministic

    def facts(self) -> dict[str, Any]:
        """What was found out about it, ready for JSON."""
        return {
            "size": list(self.size), "any size": not self.fixed, "channels": self.anatomy.channels,
            "head": self.head.kind, "classes": self.classes, "independent": self.independent,
            "deterministic": self.deterministic,
        }  # fmt: skip

    def tell(self, sentence: str) -> None:
        """Say something about it that a person should know; once."""
        self.anatomy.tell(sentence)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input that it was trained on."""
        return self.anatomy.size

    @property
    def fixed(self) -> bool:
        """Whether the model takes pictures of its own size only; others are resized before it."""
        return self.anatomy.larger is None

    def preprocess(self, pictures: Float[Tensor, "n c h w"], plan: Plan | None = None) -> Tensor:
        """Pictures in [0, 1] as the model wants them: size, grey, normalized, channel order, dtype."""
        plan = plan or self.plan
        self.allowance.enter(len(pictures), (pictures.shape[2], pictures.shape[3]))
        if pictures.shape[1] != self.channels:
            raise Mistake(f"{self.name} takes pictures of {self.channels} channels, not {pictures.shape[1]}")
        # in float32 at least: there is no resizing in half precision, and 8-bit pixels would not be kept apart
        x = pictures.to(self.device, torch.promote_types(self.dtype, torch.float32))
        if (size := self.anatomy.taken((x.shape[-2], x.shape[-1]))) != x.shape[-2:]:
            x = F.interpolate(x, size, mode="bilinear", antialias=True)
        x = self.normalization(x, self.grey).to(self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if plan.channels_last else x

    # ---------------------------------------------------------------------------------------------- its layers

    @property
    def layers(self) -> dict[str, Layer]:
        """Every layer that can be read, by name, in order of execution; the last one is `logits`."""
        return self.anatomy.layers

    def layer(self, name: str) -> Layer:
        """The layer of this name; `#1` may be written, and every name of a shared module works.

        Raises:
            Mistake: there is none; the message names the nearest.
        """
        layers, name = self.layers, name.removesuffix("#1")
        if name not in layers:
            for other, first in self.anatomy.other_names.items():
                head, _, call = name.partition("#")
                if head == other or head.startswith(other + "."):
                    name = first + head[len(other) :] + (f"#{call}" if call else "")
                    break
        if name in layers:
            return layers[name]
        raise Mistake(f"no layer '{name}'{did_you_mean(name, layers)} ({len(layers)} in all: phosphene layers)")

    @property
    def classes(self) -> int:
        """How many classes its outputs tell apart."""
        return self.head.classes(self.layers["logits"].channels)

    def receptive_field(self, name: str) -> ReceptiveField:
        """What one position of this layer sees: calculated where the graph is plain, else measured."""
        return (layer := self.layer(name)).field or self._measured_field(layer)

    def _measured_field(self, layer: Layer) -> ReceptiveField:
        places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
        height, width = self.size
        if len(places) != 2 or places == [1, 1]:
            return ReceptiveField(Axis(height, height), Axis(width, width), measured=True)

        def noise(seed: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            return torch.rand(1, self.channels, height, width, generator=generator).to(self.device, self.dtype)

        return measured_field(lambda x: self.read(x, [layer.name])[layer.name], noise, (places[0], places[1]))

    @property
    def rectified(self) -> bool:
        """Whether it has rectifiers that a rule can act on."""
        return bool(self.anatomy.callers(RECTIFIERS))

    def rectified_before(self, name: str) -> bool:
        """Whether a rectifier that a rule can act on runs before this layer is read; it may be one itself."""
        tap, recorded = self.layer(name).tap, self.anatomy.native.layers
        end = next((i for i, layer in enumerate(recorded, start=1) if layer.tap == tap), len(recorded))
        return any(layer.tap.function in RECTIFIERS for layer in recorded[:end])

    @property
    def functional_rectifiers(self) -> bool:
        """Whether some of them are functions (`F.relu`), which whoever hooks modules does not see."""
        owners = self.anatomy.callers(RECTIFIERS).values()
        return any(type(owner).__module__ != "torch.nn.modules.activation" for owner in owners)

    # ------------------------------------------------------------------------------------------------- reading

    def read(
        self,
        pictures: Float[Tensor, "n c h w"],
        layers: Iterable[str],
        rule: Rule = "gradient",
        until: ExitStack | None = None,
        leaving: Mapping[str, int] = {},
    ) -> dict[str, Tensor]:
        """The activations of these layers, by name, their channels on axis 1; the forward stops at the deepest.

        Args:
            pictures: in [0, 1]; gradients flow back to them.
            layers: names; `logits` is the model's output.
            rule: what the backward pass does at rectifiers: "gradient", "guided", "deconvnet" or "redirected"; or what
                becomes of every call, a `Propagation`.
            until: the model stays borrowed until this closes; whoever goes backward closes it afterwards, because some
                models run parts of themselves again there.
            leaving: so many pictures, the first ones, go no further than a layer on which all behind it hangs.
        Raises:
            Mistake: an unknown layer, a rule that finds nothing to act on, or the model fails.
        """
        wanted = {name: self.layer(name) for name in layers}
        axes = {layer.tap: layer.channel_axis for layer in wanted.values()}
        plan = self.plan
        with ExitStack() as own:
            stack = own if until is None else until
            if until is not None:
                self.anatomy.watch_backward(until)
            parts = [pictures] if self.together or len(pictures) == 1 else pictures.split(1)
            gone = {wanted[name].tap: many for name, many in leaving.items()}
            seen = [self._activations(part, axes, rule, plan, stack, gone) for part in parts]
        joined = seen[0] if len(seen) == 1 else {tap: torch.cat([one[tap] for one in seen]) for tap in axes}
        read = {name: joined[layer.tap] for name, layer in wanted.items()}
        # a parameter that a model returns would want a gradient again as soon as the model is given back
        return read if torch.is_grad_enabled() else {name: activation.detach() for name, activation in read.items()}

    def _activations(
        self, pictures: Tensor, axes: Mapping[Tap, int], rule: Rule, plan: Plan, stack: ExitStack, leaving: Any
    ) -> dict[Tap, Tensor]:
        """Those of one pass."""
        anatomy = self.anatomy
        stack.enter_context(anatomy.locks)
        reader, x = Reader(anatomy, axes, rule, plan.rewrites, leaving), self.preprocess(pictures, plan)
        stack.enter_context(anatomy.ready(plan, reader.modules, reader))
        try:
            with nullcontext() if anatomy.company.deterministic else same_random_numbers():
                activations = reader.run(x, stack)
        except (Mistake, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever a stranger's model raises
            raise self._refusal(error, (x.shape[-2], x.shape[-1])) from error
        if anatomy.lowered(plan):  # what is done with activations is not the model's
            stack.enter_context(torch.autocast(self.device.type, enabled=False))
        return activations

    def _refusal(self, error: Exception, size: tuple[int, int]) -> Mistake:
        """Why the model can't be run, in one sentence."""
        if size != self.size:
            return Mistake(f"{self.name} can't take a picture of {size[0]} x {size[1]} pixels: {first_line(error)}")
        return Failure(f"{self.name} fails: {type(error).__name__}: {first_line(error)}")

    def recording(self, size: tuple[int, int], layers: Iterable[str]) -> Recording:
        """What a reading of these layers does with pictures of this size, to be played again; the last one is kept.

        Raises:
            Mistake: an unknown layer.
            Unplayable: why it can't be played again.
        """
        return self.anatomy.recording(size, [self.layer(name).tap for name in layers], self.plan)
