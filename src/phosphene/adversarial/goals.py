"""What attacks want: a loss to make small, and when they have got it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.victims import LOGITS, Classifier, Victim
from phosphene.core.errors import Mistake
from phosphene.core.networks.head import SOFTMAX, Head
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Evaluation, Stop
from phosphene.core.optimization.terms import Term, cross_entropy, score

Labels = Int[Tensor, " n"]
"""A class for each picture: what it shall not be taken for any more, or, targeted, what it shall be taken for. Of a
network that ends in plain numbers, the number that shall become less, or, targeted, more."""


def prepared(
    victim: Victim | Network | Classifier, x: Tensor, labels: Labels | Sequence[int], radius: float
) -> tuple[Victim, Labels]:
    """The victim and the labels of an attack, once everything that it is given makes sense.

    Raises:
        Mistake: pictures that are not (n, c, h, w) in [0, 1], another number of labels, a class that there is not, a
            radius below 0.
    """
    if not isinstance(x, Tensor) or x.dim() != 4 or not len(x) or not x.is_floating_point():
        given = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise Mistake(f"an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not {given}")
    low, high = (float(end) for end in x.aminmax())
    if not (low >= 0 and high <= 1):
        raise Mistake(f"the pictures have values from {low:g} to {high:g}; an attack takes 0 to 1")
    if not 0 <= radius < math.inf:
        raise Mistake(f"{radius:g} is not a valid value for radius: it must be at least 0")
    if not callable(victim) and not isinstance(victim, Victim | Network):
        raise Mistake(f"a victim is a network, or a function from pictures to logits, not {type(victim).__name__}")
    who = Victim.of(victim)
    most = who.classifier.classes if isinstance(who.classifier, Network) else None
    return who, _whole(labels, len(x), most)


def _whole(labels: Any, many: int, most: int | None) -> Labels:
    """So many classes, of which there are `most`, if that is known."""
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


def loss(labels: Labels, targeted: bool, head: Head = SOFTMAX) -> Term:
    """The cross-entropy towards the labels, or its negative: away from them; of plain numbers, these themselves."""
    term = cross_entropy(labels.tolist()) if head.has_probabilities else -score(labels.tolist())
    return term if targeted else -term


def fooled(
    logits: Float[Tensor, "n classes"], labels: Labels, targeted: bool, head: Head = SOFTMAX
) -> Bool[Tensor, " n"]:
    """Whether pictures are taken for what they shall be; never of plain numbers, which can always be more."""
    if not head.has_probabilities:
        return torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    return head.holds(logits, labels) == targeted


def when_fooled(labels: Labels, targeted: bool, head: Head = SOFTMAX) -> Stop:
    """Stop a picture as soon as it fools."""

    def stop(pictures: Tensor, rows: Tensor, seen: Evaluation) -> Bool[Tensor, " n"]:
        return fooled(seen.outputs[LOGITS], labels[rows.to(labels.device)], targeted, head)

    return stop
