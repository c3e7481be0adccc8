"""Who is attacked: scores of pictures, and their gradients, counted picture by picture."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.head import Head
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, pulled
from phosphene.core.optimization.terms import Reading, Term

Classifier = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n classes"]]
"""Pictures in [0, 1] to logits, whatever makes them; differentiable where gradients are needed."""

LOGITS = "logits"


class Victim:
    """A network, or any callable that gives logits; it counts how often it is read.

    Args:
        classifier: whose answers are to be changed.
    Attributes:
        forwards, backwards: how often each problem's picture went through it, one way and both.
    """

    def __init__(self, classifier: Network | Classifier) -> None:
        self.classifier = classifier
        self.forwards = self.backwards = torch.zeros(0, dtype=torch.long)

    @classmethod
    def of(cls, victim: "Victim | Network | Classifier") -> "Victim":
        """The victim itself, or one made of a network or a callable."""
        return victim if isinstance(victim, Victim) else cls(victim)

    @property
    def head(self) -> Head:
        """What its outputs mean; those of a callable are logits of a softmax."""
        return self.classifier.head if isinstance(self.classifier, Network) else Head()

    @property
    def name(self) -> str:
        """For messages."""
        return self.classifier.name if isinstance(self.classifier, Network) else "the victim"

    def logits(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
        """The logits of pictures, without gradients."""
        self.forwards = _counted(self.forwards, rows)
        with torch.no_grad():
            if isinstance(self.classifier, Network):
                return self.head.flat(self.classifier.read(pictures, [LOGITS])[LOGITS])
            return self.classifier(pictures)

    def objective(self, term: Term) -> Objective:
        """The values of a term that reads the logits, and their gradients; the logits come along as outputs."""

        def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
            self.forwards, self.backwards = _counted(self.forwards, rows), _counted(self.backwards, rows)
            seen = evaluate(pictures, rows, key)
            return seen._replace(outputs={LOGITS: self.head.flat(seen.outputs[LOGITS])})

        if isinstance(self.classifier, Network):
            evaluate = gradient(self.classifier, term, keep=[LOGITS])
        else:
            evaluate = _gradient(self.classifier, term)
        return objective


def _gradient(classifier: Classifier, term: Term) -> Objective:
    """`gradient` of a callable."""

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        with torch.inference_mode(False), torch.enable_grad():
            x = pictures.detach().clone().requires_grad_()
            logits = classifier(x)
            of = torch.arange(len(x), device=x.device)
            values = term.of(Reading(x, rows.to(x.device), x, of, {LOGITS: logits}))
            found = pulled(values, x, "the victim")
        return Evaluation(values.detach(), found, {LOGITS: logits.detach()})

    return objective


def _counted(counts: Tensor, rows: Tensor) -> Tensor:
    many = max(len(counts), int(rows.max()) + 1 if len(rows) else 0)
    longer = torch.nn.functional.pad(counts, (0, many - len(counts)))
    return longer.index_add(0, rows.cpu(), torch.ones(len(rows), dtype=torch.long))
