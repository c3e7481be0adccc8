"""Evidence about a victim on the stains, as an evaluation by projected gradient descent would leave it."""

import torch

from phosphene.adversarial.evaluation.evidence import Evidence, attempt, nothing
from phosphene.adversarial.victims import Victim
from phosphene.core.errors import Mistake
from tests.adversarial.defences import EPS, stains


def evidence(victim, many=32, x=None, labels=None, eps=EPS, weak=None, **others):
    """Of the pictures that the victim is right about; `weak` are the options of the attack that was made."""
    if x is None:
        x, labels = stains(many, seed=2)
    who = Victim.of(victim)
    right = who.head.decided(who.answers(x, torch.arange(len(x)))) == labels
    numbers = right.nonzero().flatten()
    x, labels, who = x[right], labels[right], who.among(numbers)
    try:
        made = attempt("pgd", who, x, labels, norm="linf", eps=eps, **(weak or {"steps": 20, "step_size": eps / 4}))
    except Mistake:  # no gradient
        made = nothing(len(x))
    return Evidence(who, x, labels, "linf", eps, made.success, numbers=numbers, **others)
