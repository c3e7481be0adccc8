"""Do the contributions add up? A method that promises it says by how much they miss.

Completeness (Sundararajan et al. 2017, arXiv:1703.01365): the numbers of all pixels add up to f(x) - f(x0), what the
network says of the picture less what it says where nothing is left of it.
"""

from collections.abc import Mapping
from typing import Any

TINY = 1e-12


def gap(facts: Mapping[str, Any]) -> float | None:
    """|sum - change| / |change|, of a picture's facts "sum" and "change"; None where a method does not tell them."""
    if "sum" not in facts or "change" not in facts:
        return None
    return abs(facts["sum"] - facts["change"]) / max(abs(facts["change"]), TINY)
