"""A prior's weight for a wanted error of the code: the error grows with the weight, so a bisection finds it."""

import math
from collections.abc import Sequence

Tried = Sequence[tuple[float, float]]
"""Weights that were tried, and the error that each led to."""

STEP = 10.0
"""So much further goes the next weight while all errors are on one side."""


def off(error: float, target: float) -> float:
    """How far an error is from the wanted one: 0.1 is a tenth too much, or as many times too little."""
    return math.exp(abs(math.log(max(error, 1e-30) / max(target, 1e-30)))) - 1


def nearest(tried: Tried, target: float) -> tuple[float, float]:
    """The weight that came nearest, and its error."""
    return min(tried, key=lambda one: off(one[1], target))


def next_weight(tried: Tried, target: float) -> float:
    """The weight to try next.

    While all errors are too small, or all too large, ten times as much or as little as the last. Then between the
    neighbours that enclose the target: where a straight line through the logarithms meets it, but never nearer to an
    end than a tenth of the way, so that the interval becomes shorter whatever the curve is.
    """
    small = max((one for one in tried if one[1] <= target), default=None)
    large = min((one for one in tried if one[1] > target and (small is None or one[0] > small[0])), default=None)
    if small is None:
        return min(weight for weight, _ in tried) / STEP
    if large is None:
        return max(weight for weight, _ in tried) * STEP
    (low, low_error), (high, high_error) = ([math.log(max(x, 1e-30)) for x in one] for one in (small, large))
    part = (math.log(max(target, 1e-30)) - low_error) / (high_error - low_error)
    return math.exp(low + min(max(part, 0.1), 0.9) * (high - low))
