"""Losses that do not vanish where a network is sure: the margin over what the logits differ by anyway.

The cross-entropy's gradient is 0 in floating point where the class has all the probability, and logits times ten are
another loss. The *difference of logits ratio* changes neither with a shift nor with the scale of the logits (Croce &
Hein 2020, arXiv:2003.01690, equations 6 and 7; z_(1) >= z_(2) >= ... are the sorted logits, y the class, t a target):

    DLR = (z_y - max_(i != y) z_i) / (z_(1) - z_(3))     towards t: (z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)

Both are to be made small here, and below 0 where the picture fools.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.adversarial.goals import LOGITS
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured


def dlr(problems: Problems) -> Measured:
    """The goal's margin over z_(1) - z_(3). With fewer than three classes, or other answers than theirs, the margin."""
    tell = problems.victim.tell

    def measure(answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        margin = problems.margin(answers, rows)
        if not about_classes(problems):
            tell("the ratio of logits (dlr) is about classes; the plain margin is taken")
            return margin
        z = problems.victim.head.scores(answers, "logit")
        if z.shape[1] < 3:
            tell(f"the ratio of logits (dlr) takes 3 classes, and there are {z.shape[1]}; the plain margin is taken")
            return margin
        top = z.topk(3, 1).values
        return margin / _positive(top[:, 0] - top[:, 2])

    return measure


def dlr_towards(problems: Problems, classes: Int[Tensor, " n"]) -> Measured:
    """From each problem's class towards another one. With fewer than four classes only the difference of their logits.

    Args:
        problems: whose goal has labels.
    """
    tell = problems.victim.tell

    def measure(answers: Tensor, rows: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        z, labels = problems.victim.head.scores(answers, "logit"), problems.goal.labels
        assert labels is not None
        own, other = (z.gather(1, one[rows.to(one.device)].to(z.device)[:, None])[:, 0] for one in (labels, classes))
        if z.shape[1] < 4:
            tell(f"the targeted dlr takes 4 classes, and there are {z.shape[1]}; the difference of logits is taken")
            return own - other
        top = z.topk(4, 1).values
        return (own - other) / _positive(top[:, 0] - (top[:, 2] + top[:, 3]) / 2)

    return measure


def highest_others(problems: Problems, answers: Tensor, many: int) -> Int[Tensor, "n k"]:
    """The other classes than its own that each problem is most taken for, the highest first; all, if there are fewer.

    Args:
        problems: whose goal has labels.
        answers: to the inputs of all problems.
    """
    z, labels = problems.victim.head.scores(answers, "logit"), problems.goal.labels
    assert labels is not None
    others = z.scatter(1, labels.to(z.device)[:, None], -torch.inf)
    return others.argsort(dim=1, descending=True, stable=True)[:, : min(many, z.shape[1] - 1)].cpu()


def about_classes(problems: Problems) -> bool:
    """Whether what the victim says of a problem are scores of classes."""
    return problems.goal.layer == LOGITS and problems.goal.labels is not None and problems.victim.head.has_probabilities


def _positive(spread: Tensor) -> Tensor:
    return spread.clamp(min=torch.finfo(spread.dtype).tiny)
