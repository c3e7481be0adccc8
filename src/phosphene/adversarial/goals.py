"""What attacks want: a loss to make small, and when they have got it."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from phosphene.adversarial.victims import LOGITS
from phosphene.core.optimization.engine import Evaluation, Stop
from phosphene.core.optimization.terms import Term, cross_entropy

Labels = Int[Tensor, " n"]
"""A class for each picture: what it shall not be taken for any more, or, targeted, what it shall be taken for."""


def loss(labels: Labels, targeted: bool) -> Term:
    """The cross-entropy towards the labels, or its negative: away from them."""
    term = cross_entropy(labels.tolist())
    return term if targeted else -term


def fooled(logits: Float[Tensor, "n classes"], labels: Labels, targeted: bool) -> Bool[Tensor, " n"]:
    """Whether pictures are taken for what they shall be."""
    return (logits.argmax(1) == labels.to(logits.device)) == targeted


def when_fooled(labels: Labels, targeted: bool) -> Stop:
    """Stop a picture as soon as it fools."""

    def stop(pictures: Tensor, rows: Tensor, seen: Evaluation) -> Bool[Tensor, " n"]:
        return fooled(seen.outputs[LOGITS], labels[rows.to(labels.device)], targeted)

    return stop
