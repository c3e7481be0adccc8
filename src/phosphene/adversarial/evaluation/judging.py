"""From an evaluation to the checks that say whether to believe it."""

from collections.abc import Iterator

import torch

from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.adversarial.evaluation.evidence import SAMPLE, Check, Evidence
from phosphene.adversarial.evaluation.indicators import checks
from phosphene.adversarial.evaluation.ledger import Worst
from phosphene.core.optimization.keys import Key


def doubted(evaluation: Evaluation) -> Worst:
    """The radius that is checked: the largest at which something is robust, as nothing else can be too good."""
    ledger = evaluation.ledger
    assert ledger is not None
    robust = [worst for worst in ledger.worst if len(ledger.left(worst.eps))]
    return robust[-1] if robust else ledger.worst[0]


def evidence(evaluation: Evaluation) -> Evidence | None:
    """Some of the pictures that the network is right about, evenly from all of them; None where there are none."""
    ledger = evaluation.ledger
    assert ledger is not None
    right = ledger.left(None)
    if not len(right):
        return None
    rows = right[torch.linspace(0, len(right) - 1, min(SAMPLE, len(right))).round().long()]
    worst = doubted(evaluation)
    x, labels = evaluation.asked(rows)
    return Evidence(
        victim=evaluation.victim(), x=x, labels=labels, norm=evaluation.norm, eps=worst.eps, fooled=worst.fooled[rows],
        attacks=frozenset(one.attack for one in (*evaluation.entries, evaluation.curve) if one),
        numbers=rows, key=Key(evaluation.seed),
    )  # fmt: skip


def judged(evaluation: Evaluation) -> Iterator[Check]:
    """What each check says of a finished evaluation; nothing where the network is right about no picture at all."""
    found = evidence(evaluation)
    if found is not None:
        yield from checks(found)
