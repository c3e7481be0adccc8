"""Checks of what a network answers: that attacks get logits, the same ones again, of each picture by itself."""

import torch
from torch import Tensor, nn

from phosphene.adversarial.adaptive import Expected, passed_straight
from phosphene.adversarial.evaluation.culprits import straightened
from phosphene.adversarial.evaluation.evidence import Check, Evidence
from phosphene.adversarial.evaluation.slopes import has_gradients
from phosphene.core.networks.head import SUM
from phosphene.core.networks.network import Network
from phosphene.core.networks.restoring import same_random_numbers
from phosphene.core.networks.trials import alike

FEW = 8
"""So many pictures are read one by one."""

AGAIN = 8
"""So often all are read again: one chance in two to answer the same each time is found out with 99.6 %."""


def logits(evidence: Evidence) -> Check:
    """Probabilities given as logits: another softmax takes most of their gradient away (AutoAttack's flag)."""
    answers, head = _asked(evidence), evidence.victim.head
    within = (answers >= -SUM).all() and (answers <= 1 + SUM).all()
    if head.kind == "softmax" and answers.shape[1] > 1 and within and ((answers.sum(1) - 1).abs() < SUM).all():
        return Check(
            "logits", "fail", "its answers are probabilities, and were attacked as if they were logits",
            evidence.numbered(torch.ones(len(evidence), dtype=torch.bool)), "--head probabilities",
        )  # fmt: skip
    if head.kind == "probabilities" and not passed_straight(evidence.victim):
        sure = (answers.amax(1) >= 1).cpu()
        next = straightened(evidence, sure, has_gradients) if sure.any() else ""
        words = "its answers are probabilities, and {} are 1 to the last digit, which no logarithm gets a gradient from"
        return evidence.judged("logits", sure, "its probabilities are no surer than numbers can be", words, next)
    return Check("logits", "pass", "its answers are no probabilities")


def repeatable(evidence: Evidence) -> Check:
    """The same picture, the same answer (unstable predictions, Pintor et al.; AutoAttack's randomized and dynamic)."""
    victim = evidence.victim
    model = victim.classifier.model if isinstance(victim.classifier, Network) else victim.classifier
    moved = _moved(evidence)
    good = "it answers the same each time"
    if isinstance(victim, Expected):
        return evidence.judged("repeatable", moved, f"the mean over {victim.draws} draws was attacked", _MOVED, "")
    if isinstance(victim.classifier, Network) and not victim.classifier.deterministic:
        moved = torch.ones(len(evidence), dtype=torch.bool)
    elif isinstance(model, nn.Module) and any(part.training for part in model.modules()) and moved.any():
        words = "it is in training mode, and answers differently each time; model.eval() ends it"
        return Check("repeatable", "fail", words, evidence.numbered(moved))
    elif moved.any() and not _random(evidence):
        words = "its answers depend on what it was asked before, so that no answer can be had again"
        return Check("repeatable", "fail", words, evidence.numbered(moved))
    return evidence.judged("repeatable", moved, good, _MOVED, "--eot 20")


_MOVED = "it answers differently each time on {} pictures"


def alone(evidence: Evidence) -> Check:
    """A picture's answer does not depend on the others of its batch (statistics of a batch in training mode)."""
    victim = evidence.victim
    if isinstance(victim, Expected) or _moved(evidence).any():
        return Check("alone", "pass", "not compared: its answers are random")
    some = torch.arange(min(FEW, len(evidence)))
    together = victim.answers(evidence.x[some], some)
    singly = torch.cat([victim.answers(evidence.x[i : i + 1], some[i : i + 1]) for i in some.tolist()])
    found = torch.zeros(len(evidence), dtype=torch.bool)
    found[some] = _differs(together, singly)
    if found.any():
        words = "the pictures of a batch change each other's answers"
        return Check("alone", "fail", words, evidence.numbered(found), "--batch 1")
    return Check("alone", "pass", "each picture's answer is its own")


def _asked(evidence: Evidence) -> Tensor:
    return evidence.victim.answers(evidence.x, torch.arange(len(evidence)))


def _moved(evidence: Evidence) -> Tensor:
    """Which pictures it answers otherwise when it is asked again, and again."""
    first = _asked(evidence)
    return torch.stack([_differs(_asked(evidence), first) for _ in range(AGAIN)]).any(0)


def _differs(a: Tensor, b: Tensor) -> Tensor:
    """Which answers are not the same but for rounding."""
    return torch.tensor([not alike(one, other, a.dtype) for one, other in zip(a, b, strict=True)], dtype=torch.bool)


def _random(evidence: Evidence) -> bool:
    """Whether its answers are the same as soon as its random numbers are."""
    every = []
    for _ in range(2):
        with same_random_numbers():
            every.append(_asked(evidence))
    return not _differs(*every).any()
