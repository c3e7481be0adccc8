"""What the numbers mean that a network ends in: one notion for predictions, scores, attacks, checks and figures.

Most classifiers end in logits whose softmax is the probability of each class. Others end in logits of independent
questions (sigmoid), in probabilities, or in plain numbers (a regression, an embedding). One logit is one question: its
classes are "no" and "yes".
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.detections import CORNERS

HeadKind = Literal["softmax", "sigmoid", "probabilities", "numbers"]
HEADS: tuple[HeadKind, ...] = get_args(HeadKind)

Score = Literal["logit", "log-p", "p"]
"""What is said about a class: the unnormalized logit, the logarithm of its probability, or that itself."""

SQUASHING = frozenset({"softmax", "sigmoid", "hardsigmoid", "expit", "special_expit", "softmin"})
"""Functions that make probabilities."""

SUM = 1e-3
"""By how much the sum of probabilities may miss one: half precision."""


@dataclass(frozen=True)
class Head:
    """What a network's outputs mean.

    Attributes:
        kind: logits whose softmax, or whose sigmoids, are the probabilities; probabilities; or plain numbers.
        question: there is one output, and it is a question: class 0 is "no", class 1 is "yes".
        exclusive: of probabilities: those of all classes sum to one.
        boxes: they are a detector's: the last four rows are corners, and a class is as probable as its best box.
    """

    kind: HeadKind = "softmax"
    question: bool = False
    exclusive: bool = True
    boxes: bool = False

    @property
    def has_probabilities(self) -> bool:
        """Whether a class has a probability."""
        return self.kind != "numbers"

    @property
    def independent(self) -> bool:
        """Whether several classes may be true at once, or none."""
        return not self.question and (self.kind == "sigmoid" or (self.kind == "probabilities" and not self.exclusive))

    def classes(self, outputs: int) -> int:
        """How many classes so many outputs tell apart."""
        return 2 if self.question else outputs - CORNERS if self.boxes else outputs

    def flat(self, outputs: Float[Tensor, "n rows ..."]) -> Float[Tensor, "n outputs"]:
        """One number for each output: where a network answers at several places, their mean; a detector's best."""
        if self.boxes:
            return outputs[:, :-CORNERS].amax(2) if outputs.dim() > 2 else outputs
        return outputs.flatten(2).mean(2) if outputs.dim() > 2 else outputs

    def scores(self, outputs: Float[Tensor, "n outputs ..."], score: Score) -> Float[Tensor, "n classes"]:
        """The logit, log p or p of every class.

        A probability's logit is its logarithm where the classes exclude each other (whose softmax it is), else its
        log-odds; so what is differentiated does not vanish where the network is sure.

        Raises:
            Mistake: a probability of what has none.
        """
        z = self.flat(outputs)
        if score != "logit" and not self.has_probabilities:
            raise Mistake(f"plain numbers have no {score}; ask for the number itself: score logit")
        if self.kind == "numbers":
            return z
        if self.kind == "probabilities":
            return self._of_probabilities(z, score)
        if self.kind == "softmax":
            return z if score == "logit" else z.log_softmax(1) if score == "log-p" else z.softmax(1)
        both = torch.cat([-z, z], 1) if self.question else z
        return both if score == "logit" else F.logsigmoid(both) if score == "log-p" else both.sigmoid()

    def _of_probabilities(self, p: Float[Tensor, "n outputs"], score: Score) -> Float[Tensor, "n classes"]:
        both = torch.cat([1 - p, p], 1) if self.question else p
        if score == "p":
            return both
        tiny = torch.finfo(p.dtype).tiny
        log = both.clamp(min=tiny).log()
        if score == "log-p" or (self.exclusive and not self.question):
            return log
        return log - (1 - both).clamp(min=tiny).log()

    def decided(self, outputs: Float[Tensor, "n outputs ..."]) -> Int[Tensor, " n"]:
        """The class that each picture is most taken for."""
        return self.scores(outputs, "logit").argmax(1)

    def holds(self, outputs: Float[Tensor, "n outputs ..."], classes: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Whether each picture is taken for its class: no other is more probable; of independent ones, p > .5."""
        classes = classes.to(outputs.device)
        if self.independent:
            return self.scores(outputs, "logit").gather(1, classes[:, None])[:, 0] > 0
        return self.decided(outputs) == classes


SOFTMAX = Head()
"""Of most classifiers."""


def head_of(outputs: Float[Tensor, "n outputs ..."], maker: str | None, given: str | None) -> Head:
    """What outputs mean, told by what they are on a trial's pictures.

    Probabilities lie in [0, 1] and sum to one, or come straight out of a sigmoid; a lonely output is a question;
    whether several logits exclude each other can't be told by trying, and is taken for granted.

    Args:
        outputs: on pictures of noise.
        maker: the function that made them, if it was seen.
        given: their kind, if a person said it.
    Raises:
        Mistake: an unknown kind.
    """
    if given is not None and given not in HEADS:
        raise Mistake(f"head '{given}' is not known{did_you_mean(str(given), HEADS)} (there are {', '.join(HEADS)})")
    alone = outputs.shape[1] == 1
    within = bool(((outputs >= -SUM) & (outputs <= 1 + SUM)).all())
    sums = outputs.float().sum(1)
    exclusive = not alone and within and bool(((sums - 1).abs() < SUM).all())
    kind = next((one for one in HEADS if one == given), None)
    if kind is None:
        probable = exclusive or (within and maker in SQUASHING)
        kind = "probabilities" if probable else "sigmoid" if alone else "softmax"
    question = alone and kind in ("sigmoid", "probabilities")
    return Head(kind, question, exclusive if kind == "probabilities" else kind == "softmax")
