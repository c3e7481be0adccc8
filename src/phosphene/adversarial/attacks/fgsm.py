"""The fast gradient: one step to where a linear loss is largest (Goodfellow et al. 2015, arXiv:1412.6572, section 4).

In the l-inf ball that is a corner, x + eps sign(gradient of the loss), and networks are linear enough for it to work;
in the l2 ball it is eps times the normalized gradient (Miyato et al. 2017, arXiv:1605.07725). The two are equally long
where the second radius is sqrt(d) times the first, d being how many values there are. Instead of the loss, the logit of
the class may be followed: a step against the target's cross-entropy also makes all others small.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Unpack

from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.norms import steepest
from phosphene.adversarial.photographs import Within, attack
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured
from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.optimizers import along
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Words


@attack("linf", "l2", "l1")
def fgsm(
    problems: Problems,
    *,
    by: Annotated[Literal["loss", "logit"], Words("follow the goal's loss, or the logit of the class alone")] = "loss",
    **common: Unpack[Within],
) -> Iterator[Step]:
    """Fool NETWORK with one step of the gradient's sign (Goodfellow et al. 2015)."""
    measure = _logit(problems) if by == "logit" else None
    return argmin(
        Pixels(problems.x),
        problems.objective(measure),
        optimizer=along(lambda gradient: steepest(gradient, problems.norm), problems.eps),
        constraint=problems.project,
        steps=1,
        stop=problems.stop,
        last=problems.last(measure),
    )


def _logit(problems: Problems) -> Measured:
    """The logit of each problem's class, to be made small, or, targeted, large.

    Raises:
        Mistake: the goal is not about classes.
    """
    labels, sign = problems.goal.labels, -1 if problems.goal.targeted else 1
    if labels is None:
        raise Mistake("by logit needs a class, and this goal is about none; leave it at loss")

    def logit(answers: Float[Tensor, "m k"], rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        own = labels[rows.to(labels.device)].to(answers.device)
        return sign * problems.victim.head.scores(answers, "logit").gather(1, own[:, None])[:, 0]

    return logit
