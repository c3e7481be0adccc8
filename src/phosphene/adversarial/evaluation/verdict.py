"""One line at the end: a number with its uncertainty, and whether to believe it."""

from collections.abc import Sequence
from fractions import Fraction

from phosphene.adversarial.evaluation.evidence import Check
from phosphene.adversarial.norms import Norm
from phosphene.core.results.intervals import wilson


def verdict(checks: Sequence[Check], robust: int, of: int, eps: float, norm: Norm = "linf") -> str:
    """`robust accuracy 50.5 % [43.6, 57.4] at 2/255; 13 of 13 checks pass; believe it`.

    Where a check fails, the first such one and what to run next; where one warns, that it is to be looked at.

    Args:
        robust: how many pictures the network is right about whatever was tried.
        of: how many there are. The interval is Wilson's, of 95 %.
    """
    low, high = (100 * end for end in wilson(robust, of))
    share = 100 * robust / max(1, of)
    head = f"robust accuracy {share:.1f} % [{low:.1f}, {high:.1f}] at {radius(eps, norm)}"
    passed = sum(check.outcome == "pass" for check in checks)
    counted = f"{passed} of {len(checks)} checks pass"
    failed = next((check for check in checks if check.outcome == "fail"), None)
    if failed is not None:
        return f"{head}; {counted}; do not believe it: {failed.words}{_next(failed)}"
    warned = next((check for check in checks if check.outcome == "warn"), None)
    if warned is not None:
        return f"{head}; {counted}; believe it with care: {warned.words}{_next(warned)}"
    return f"{head}; {counted}; believe it" if checks else f"{head}; nothing was checked"


def _next(check: Check) -> str:
    return f"; run again with {check.next}" if check.next else ""


def radius(eps: float, norm: Norm = "linf") -> str:
    """`2/255` where it is that many levels of 8 bits or halves of one, else the number; other norms are named."""
    levels = Fraction(eps * 255).limit_denominator(2)
    if norm == "linf" and levels and abs(float(levels) / 255 - eps) < 1e-6 * eps:
        return f"{float(levels):g}/255"
    return f"{eps:g}" if norm == "linf" else f"{norm} {eps:g}"
