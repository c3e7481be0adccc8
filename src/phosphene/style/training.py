"""The training of a style network (Johnson, Alahi & Fei-Fei 2016, arXiv:1603.08155).

For pictures y = f(x) it makes small, by the features Phi_l of a network that does not change,

    c |Phi_k(y) - Phi_k(x)|^2 / |Phi_k(x)|^2  +  mean over l of (|G_l(y) - G_l*|^2 / |G_l*|^2 + the same of means and
    deviations)  +  t TV(y) ,

content at one layer, style at several: what an optimization of a single picture makes small, so that both can be
compared. With a smaller x and no style it is the paper's super-resolution: content between y and the picture that x was
made of.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.terms import Reading
from phosphene.core.optimization.training.loop import AnyCourse, AnyEpoch, Loop
from phosphene.core.optimization.training.pictures import Examples, augmented, resized
from phosphene.core.optimization.training.steps import adam, averaged_in, one_cycle
from phosphene.core.results.provenance import state_sha256
from phosphene.style.style_net import Shape, StyleNet, laid_out
from phosphene.style.terms import LayerStyle, targets

STATISTICS = {"gram": 1.0, "spread": 1.0}
"""What of each layer's features the style is."""

TOGETHER = 8
"""Held-out pictures that are measured at a time."""


@dataclass(frozen=True)
class Course(AnyCourse):
    """How a style network is trained.

    Attributes:
        crops: the range of sides of the squares that are cut out, in pixels of the pictures as they come.
        content_weight: c, of the content beside the style.
        tv: t, of the total variation.
        peak: the highest learning rate.
        flip: mirror half of the pictures.
        batch: pictures at a time.
        decay: of the weights' moving average, from step to step.
    """

    crops: tuple[int, int]
    content_weight: float = 0.05
    tv: float = 0.2
    peak: float = 3e-3
    flip: bool = True
    batch: int = 4
    decay: float = 0.98


