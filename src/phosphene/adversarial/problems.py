"""What an attack is given: n inputs, what is wanted of each, how far each may go, and who is asked.

Everything that attacks have in common is here, once: bounds and projections, starts, distances, when a picture is done.
An attack is then a function from problems, and options of its own, to steps.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.goals import Goal, Wanted, misclassified, target, whole
from phosphene.adversarial.norms import Norm, ball, size, usual_radius
from phosphene.adversarial.victims import Classifier, Measured, Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import End, Radius, box
from phosphene.core.optimization.engine import Constraint, Evaluation, Objective, Stop
from phosphene.core.optimization.keys import Key

Bounds = tuple[float | Tensor, float | Tensor]
"""The least and the most that a value may be; numbers, or a tensor with one for each value of an input."""


@dataclass(frozen=True, eq=False)
class Problems:
    """n problems of an attack.

    Attributes:
        victim: who is asked.
        x: the inputs, within the bounds; as pictures (n, c, h, w), others than pictures as (n, d, 1, 1).
        goal: what is wanted.
        norm: how distances are measured.
        eps: the radius, or one for each problem; infinite where the smallest change is looked for.
        low, high: the bounds.
        until_fooled: a problem is done as soon as its goal is reached; otherwise it is followed to the end.
        enough: where the smallest change is looked for, a problem is done as soon as its goal is reached so near; one
            for all problems, or one for each.
        key: random numbers, and the identity of each problem.
    """

    victim: Victim
    x: Float[Tensor, "n c h w"]
    goal: Goal
    norm: Norm = "linf"
    eps: Radius = math.inf
    low: End = 0.0
    high: End = 1.0
    until_fooled: bool = True
    enough: Radius = 0.0
    key: Key = field(default_factory=Key)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def rows(self) -> Int[Tensor, " n"]:
        """All problems."""
        return torch.arange(len(self.x))

    def among(self, rows: Int[Tensor, " m"]) -> "Problems":
        """These problems alone, numbered anew; the victim counts them where it counted them before."""
        eps, enough = (one[rows.to(one.device)] if isinstance(one, Tensor) else one for one in (self.eps, self.enough))
        return replace(
            self, victim=self.victim.among(rows), x=self.x[rows.to(self.x.device)], goal=self.goal.among(rows),
            eps=eps, enough=enough, key=self.key.of(rows.tolist()),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- asking the victim

    def loss(self, answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The goal's loss, to be made small."""
        return self.goal.loss(answers, rows, self.victim.head)

    def margin(self, answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The goal's margin, below 0 where it is reached."""
        return self.goal.margin(answers, rows, self.victim.head)

    def ways(self, answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, "m k"]:
        """Margins of all ways to reach the goal, any of which would do; where there is one way only, the margin."""
        if self.goal.ways is None:
            return self.margin(answers, rows)[:, None]
        return self.goal.ways(answers, rows, self.victim.head)

    def likeliest(
        self, answers: Tensor, rows: Int[Tensor, " m"], many: int
    ) -> tuple[Float[Tensor, "m k"], Int[Tensor, "m k"]]:
        """The smallest margins of at most so many ways, the least first, and which ways they are of."""
        ways = self.ways(answers, rows)
        values, indices = ways.topk(min(many, max(1, ways.shape[1] - 1)), 1, largest=False)
        return values, indices

    def reached(self, answers: Tensor, rows: Int[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """Whether the goal is reached, by these answers."""
        return self.goal.reached(answers, rows, self.victim.head)

    def objective(self, measure: Measured | None = None) -> Objective:
        """What `measure` makes of the answers (by default the loss), with gradients; answers come along by layer."""
        return self.victim.objective(measure or self.loss, self.goal.layer)

    def last(self, measure: Measured | None = None) -> Objective:
        """The same without gradients, for pictures that nobody goes on from."""

        def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
            answers = self.answers(pictures, rows)
            values = (measure or self.loss)(answers, rows)
            return Evaluation(values, torch.zeros_like(pictures), {self.goal.layer: answers})

        return objective

    def answers(self, pictures: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"]) -> Tensor:
        """What the victim says, without gradients."""
        return self.victim.answers(pictures, rows, self.goal.layer)

    def done(self, pictures: Tensor, rows: Int[Tensor, " m"], answers: Tensor) -> Bool[Tensor, " m"]:
        """Whether the goal is reached, asked once more where the victim's answers are only nearly right."""
        reached = self.reached(answers, rows).cpu()
        if self.victim.rival is not None and reached.any():
            some = reached.nonzero().flatten()
            again = self.victim.answers(pictures[some.to(pictures.device)], rows[some], self.goal.layer, judged=True)
            reached[some] = self.reached(again, rows[some]).cpu()
        return reached

    @property
    def stop(self) -> Stop | None:
        """For the engine: a problem leaves as soon as it is done."""
        if not self.until_fooled:
            return None

        def stop(pictures: Tensor, rows: Tensor, seen: Evaluation) -> Bool[Tensor, " m"]:
            return self.done(pictures, rows, seen.outputs[self.goal.layer])

        return stop

    # ------------------------------------------------------------------------------------------- where it may go

    @property
    def project(self) -> Constraint:
        """The nearest input within the radius and the bounds."""
        if not isinstance(self.eps, Tensor) and math.isinf(self.eps):
            return self.box
        return ball(self.x, self.eps, self.norm, self.low, self.high)

    @property
    def box(self) -> Constraint:
        """The nearest input within the bounds."""
        return box(self.low, self.high)

    @property
    def width(self) -> float:
        """The mean distance of the bounds, in which lengths of steps are measured; 1 where there are none."""
        apart = torch.as_tensor(self.high, dtype=torch.float64) - torch.as_tensor(self.low, dtype=torch.float64)
        return float(apart.mean()) if apart.isfinite().all() else 1.0

    def distance(self, pictures: Float[Tensor, "m c h w"], rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        """How far inputs are from where they began."""
        return size(pictures - self.x[rows.to(self.x.device)], self.norm)

    def radius(self, rows: Int[Tensor, " m"]) -> Float[Tensor, "m 1 1 1"]:
        """The radius of each of these problems, ready to be multiplied by pictures."""
        return self._of(self.eps, rows).view(-1, 1, 1, 1)

    def near(self, distances: Float[Tensor, " m"], rows: Int[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """Whether these distances are as small as is wanted."""
        return (distances <= self._of(self.enough, rows)).cpu()

    def _of(self, radius: Radius, rows: Tensor) -> Float[Tensor, " m"]:
        every = radius if isinstance(radius, Tensor) else self.x.new_full((len(self.x),), radius)
        return every.to(self.x)[rows.to(self.x.device)]

    def anywhere(self) -> Float[Tensor, "n c h w"]:
        """A start within the ball and the bounds: uniform in it (l-inf), or on a random direction at a random length.

        With l2, l1 and l0 the direction is normal noise, projected to the radius times a uniform number.
        """
        numbers = self.key.uniform(self.rows, *self.x.shape[1:]).to(self.x)
        if self.norm == "linf":
            return self.box(self.x + self.radius(self.rows) * (2 * numbers - 1), self.rows)
        away = self.key.child(0).normal(self.rows, *self.x.shape[1:]).to(self.x)
        length = numbers.flatten(1)[:, 0].view(-1, 1, 1, 1) * self.radius(self.rows)
        unit = away / size(away, self.norm).view(-1, 1, 1, 1) if self.norm != "l0" else away
        return self.project(self.x + (length * unit if self.norm != "l0" else unit), self.rows)


def problems(
    victim: Victim | Network | Classifier,
    x: Float[Tensor, "n ..."],
    wanted: Wanted,
    *,
    norm: Norm = "linf",
    eps: Radius | None = None,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
    until_fooled: bool = True,
    enough: Radius = 0.0,
    key: Key = Key(),
) -> Problems:
    """The problems of an attack, once everything that it is given makes sense.

    Args:
        eps: None for the radius that is usual for this norm and so many values.
    Raises:
        Mistake: inputs that are not (n, ...) within the bounds, another number of labels, a class that there is not, a
            radius below 0.
    """
    _check_inputs(x, bounds)
    _check_victim(victim)
    who = Victim.of(victim)
    if isinstance(who.classifier, Network) and who.head.kind == "probabilities":
        who.tell(f"{who.name} answers with probabilities; an attack follows their logarithm")
    if eps is None:
        eps = usual_radius(norm, x[0].numel())
    _check_radius("eps", eps, len(x))
    _check_radius("enough", enough, len(x))
    low, high = bounds
    if x.dim() != 4:
        who, shape = who.shaped(tuple(x.shape[1:])), (len(x), x[0].numel(), 1, 1)
        low, high = (
            end.expand(x.shape[1:]).reshape(shape[1:]) if isinstance(end, Tensor) else end for end in (low, high)
        )
        x = x.reshape(shape)
    return Problems(who, x, _goal(wanted, len(x), who, targeted), norm, eps, low, high, until_fooled, enough, key)


def _check_radius(name: str, radius: Radius, many: int) -> None:
    least = radius.min().item() if isinstance(radius, Tensor) else radius
    if not least >= 0 or (isinstance(radius, Tensor) and radius.shape != (many,)):
        given = f"{least:g}" if not isinstance(radius, Tensor) or not least >= 0 else f"a tensor {tuple(radius.shape)}"
        raise Mistake(f"{given} is not a valid value for {name}: it must be at least 0, one or one for each input")


def _goal(wanted: Any, many: int, victim: Victim, targeted: bool) -> Goal:
    if isinstance(wanted, Goal):
        return wanted
    most = victim.classifier.classes if isinstance(victim.classifier, Network) else None
    labels = whole(wanted, many, most)
    return target(labels) if targeted else misclassified(labels)


def _check_victim(victim: Any) -> None:
    if not callable(victim) and not isinstance(victim, Victim | Network):
        raise Mistake(f"a victim is a network, or a function from pictures to logits, not {type(victim).__name__}")


def _check_inputs(x: Any, bounds: Bounds) -> None:
    if not isinstance(x, Tensor) or x.dim() < 2 or not len(x) or not x.is_floating_point():
        given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise Mistake(f"an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not {given}")
    low, high = (torch.as_tensor(end).to(x) for end in bounds)
    if not (x >= low).all() or not (x <= high).all():
        ends = " to ".join(f"{float(end):g}" for end in x.aminmax())
        allowed = f"{bounds[0]:g} to {bounds[1]:g}" if not any(isinstance(e, Tensor) for e in bounds) else "its bounds"
        raise Mistake(f"the pictures have values from {ends}; an attack takes {allowed}")
