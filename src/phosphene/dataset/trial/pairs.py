"""Which of two photographs excites this unit more? Pairs, and the photographs that may explain the unit beforehand.

The task of Borowski et al. 2021 (arXiv:2010.12606) and Zimmermann et al. 2021, 2023 (arXiv:2106.12447, 2307.05471): of
the photographs that excite a unit most, one is asked about and others are shown as its references; so with those that
excite it least. Who knows from the references, or from synthetic pictures, what the unit answers to, tells the two
apart; chance is one half.

Ranks: the strongest (1 + references) x bin photographs are cut into bins of neighbouring ranks. What is asked about
comes from the first bin, one reference from each of the others, each in an order that the seed says, so that a unit has
`bin` questions without a photograph in common; so for the weakest. Harder questions take what is asked about from the
ranks at a quantile further inside (95 and 85 %, 5 and 15 %), as the second paper has it; the references stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float, Int

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key

Difficulty = Literal["easy", "medium", "hard"]

QUANTILE: dict[Difficulty, float] = {"easy": 1.0, "medium": 0.95, "hard": 0.85}
"""Of the strong one among all photographs; that of the weak one is so far from the other end."""

LARGEST_BIN = 20
"""As in the first paper: 20 x 10 photographs on either side."""


@dataclass(frozen=True)
class Pair:
    """One question about a unit.

    Attributes:
        layer, unit: which.
        strong, weak: images; the first excites the unit more.
        first: whether the strong one is shown first.
        positive, negative: references: images that excite it most, and least.
    """

    layer: str
    unit: int
    strong: int
    weak: int
    first: bool
    positive: tuple[int, ...]
    negative: tuple[int, ...]

    @property
    def shown(self) -> tuple[int, int]:
        """The two, as they are shown."""
        return (self.strong, self.weak) if self.first else (self.weak, self.strong)

    @property
    def right(self) -> int:
        """The place of the strong one."""
        return 0 if self.first else 1

    def record(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "layer": self.layer, "unit": self.unit, "strong": self.strong, "weak": self.weak, "first": self.first,
            "positive": list(self.positive), "negative": list(self.negative),
        }  # fmt: skip


def bin_size(images: int, references: int) -> int:
    """How many photographs a bin has, and how many questions a unit: one in a hundred, 1 to 20.

    Raises:
        Mistake: there are too few for so many references.
    """
    least = 2 * (1 + references)
    if images < least:
        raise Mistake(
            f"the index has {images} pictures, and {references} references on either side and two to ask about take "
            f"{least}; give fewer --references, or index more"
        )
    return max(1, min(LARGEST_BIN, images // 100, images // least))


def pairs(
    peaks: Float[np.ndarray, " images"],
    layer: str,
    unit: int,
    *,
    references: int = 9,
    difficulty: Difficulty = "easy",
    seed: int = 0,
) -> list[Pair]:
    """All questions about one unit, `bin_size` of them; none about a unit whose two ends are the same (a dead one).

    Args:
        peaks: how much each photograph excites it, at the place where it is most; of equals the first one is stronger.
        references: photographs shown on either side.
    Raises:
        Mistake: there are too few photographs.
    """
    n, many = len(peaks), bin_size(len(peaks), references)
    order = np.argsort(-peaks, kind="stable")
    key = Key(seed, [unit]).child(_stream(layer))
    numbers = key.uniform(torch.arange(1), 3, (1 + references) * many)[0].numpy()
    ends = (_bins(order, many, numbers[0]), _bins(order[::-1], many, numbers[1]))
    asked = [bins[0] for bins in ends]
    if difficulty != "easy":
        used = {int(one) for bins in ends for one in bins[1:].flatten()}
        depth = round((1 - QUANTILE[difficulty]) * n)
        asked = [_nearest(order, rank, many, used) for rank in (depth, n - 1 - depth)]
    found = []
    for b in range(many):
        strong, weak = (int(side[b]) for side in asked)
        if peaks[strong] > peaks[weak]:
            positive, negative = (tuple(int(one) for one in bins[1:, b]) for bins in ends)
            found.append(Pair(layer, unit, strong, weak, bool(numbers[2, b] < 0.5), positive, negative))
    return found


def _bins(order: Int[np.ndarray, " images"], many: int, numbers: Float[np.ndarray, " _"]) -> Int[np.ndarray, "b many"]:
    """The first photographs in this order, in bins of `many`, each bin in an order of its own."""
    bins = order[: len(numbers)].reshape(-1, many)
    return np.take_along_axis(bins, np.argsort(numbers.reshape(bins.shape), 1, kind="stable"), 1)


def _nearest(order: Int[np.ndarray, " images"], rank: int, many: int, used: set[int]) -> Int[np.ndarray, " many"]:
    """The `many` photographs nearest to this rank that are no references."""
    ranks = sorted(range(len(order)), key=lambda one: (abs(one - rank), one))
    return np.array([order[one] for one in ranks if int(order[one]) not in used][:many])


def _stream(layer: str) -> int:
    """Random numbers of a layer's own."""
    return crc32(layer.encode()) % 1000


def drawn_units(layers: Mapping[str, int], many: int, seed: int) -> list[tuple[str, int]]:
    """So many units, each layer in turn, each unit at most once, in an order that the seed says.

    Args:
        layers: how many units each has.
    """
    orders = {}
    for name, units in layers.items():
        numbers = Key(seed).child(_stream(name)).uniform(torch.arange(1), units)[0].numpy()
        orders[name] = np.argsort(numbers, kind="stable").tolist()
    turns = range(max(layers.values(), default=0))
    every = [(name, order[turn]) for turn in turns for name, order in orders.items() if turn < len(order)]
    return every[:many]
