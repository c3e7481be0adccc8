"""A network that is hard to fool, trained on pictures that fool it: how `embedded:photo-robust` was made.

    minimize over w    E[ max over |d|_inf <= eps  L(f_w(x + d), y) ]                     (Madry et al. 2018, eq. 2.1)

The inner maximum is one sign step from a random start, "Fast is better than free" (Wong et al. 2020, arXiv:2001.03994,
algorithm 3): d uniform in the ball, d + 1.25 eps sign(gradient), back into the ball. It costs one pass more than a
plain training, and may fail all of a sudden: the network learns to stand that one step and no other ("catastrophic
overfitting"). So after every epoch 20 steps (PGD, Madry et al. 2018, arXiv:1706.06083) are tried on pictures that were
held out, and the weights that stood them best are kept.

The radius grows over the first 30 % of the steps. Stochastic gradient descent with Nesterov's momentum, label smoothing
(Szegedy et al. 2016, arXiv:1512.00567) and one cycle of the learning rate (Smith & Topin 2018, arXiv:1708.07120); small
pictures first, as they are cheaper. What is measured and kept is the exponential moving average of the weights.
"""

import copy
import hashlib
import io
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.adversarial.training_parts import Part
from phosphene.adversarial.training_pictures import LAYERS, START, Examples, augmented, order_of
from phosphene.adversarial.training_steps import accuracy, averaged_in, collapsed, nesterov, one_cycle, one_step
from phosphene.core.errors import Mistake, first_line
from phosphene.core.networks.network import Network
from phosphene.core.networks.opaque import Opaque
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.keys import Key
from phosphene.core.options import shown
from phosphene.core.paths import opened
from phosphene.core.results.provenance import state_sha256
from phosphene.core.saving import undisturbed

GROWTH = 0.3  # the share of the steps over which the radius grows to its value
WEIGHT_DECAY, SMOOTHING = 5e-4, 0.1