@dataclass(frozen=True)
class Epoch(AnyEpoch):
    """What came of an epoch.

    Attributes:
        side: of its pictures.
        loss: mean of its batches.
        content, style: of the held-out pictures, without weights.
        held: their whole loss.
        seconds: that it took.
    """

    side: int
    loss: float
    content: float
    style: float
    held: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Look:
    """What pictures are compared by.

    Attributes:
        network: whose features count; it stays as it is.
        content: the layer of the content.
        styles: what each layer of the style is to be like; none, where only the content counts.
    """

    network: Network
    content: str
    styles: Sequence[LayerStyle]

    @classmethod
    def of(
        cls, network: Network, content: str, layers: Sequence[str], styles: Sequence[Float[Tensor, "1 3 h w"]],
        shares: Sequence[float] = (),
    ) -> "Look":  # fmt: skip
        """The look of these pictures, blended where they are several.

        Args:
            styles: at the size at which their strokes are meant; none, where only the content counts.
            shares: of each.
        Raises:
            Mistake: an unknown layer, or one without positions.
        """
        read = network.planned("picture")
        pictures = [style.to(network.device, working_dtype(network)) for style in styles]
        found = targets(read, pictures, layers, STATISTICS, shares=shares) if pictures else []
        return cls(read, read.layer(content).name, found)

    def features(self, x: Float[Tensor, "n 3 h w"]) -> Tensor:
        """Of the content."""
        with torch.no_grad():
            return self._read([self.content], x)[self.content]

    def losses(
        self, y: Float[Tensor, "n 3 h w"], content: Tensor, until: ExitStack | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Of the content, and of the style, of each picture.

        Args:
            content: what `features` says about the pictures that these are made of.
            until: till when a graph needs the model as it is read.
        """
        read = self._read(list(dict.fromkeys([self.content, *(one.layer for one in self.styles)])), y, until)
        apart = (read[self.content] - content).flatten(1).square().sum(1)
        found = apart / content.flatten(1).square().sum(1).clamp_min(1e-12)
        style = torch.zeros_like(found)
        for one in self.styles:
            style = style + one.of_sums(one.sums(one.features(read[one.layer]))) / len(self.styles)
        return found, style

    def _read(self, layers: list[str], x: Tensor, until: ExitStack | None = None) -> dict[str, Tensor]:
        read = self.network.read(x, layers, until=until)
        return {layer: read[layer].to(working_dtype(self.network)) for layer in layers}

    @property
    def identity(self) -> dict[str, Any]:
        """What tells one look from another."""
        sums = hashlib.sha256()
        for one in self.styles:
            for part in one.regions[0].sums:
                sums.update(part.cpu().contiguous().numpy().data)
        return {
            "content layer": self.content, "style layers": [one.layer for one in self.styles],
            "the style": sums.hexdigest(), "the network": self.network.sha256 or state_sha256(self.network.model),
        }  # fmt: skip


def variation(y: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
    """Total variation of each picture."""
    rows = torch.arange(len(y), device=y.device)
    return total_variation().of(Reading(y, rows, y, rows))


class StyleTraining(Loop[Epoch]):
    """A training of a style network; see `Loop`.

    Args:
        look: what it is trained by.
        examples, held: their classes do not count.
        course: how.
        shape: of the network.
        seed: of all random numbers.
        start: weights to begin with, of a network of this shape; by default random ones.
    """

    heads = "epoch   px    loss  content   style    held     time"

    def __init__(
        self, look: Look, examples: Examples, held: Examples, course: Course, shape: Shape = Shape(), seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.look, self.course, self.shape = look, course, shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = StyleNet(shape)
        if start is not None:
            model.load_state_dict(start)
        self._began = {"the start": None if start is None else state_sha256(model)}
        model = laid_out(model, look.network.device, working_dtype(look.network))
        name = "a style" if shape.upscale == 1 else f"a network that makes pictures {shape.upscale} times as large"
        super().__init__(name, model, examples, held, course, course.batch, seed, Epoch, 2)

    def _step(self, rows: Int[Tensor, " n"]) -> tuple[float, ...]:
        course, step, key = self.course, self.taken, self._key.of(rows.tolist())
        x = augmented(self.examples.pictures[rows], key, course.sides[len(self.epochs)], course.crops, 0, course.flip)
        with ExitStack() as until:
            loss, *_ = self._losses(self.model, self._placed(x), until)
            loss = loss.mean()
            self._down(loss)
        (rate, _), (firsts, seconds) = one_cycle(step, self.total), self._moments
        adam(self._weights, firsts, seconds, step, rate * course.peak)
        averaged_in(self.average, self.model, course.decay if step else 0.0)
        return (loss.item(),)

    def _placed(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        network = self.look.network
        return x.to(network.device, working_dtype(network)).contiguous(memory_format=torch.channels_last)

    def _losses(
        self, model: torch.nn.Module, x: Float[Tensor, "n 3 h w"], until: ExitStack | None = None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """The whole loss of each picture, that of the content and that of the style."""
        y = model(smaller(x, self.shape.upscale))
        content, style = self.look.losses(y, self.look.features(x), until)
        whole = self.course.content_weight * content + style + self.course.tv * variation(y)
        return whole, content, style

    @torch.no_grad()
    def _measured(self, number: int, means: tuple[float, ...], seconds: float) -> Epoch:
        began, side, every = time.monotonic(), self.course.sides[number - 1], []
        for part in self.held.pictures.split(TOGETHER):
            every.append(torch.stack(self._losses(self.average, self._placed(resized(part, self.course.sides[-1])))))
        held, content, style = torch.cat(every, 1).double().mean(1).tolist()
        seconds += time.monotonic() - began
        return Epoch(number, side, means[0], content, style, held, seconds)

    def _better(self, ended: Epoch, before: Epoch) -> bool:
        return ended.held <= before.held

    def line(self, one: Epoch) -> str:
        return (
            f"{one.number:5} {one.side:4} {one.loss:7.4f} {one.content:8.4f} {one.style:7.4f} {one.held:7.4f} "
            f"{one.seconds:6.0f} s"
        )

    @property
    def own_identity(self) -> dict[str, Any]:
        return self.look.identity | {"shape": list(self.shape)} | self._began


def smaller(x: Float[Tensor, "n 3 h w"], times: int) -> Float[Tensor, "n 3 height width"]:
    """Pictures of so many times smaller sides, bicubic, antialiased; as they are, where it is once."""
    if times == 1:
        return x
    size = (x.shape[2] // times, x.shape[3] // times)
    return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)
