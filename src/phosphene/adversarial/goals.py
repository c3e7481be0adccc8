"""What attacks want of each picture, as values: a loss to make small, a margin, and whether it is reached.

A *margin* is how far the answer is from what is wanted, in the units of what the network says: below 0 as soon as it
is reached. Minimal attacks walk along it; a *loss* is what attacks of a fixed radius make small. Both are functions of
the network's answers that are differentiated.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.head import Head

Labels = Int[Tensor, " n"]
"""A class for each picture: what it shall not be taken for any more, or, targeted, what it shall be taken for. Of a
network that ends in plain numbers, the number that shall become less, or, targeted, more."""

LOGITS = "logits"

Measure = Callable[[Tensor, Int[Tensor, " m"], Head], Float[Tensor, " m"]]
"""(answers (m, ...), which problem each belongs to, what the answers mean) -> a number for each."""

Reached = Callable[[Tensor, Int[Tensor, " m"], Head], Bool[Tensor, " m"]]


@dataclass(frozen=True, eq=False)
class Goal:
    """What is wanted of n problems.

    Attributes:
        loss: to be made small.
        margin: below 0 where it is reached.
        reached: whether it is.
        labels: the class that each problem is about; none where it is not about classes.
        targeted: whether it shall be taken for its class.
        layer: whose activations are the answers.
        ways: (m, k), margins of k ways to reach it, any of which would do: of each other class, say; none where there
            is one way only.
    """

    loss: Measure
    margin: Measure
    reached: Reached
    labels: Labels | None = None
    targeted: bool = False
    layer: str = LOGITS
    ways: Measure | None = None

    def among(self, rows: Int[Tensor, " m"]) -> "Goal":
        """The goal of these problems alone, numbered anew."""

        def chosen(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
            return lambda answers, own, head: function(answers, rows[own.to(rows.device)], head)

        labels = None if self.labels is None else self.labels[rows.to(self.labels.device)]
        ways = None if self.ways is None else chosen(self.ways)
        return replace(
            self, loss=chosen(self.loss), margin=chosen(self.margin), reached=chosen(self.reached), labels=labels,
            ways=ways,
        )  # fmt: skip


def misclassified(labels: Labels) -> Goal:
    """Anything but its class. Loss: log p of the class; margin: its logit minus the largest other one."""
    return _about(labels, targeted=False)


def target(classes: Labels) -> Goal:
    """Its class. Loss: -log p of the class; margin: the largest other logit minus its own."""
    return _about(classes, targeted=True)


def confident(classes: Labels, p: float) -> Goal:
    """Its class, with at least this probability. Margin: log-odds that are still missing.

    Raises:
        Mistake: p is not between 0 and 1.
    """
    if not 0 < p < 1:
        raise Mistake(f"{p:g} is not a valid value for confidence: it must be between 0 and 1")

    def margin(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        z = head.scores(answers, "logit")
        y = _own(classes, rows, z)
        rest = torch.zeros_like(z[:, 0]) if head.independent else _without(z, y).logsumexp(1)
        odds = _at(z, y) if head.independent or head.question else _at(z, y) - rest
        return math.log(p / (1 - p)) - odds

    aimed = target(classes)
    return Goal(aimed.loss, margin, lambda *given: margin(*given) <= 0, classes, True)


def below_top(labels: Labels, k: int) -> Goal:
    """Its class is not among the k highest any more. Margin: its logit minus the k-th largest of the others.

    Raises (when called):
        Mistake: there are no k other classes.
    """
    check_range("k", k, 1)

    def margin(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        z = head.scores(answers, "logit")
        y = _own(labels, rows, z)
        if k >= z.shape[1]:
            raise Mistake(f"{k} is not a valid value for k: of {z.shape[1]} classes it must be 1 to {z.shape[1] - 1}")
        return _at(z, y) - _without(z, y).topk(k, 1).values[:, -1]

    return Goal(misclassified(labels).loss, margin, lambda *given: margin(*given) < 0, labels)


def like(code: Float[Tensor, "#n ..."], within: float, layer: str = LOGITS) -> Goal:
    """A layer says nearly what it says of a guide: |code - its code|^2 <= within^2 |its code|^2 (Sabour et al. 2016).

    Loss: the relative squared distance; margin: the relative distance minus `within` (arXiv:1511.05122).

    Args:
        code: the layer's activations on the guide, one for all problems or one for each.
        within: 0 would be the guide's very code.
    """
    check_range("within", within, 0)

    def loss(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        own = code.to(answers)[rows.to(answers.device) if len(code) > 1 else torch.zeros_like(rows)]
        apart = (answers - own).flatten(1).square().sum(1)
        return apart / own.flatten(1).square().sum(1).clamp(min=torch.finfo(answers.dtype).tiny)

    def margin(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        return loss(answers, rows, head).clamp(min=torch.finfo(answers.dtype).tiny).sqrt() - within

    return Goal(loss, margin, lambda *given: margin(*given) <= 0, layer=layer)


def _about(labels: Labels, targeted: bool) -> Goal:
    """Taken for its class, or not."""
    sign = -1 if targeted else 1

    def loss(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        z = head.scores(answers, "logit")
        y = _own(labels, rows, z)
        if head.kind == "softmax" and z.shape[1] > 1:
            # log p, whose gradient keeps the class's own part where p rounds to 1 (and 1 - p, in softmax, to 0)
            return sign * F.logsigmoid(_at(z, y) - _without(z, y).logsumexp(1))
        z = head.scores(answers, "log-p") if head.has_probabilities else z
        return sign * _at(z, y)

    def margin(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        z = head.scores(answers, "logit")
        y = _own(labels, rows, z)
        alone = head.independent or not head.has_probabilities or z.shape[1] < 2
        return sign * (_at(z, y) if alone else _at(z, y) - _without(z, y).amax(1))

    def reached(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        if not head.has_probabilities:  # plain numbers can always be more
            return torch.zeros(len(answers), dtype=torch.bool, device=answers.device)
        return head.holds(answers, labels[rows.to(labels.device)].to(answers.device)) == targeted

    def ways(answers: Tensor, rows: Tensor, head: Head) -> Tensor:
        """Its logit minus that of each other class, infinite for its own."""
        z = head.scores(answers, "logit")
        y = _own(labels, rows, z)
        if head.independent or not head.has_probabilities or z.shape[1] < 2:
            return margin(answers, rows, head)[:, None]
        return _at(z, y)[:, None] - _without(z, y)

    return Goal(loss, margin, reached, labels, targeted, ways=None if targeted else ways)


def _own(labels: Tensor, rows: Tensor, z: Float[Tensor, "m k"]) -> Int[Tensor, " m"]:
    """The class of each problem.

    Raises:
        Mistake: there is no such class.
    """
    own = labels[rows.to(labels.device)]
    if len(own) and int(own.max()) >= z.shape[1]:
        raise Mistake(f"there is no class {int(own.max())}; there are 0 to {z.shape[1] - 1}")
    return own.to(z.device)


def _at(z: Float[Tensor, "m k"], classes: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
    return z.gather(1, classes[:, None])[:, 0]


def _without(z: Float[Tensor, "m k"], classes: Int[Tensor, " m"]) -> Float[Tensor, "m k"]:
    """The scores with -infinity for these classes."""
    return z.scatter(1, classes[:, None], -torch.inf)


def whole(labels: Any, many: int, most: int | None) -> Labels:
    """So many classes, one for each picture.

    Args:
        most: how many classes there are, if that is known.
    Raises:
        Mistake: they are not, or there is no such class.
    """
    try:
        given = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Mistake(f"labels are the numbers of classes, one for each picture, not {labels!r}") from error
    if given.shape != (many,) or given.is_floating_point() or given.dtype == torch.bool:
        what = f"{str(given.dtype).removeprefix('torch.')} {tuple(given.shape)}"
        raise Mistake(f"{many} pictures need {many} labels, whole numbers ({many},), not {what}")
    if given.min() < 0 or (most is not None and given.max() >= most):
        wrong = int(given.min()) if given.min() < 0 else int(given.max())
        raise Mistake(f"there is no class {wrong}" + ("" if most is None else f"; there are 0 to {most - 1}"))
    return given


Wanted = Goal | Labels | Sequence[int]
"""What the person who attacks gives: labels, or a goal."""
