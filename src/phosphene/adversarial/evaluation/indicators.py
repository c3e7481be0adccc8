"""Signs that an evaluation can't be believed: every check once, in the order in which they are to be mended.

After "On Evaluating Adversarial Robustness" (Carlini et al. 2019, arXiv:1902.06705), "Indicators of Attack Failure"
(Pintor et al. 2022, arXiv:2106.09947) and the flags of AutoAttack (Croce & Hein 2020, arXiv:2003.01690). The first that
fails explains those behind it: without a gradient many steps find nothing either.
"""

from collections.abc import Callable, Iterator

from phosphene.adversarial.evaluation import answers, probes, slopes
from phosphene.adversarial.evaluation.evidence import Check, Evidence

READING: tuple[Callable[[Evidence], Check], ...] = (
    answers.logits, answers.repeatable, answers.alone, slopes.gradients, slopes.derivative,
)  # fmt: skip
"""Those that ask the network alone: all that can be said with l0, where there is no way along a gradient."""

CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    probes.self_test, *READING, probes.unbounded, probes.monotone, probes.returned, probes.single_step,
    probes.more_steps, probes.without_gradients, probes.at_random,
)  # fmt: skip


def checks(evidence: Evidence) -> Iterator[Check]:
    """What each check says, one after the other; transfer is checked where there are other networks to transfer from.

    They ask for at most about 400 readings of each picture of the sample.
    """
    for check in READING if evidence.norm == "l0" else CHECKS:
        yield check(evidence)
    if evidence.surrogates:
        yield probes.transferred(evidence)
