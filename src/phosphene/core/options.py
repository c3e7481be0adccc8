"""What stands beside an option's type: the values that it may have, and one sentence about it.

    octaves: Annotated[int, Bounds(1, 16), Words("number of sizes")] = 4

Signatures of recipes and fields of settings say both once; the command line, replay and Python calls read them there.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value of a number, both allowed."""

    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Words:
    """One sentence for people, without its full stop."""

    text: str
