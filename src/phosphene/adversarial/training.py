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
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.adversarial.training_parts import Part
from phosphene.adversarial.training_steps import accuracy, collapsed, one_step
from phosphene.core.errors import Mistake, first_line
from phosphene.core.networks.network import Network
from phosphene.core.networks.opaque import Opaque
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.training.loop import AnyCourse, AnyEpoch, Loop
from phosphene.core.optimization.training.pictures import LAYERS, START, Examples, augmented
from phosphene.core.optimization.training.steps import averaged_in, nesterov, one_cycle
from phosphene.core.results.provenance import state_sha256

GROWTH = 0.3  # the share of the steps over which the radius grows to its value
WEIGHT_DECAY, SMOOTHING = 5e-4, 0.1


@dataclass(frozen=True)
class Course(AnyCourse):
    """How a network is trained.

    Attributes:
        radius: of the attack in the l-inf norm, pictures in [0, 1]; zero trains on the pictures as they are.
        peak: the highest learning rate.
        crops: the range of sides of the squares that are cut out, in pixels of the pictures as they come.
        pad: pixels of mirrored border before that.
        flip: mirror half of the pictures.
        batch: pictures at a time.
        decay: of the weights' moving average, from step to step.
        last: keep the weights of the last epoch, and not those that stand best.
    """

    radius: float
    peak: float
    crops: tuple[int, int]
    pad: int
    flip: bool = True
    batch: int = 128
    decay: float = 0.995
    last: bool = False


@dataclass(frozen=True)
class Epoch(AnyEpoch):
    """What came of an epoch.

    Attributes:
        side: of its pictures.
        loss: mean of its batches, on the attacked pictures.
        trained: share of the attacked training pictures that were named rightly when they were trained on.
        clean, robust: share of the held-out pictures that the averaged weights name rightly, as they are, and after
            every step of PGD-20.
        seconds: that it took.
    """

    side: int
    loss: float
    trained: float
    clean: float
    robust: float
    seconds: float


class Training(Loop[Epoch]):
    """A training that can be stopped between any two batches, and goes on from there to the same weights.

    Args:
        network: whose weights it begins with; it is borrowed, and a copy is trained.
        examples: to train on.
        held: to measure with.
        course: how.
        seed: of all random numbers.
        part: of a data set, that the pictures are; None if they are all of it.
    Attributes:
        best: the state of the average that stood PGD-20 best, or the last one, and the number of its epoch.
    Raises:
        Mistake: nothing of the network can be trained, or it does not end in one logit for each class.
    """

    def __init__(
        self, network: Network, examples: Examples, held: Examples, course: Course, seed: int = 0,
        part: Part | None = None,
    ) -> None:  # fmt: skip
        super().__init__(network.name, _copied(network), examples, held, course, course.batch, seed, Epoch)
        self.network, self.course, self.part = network, course, part
        self._lowered = network.anatomy.lowered(network.plan_for("picture"))

    def _answers(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """The logits of pictures in [0, 1], by the model as it learns."""
        anatomy, x = self.network.anatomy, self.network.preprocess(x)
        lower = torch.autocast(x.device.type, torch.bfloat16) if self._lowered else nullcontext()
        with lower:
            returned = anatomy.calling(self.model, x)
        logits = anatomy.head.flat(anatomy.logits(returned, len(x)))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _step(self, rows: Int[Tensor, " n"]) -> tuple[float, ...]:
        course, step, key = self.course, self.taken, self._key.of(rows.tolist())
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
            self._down(found)
        rate, momentum = one_cycle(step, self.total)
        nesterov(self._weights, self._moments[0], rate * course.peak, momentum, WEIGHT_DECAY)
        averaged_in(self.average, self.model, course.decay if step else 0.0)
        return found.item(), (logits.argmax(1) == y).double().mean().item()

    def _measured(self, number: int, means: tuple[float, ...], seconds: float) -> Epoch:
        began, course, (loss, hits) = time.monotonic(), self.course, means
        average = self.network.of(self.average).planned("search")
        clean, robust = accuracy(average, self.held, course.radius, side=course.sides[-1], seed=self.seed)
        seconds += time.monotonic() - began
        return Epoch(number, course.sides[number - 1], loss, hits, clean, robust, seconds)

    def _better(self, ended: Epoch, before: Epoch) -> bool:
        return self.course.last or (ended.robust, ended.clean) >= (before.robust, before.clean)

    @property
    def own_identity(self) -> dict[str, Any]:
        return {"part": self.part and str(self.part), "the network": state_sha256(self.network.model)}

    # ---------------------------------------------------------------------------------------------------- in words

    @property
    def heads(self) -> str:
        return f"epoch   px    loss  trained    clean{'   PGD-20' if self.course.radius else ''}     time"

    def line(self, one: Epoch) -> str:
        shares = (one.trained, one.clean, one.robust)[: 3 if self.course.radius else 2]
        columns = "".join(f"{100 * share:7.1f} %" for share in shares)
        return f"{one.number:5} {one.side:4} {one.loss:7.3f}{columns} {one.seconds:6.0f} s"

    @property
    def beginning(self) -> str:
        if self.part is None:
            return ""
        many, held = len(self.examples.labels), len(self.held.labels)
        return f"part {self.part}: {many} pictures to train on, {held} held out"

    @property
    def words(self) -> str:
        """That the one step has ceased to find what many find."""
        shares = [one.robust for one in self.epochs]
        if not self.course.radius or not collapsed(shares, len(self.held.labels)):
            return ""
        return (
            f"epoch {len(shares)}: PGD-20 leaves {100 * shares[-1]:.1f} % after {100 * max(shares):.1f} % in epoch "
            f"{self.best[0]}, whose weights are kept; where it stays so, training with one step has failed "
            "(catastrophic overfitting), and a smaller eps or more epochs help"
        )


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
