"""Checks of what attacks with gradients go by: that there is one, and that it says what the network does."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.adversarial.adaptive import Expected, passed_straight
from phosphene.adversarial.evaluation.culprits import further, straightened
from phosphene.adversarial.evaluation.evidence import Check, Evidence
from phosphene.adversarial.norms import steepest
from phosphene.adversarial.problems import Problems
from phosphene.adversarial.victims import Measured
from phosphene.core.errors import Mistake

NEAR = 1 / 10
"""Of eps: how far a finite difference goes."""

AGREES = 0.1, 2.0
"""Between these the ratio of finite difference and gradient lies where a network is nearly linear on the way: on the
networks of the tests, at 1/255 to 8/255, it is .43 to 1.06; with k winners taking all it is -24 to 48."""


def gradients(evidence: Evidence) -> Check:
    """There is a gradient, of the picture and of one nearby (unavailable gradients, Pintor et al. 2022)."""
    problems = evidence.problems
    try:
        missing = _without(problems, problems.loss)
        saturated = missing & ~_without(problems, problems.margin)
    except Mistake as error:
        every = torch.ones(len(evidence), dtype=torch.bool)
        return Check(
            "gradients", "fail", str(error), evidence.numbered(every), straightened(evidence, every, has_gradients)
        )
    if int(saturated.sum()) > int(missing.sum()) / 2:
        words = "the loss has no gradient on {} pictures, where the network is surer than numbers can be; margins have"
        return evidence.judged("gradients", missing, "", words, further(evidence))
    words = "there is no gradient on {} pictures: something in the network cuts it or makes it 0"
    next = straightened(evidence, missing, has_gradients) if missing.any() else ""
    return evidence.judged("gradients", missing, "there is a gradient on every picture", words, next)


def has_gradients(evidence: Evidence) -> bool:
    """Whether every picture has one."""
    return not _without(evidence.problems, evidence.problems.loss).any()


def derivative(evidence: Evidence) -> Check:
    """What a small step along the gradient changes is what the gradient says.

    The margin's (f(x + h d) - f(x - h d)) / 2h along the steepest direction d of norm 1, with h = eps / 10, against
    g . d. Where the function jumps, or was given another gradient than its own, the two are far apart.
    """
    problems = evidence.problems
    if passed_straight(evidence.victim) or isinstance(evidence.victim, Expected):
        return Check("derivative", "pass", "not compared: the gradient is meant to be another than the function's own")
    try:
        ratio = finite_differences(problems, NEAR * evidence.eps)
    except Mistake:
        ratio = torch.full((len(evidence),), torch.nan)
    known = ratio.isfinite()
    if not known.any():
        return Check("derivative", "pass", "not compared: there is no gradient")
    wrong = known & ~((ratio > AGREES[0]) & (ratio < AGREES[1]))
    middle = float(ratio[known].median())
    good = f"small steps change the answer as the gradient says ({middle:.2f} times as much in the median)"
    words = "on {} pictures small steps along the gradient change the answer otherwise than the gradient says"
    return evidence.judged("derivative", wrong.cpu(), good, words, further(evidence))


def finite_differences(problems: Problems, h: float) -> Float[Tensor, " n"]:
    """The finite difference of each problem's margin along its gradient, as a multiple of what the gradient says.

    Not a number where the gradient is 0.
    """
    start = problems.anywhere()
    g = _gradient(problems, problems.margin, start)
    d = steepest(g, problems.norm)
    slope = (g * d).flatten(1).sum(1)
    ahead, behind = (
        problems.margin(problems.answers(start + s * h * d, problems.rows), problems.rows) for s in (1, -1)
    )
    found = (ahead - behind).to(slope) / (2 * h)
    return torch.where(slope > 0, found / slope, torch.nan)


def _gradient(problems: Problems, measure: Measured, at: Tensor) -> Tensor:
    return problems.objective(measure)(at, problems.rows, problems.key.at(0)).gradients


def _without(problems: Problems, measure: Measured) -> Bool[Tensor, " n"]:
    """Which have a gradient of 0 everywhere, at the picture or somewhere in its ball."""
    every = [_gradient(problems, measure, at) for at in (problems.x, problems.anywhere())]
    return torch.stack([(g.flatten(1) == 0).all(1) for g in every]).any(0).cpu()