@dataclass(frozen=True)
class Course:
    """How a network is trained.

    Attributes:
        sides: of the pictures, epoch by epoch.
        radius: of the attack in the l-inf norm, pictures in [0, 1]; zero trains on the pictures as they are.
        peak: the highest learning rate.
        crops: the range of sides of the squares that are cut out, in pixels of the pictures as they come.
        pad: pixels of mirrored border before that.
        flip: mirror half of the pictures.
        batch: pictures at a time.
        decay: of the weights' moving average, from step to step.
        last: keep the weights of the last epoch, and not those that stand best.
    """

    sides: tuple[int, ...]
    radius: float
    peak: float
    crops: tuple[int, int]
    pad: int
    flip: bool = True
    batch: int = 128
    decay: float = 0.995
    last: bool = False


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch.

    Attributes:
        number: from 1.
        side: of its pictures.
        loss: mean of its batches, on the attacked pictures.
        trained: share of the attacked training pictures that were named rightly when they were trained on.
        clean, robust: share of the held-out pictures that the averaged weights name rightly, as they are, and after
            every step of PGD-20.
        seconds: that it took.
    """

    number: int
    side: int
    loss: float
    trained: float
    clean: float
    robust: float
    seconds: float


class Training:
    """A training that can be stopped between any two batches, and goes on from there to the same weights.

    for epoch in training: None for a batch, an `Epoch` at the end of each.

    Args:
        network: whose weights it begins with; it is borrowed, and a copy is trained.
        examples: to train on.
        held: to measure with.
        course: how.
        seed: of all random numbers.
        part: of a data set, that the pictures are; None if they are all of it.
    Attributes:
        model, average: what is trained, and the moving average of its weights.
        best: the state of the average that stood PGD-20 best, or the last one, and the number of its epoch.
        epochs: what came of those that have ended.
    Raises:
        Mistake: nothing of the network can be trained, or it does not end in one logit for each class.
    """

    def __init__(
        self, network: Network, examples: Examples, held: Examples, course: Course, seed: int = 0,
        part: Part | None = None,
    ) -> None:  # fmt: skip
        self.network, self.examples, self.held, self.course = network, examples, held, course
        self.seed, self.part = seed, part
        self.model = _copied(network)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.epochs: list[Epoch] = []
        self.best: tuple[int, dict[str, Any]] = 0, {}
        self.batch = min(course.batch, len(examples.labels))
        self.batches = len(examples.labels) // self.batch
        self._done, self._sums = 0, [0.0, 0.0, 0.0]  # batches of this epoch; their loss, hits, seconds
        self._weights = [p for p in self.model.parameters() if p.requires_grad]
        self._velocities = [torch.zeros_like(p) for p in self._weights]
        self._lowered = network.anatomy.lowered(network.plan_for("picture"))

    @property
    def total(self) -> int:
        """Batches of all epochs."""
        return self.batches * len(self.course.sides)

    @property
    def taken(self) -> int:
        """Batches that were trained on."""
        return len(self.epochs) * self.batches + self._done

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        return self.epochs[self.best[0] - 1] if self.best[0] else None

    def __iter__(self) -> Iterator[Epoch | None]:
        while len(self.epochs) < len(self.course.sides):
            order = order_of(len(self.examples.labels), self._key.at(-1))
            for rows in order.split(self.batch)[self._done : self.batches]:
                with undisturbed():
                    self._learn(rows)
                yield None
            ended = self._measured()
            with undisturbed():
                self._keep(ended)
            yield ended

    @property
    def _key(self) -> Key:
        return Key(self.seed, stage=len(self.epochs), step=self._done)

    def _answers(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """The logits of pictures in [0, 1], by the model as it learns."""
        anatomy, x = self.network.anatomy, self.network.preprocess(x)
        lower = torch.autocast(x.device.type, torch.bfloat16) if self._lowered else nullcontext()
        with lower:
            returned = anatomy.calling(self.model, x)
        logits = anatomy.head.flat(anatomy.logits(returned, len(x)))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _learn(self, rows: Int[Tensor, " n"]) -> None:
        """One step on a batch."""
        began, course, step, key = time.monotonic(), self.course, self.taken, self._key.of(rows.tolist())
        side = course.sides[len(self.epochs)]
        x = augmented(self.examples.pictures[rows], key, side, course.crops, course.pad, course.flip)
        x = x.to(self.network.device, working_dtype(self.network))
        y = self.examples.labels[rows].to(x.device)

        def loss(x: Tensor) -> Tensor:
            return F.cross_entropy(self._answers(x), y, label_smoothing=SMOOTHING)

        devices = [] if x.device.type == "cpu" else [x.device]
        with torch.random.fork_rng(devices, device_type="cuda" if x.device.type == "cpu" else x.device.type):
            torch.manual_seed(int(self._key.child(LAYERS).integers(torch.tensor([0]), 1, 2**31)))  # of dropout
            if course.radius:
                grown = min(1.0, step / (GROWTH * self.total))
                noise = 2 * key.child(START).uniform(torch.arange(len(x)), *x.shape[1:]) - 1
                x = one_step(loss, x, course.radius * grown, noise.to(x))
            logits = self._answers(x)
            found = F.cross_entropy(logits, y, label_smoothing=SMOOTHING)
            if not math.isfinite(found.item()):
                raise Mistake(f"the loss is not finite in epoch {len(self.epochs) + 1}; a smaller rate may help")
            self.model.zero_grad()
            found.backward()
        rate, momentum = one_cycle(step, self.total)
        nesterov(self._weights, self._velocities, rate * course.peak, momentum, WEIGHT_DECAY)
        averaged_in(self.average, self.model, course.decay if step else 0.0)
        new = found.item(), (logits.argmax(1) == y).double().mean().item(), time.monotonic() - began
        self._sums = [before + one for before, one in zip(self._sums, new, strict=True)]
        self._done += 1

    def _measured(self) -> Epoch:
        """The epoch that ends here."""
        began, course, number = time.monotonic(), self.course, len(self.epochs) + 1
        average = self.network.of(self.average).planned("search")
        clean, robust = accuracy(average, self.held, course.radius, side=course.sides[-1], seed=self.seed)
        loss, hits, seconds = self._sums
        seconds += time.monotonic() - began
        return Epoch(number, course.sides[number - 1], loss / self.batches, hits / self.batches, clean, robust, seconds)

    def _keep(self, ended: Epoch) -> None:
        before = self.best_epoch
        self.epochs.append(ended)
        self._done, self._sums = 0, [0.0, 0.0, 0.0]
        if self.course.last or before is None or (ended.robust, ended.clean) >= (before.robust, before.clean):
            self.best = ended.number, copy.deepcopy(self.average.state_dict())

    @property
    def words(self) -> str:
        """What is to be said about the last epoch: that the one step has ceased to find what many find."""
        shares = [one.robust for one in self.epochs]
        if not self.course.radius or not collapsed(shares, len(self.held.labels)):
            return ""
        return (
            f"epoch {len(shares)}: PGD-20 leaves {100 * shares[-1]:.1f} % after {100 * max(shares):.1f} % in epoch "
            f"{self.best[0]}, whose weights are kept; where it stays so, training with one step has failed "
            "(catastrophic overfitting), and a smaller eps or more epochs help"
        )

    # ------------------------------------------------------------------------------------------------------ checkpoints

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this training and no other."""
        data = hashlib.sha256()
        for part in (*self.examples, *self.held):
            data.update(part.contiguous().numpy().data)
        return asdict(self.course) | {
            "seed": self.seed, "part": self.part and str(self.part),
            "the network": state_sha256(self.network.model), "the data": data.hexdigest(),
        }  # fmt: skip

    def saved(self) -> bytes:
        """Everything that it goes on from, as a file that opens without executing code."""
        state = {
            "identity": self.identity, "model": self.model.state_dict(), "average": self.average.state_dict(),
            "best": self.best, "velocities": self._velocities,
            "epochs": [asdict(one) for one in self.epochs], "done": self._done, "sums": self._sums,
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def resume(self, file: Path) -> None:
        """Go on from what was saved by a training of the same network, pictures, course and seed.

        Raises:
            Mistake: it can't be read, or another training saved it.
        """
        try:
            with opened(file) as held:
                state = torch.load(held, map_location="cpu", weights_only=True)
            before = state["identity"]
        except Exception as cause:  # parsers of files from anywhere raise nearly anything
            why = first_line(cause)
            raise Mistake(f"{file} is no checkpoint of a training ({why}); give --force, or another --out") from cause
        for what, value in self.identity.items():
            if (there := before.get(what)) != value:
                values = "is another one" if "the " in what else f"is {_told(there)} there, and {_told(value)} now"
                raise Mistake(
                    f"{file} belongs to another training: {what} {values}; give --force to begin anew, or another --out"
                )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for own, value in zip(self._velocities, state["velocities"], strict=True):
            own.copy_(value)
        self.epochs, self.best = [Epoch(**one) for one in state["epochs"]], tuple(state["best"])
        self._done, self._sums = state["done"], list(state["sums"])


def _told(value: Any) -> str:
    if value is None:
        return "none"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else shown(value)


def _copied(network: Network) -> nn.Module:
    """A copy of a network's model, in train mode."""
    head, name = network.head, network.name
    if head.kind != "softmax":
        raise Mistake(f"{name} does not end in the logits of classes ({head.kind}), which a training needs")
    if isinstance(network.model, Opaque):
        raise Mistake(f"{name} is TorchScript, which can't be trained here; give the module that it was made of")
    try:
        with network.anatomy.locks:
            model = copy.deepcopy(network.model).train()
    except Exception as error:  # a stranger's model
        raise Mistake(f"{name} can't be copied to be trained: {first_line(error)}") from error
    if not any(p.requires_grad for p in model.parameters()):
        raise Mistake(f"{name} has no parameters that can be trained; requires_grad is False for all of them")
    if network.plan.channels_last:
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model
