"""How a decoder is trained: on pictures and what a layer says about them.

    minimize over D    mean |D(Phi(x)) - x|^2  +  w |Phi(D(Phi(x))) - Phi(x)|^2 / |Phi(x)|^2

The first is equation 2 of Dosovitskiy & Brox 2016 (arXiv:1506.02753). It alone ends in the mean of the pictures with a
code, whose own code is far from it; the second, which is the error that an inversion makes small, draws the decoder to
pictures with that code (as the features' loss of the same authors does, arXiv:1602.02644, eq. 4).

Crops of several sizes, and pictures of more than the network's own size now and then: a decoder that has only seen
whole pictures has no idea of the middle of a larger one. Adam, one cycle of the learning rate, and the moving average
of the weights.
"""

import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.training.loop import AnyCourse, AnyEpoch, Loop
from phosphene.core.optimization.training.pictures import Examples, augmented, resized
from phosphene.core.optimization.training.steps import adam, averaged_in, one_cycle
from phosphene.core.results.provenance import state_sha256
from phosphene.models.decoder import Decoder, decoded, geometry, placed

EVERY = 4
"""Which batch is one of larger pictures."""

SOME = 256
"""Pictures from which the mean and the deviation of the code's channels are taken."""


@dataclass(frozen=True)
class Course(AnyCourse):
    """How a decoder is trained.

    Attributes:
        larger: every fourth batch has pictures of so many times that side.
        crops: the range of sides of the squares that are cut out, in pixels of the pictures as they come.
        peak: the highest learning rate.
        code_weight: of the code's own error beside that of the pixels.
        flip: mirror half of the pictures.
        batch: pictures at a time.
        decay: of the weights' moving average, from step to step.
    """

    crops: tuple[int, int]
    larger: float = 1.5
    peak: float = 3e-3
    code_weight: float = 0.02
    flip: bool = True
    batch: int = 16
    decay: float = 0.99


@dataclass(frozen=True)
class Epoch(AnyEpoch):
    """What came of an epoch.

    Attributes:
        side: of its pictures.
        loss: mean of its batches.
        pixels: root mean square error of the held-out pictures, in [0, 1].
        code: mean normalized error of their codes, |Phi(D(Phi(x))) - Phi(x)|^2 / |Phi(x)|^2.
        seconds: that it took.
    """

    side: int
    loss: float
    pixels: float
    code: float
    seconds: float


class DecoderTraining(Loop[Epoch]):
    """A training of a decoder for one layer; see `Loop`.

    Args:
        network: to be decoded; it stays as it is.
        layer: of it.
        examples, held: their classes do not count.
        course: how.
        seed: of all random numbers.
    Raises:
        Mistake: the layer can't be decoded.
    """

    heads = "epoch   px    loss  pixels  code error     time"

    def __init__(
        self, network: Network, layer: str, examples: Examples, held: Examples, course: Course, seed: int = 0
    ) -> None:
        self.network, self.layer, self.course = network, layer, course
        self.geometry = geometry(network, layer)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Decoder(self.geometry)
        first = examples.pictures[:: max(1, len(examples.labels) // SOME)]
        codes = [self._code(resized(part, network.size[0])) for part in first.split(32)]
        model.fit_codes(torch.cat(codes))
        if network.plan_for("picture").channels_last:
            for weight in (one for one in model.parameters() if one.dim() == 4):
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        model = model.to(network.device, working_dtype(network))
        super().__init__(f"a decoder of {layer}", model, examples, held, course, course.batch, seed, Epoch, 2)
        self._lowered = network.anatomy.lowered(network.plan_for("picture"))

    @torch.no_grad()
    def _code(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n channels rows columns"]:
        read = self.network.planned("picture").read(x.to(self.network.device), [self.layer])[self.layer]
        return placed(self.network, self.layer, read).to(working_dtype(self.network))

    def _step(self, rows: Int[Tensor, " n"]) -> tuple[float, ...]:
        course, step, key = self.course, self.taken, self._key.of(rows.tolist())
        side = round(course.sides[len(self.epochs)] * (course.larger if step % EVERY == EVERY - 1 else 1))
        x = augmented(self.examples.pictures[rows], key, side, course.crops, 0, course.flip)
        x = x.to(self.network.device, working_dtype(self.network))
        code = self._code(x)
        with ExitStack() as until:
            pixels, apart = self._errors(self.model, x, code, until)
            loss = pixels.mean() + course.code_weight * apart.mean()
            self._down(loss)
        (rate, _), (firsts, seconds) = one_cycle(step, self.total), self._moments
        adam(self._weights, firsts, seconds, step, rate * course.peak)
        averaged_in(self.average, self.model, course.decay if step else 0.0)
        return (loss.item(),)

    def _errors(
        self, model: torch.nn.Module, x: Tensor, code: Tensor, until: ExitStack
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Mean square error of the pixels, and normalized error of the code, of each picture."""
        lower = torch.autocast(x.device.type, torch.bfloat16) if self._lowered else nullcontext()
        with lower:
            found = decoded(model, self.network, self.layer, code, (x.shape[2], x.shape[3])).to(x.dtype)
        pixels = (found - x).square().mean((1, 2, 3))
        again = self.network.planned("picture").read(found, [self.layer], until=until)[self.layer]
        apart = (placed(self.network, self.layer, again).to(code) - code).flatten(1).square().sum(1)
        return pixels, apart / code.flatten(1).square().sum(1).clamp_min(1e-12)

    @torch.no_grad()
    def _measured(self, number: int, means: tuple[float, ...], seconds: float) -> Epoch:
        began, pixels, apart = time.monotonic(), [], []
        for part in self.held.pictures.split(32):
            x = resized(part, self.network.size[0]).to(self.network.device, working_dtype(self.network))
            with ExitStack() as until:
                one, other = self._errors(self.average, x, self._code(x), until)
            pixels.append(one)
            apart.append(other)
        error, code = (float(torch.cat(every).double().mean()) for every in (pixels, apart))
        seconds += time.monotonic() - began
        return Epoch(number, self.course.sides[number - 1], means[0], error**0.5, code, seconds)

    def _better(self, ended: Epoch, before: Epoch) -> bool:
        def loss(one: Epoch) -> float:
            return one.pixels**2 + self.course.code_weight * one.code

        return loss(ended) <= loss(before)

    def line(self, one: Epoch) -> str:
        return f"{one.number:5} {one.side:4} {one.loss:7.4f} {one.pixels:7.4f} {one.code:11.4f} {one.seconds:6.0f} s"

    @property
    def own_identity(self) -> dict[str, Any]:
        return {"layer": self.layer, "the network": self.network.sha256 or state_sha256(self.network.model)}
