"""A unit: a channel of a layer, one place of it, a direction, or a weighted sum of these; and its term."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite
from zlib import crc32

import torch

from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import (
    Region,
    Score,
    Term,
    TokenGrid,
    channel,
    direction,
    energy,
    neuron,
    score,
    similarity,
    token,
    weighted,
)
from phosphene.core.paths import shortened
from phosphene.core.units.directions import Direction, number


@dataclass(frozen=True)
class Unit:
    """One channel of a layer, at one position or everywhere; or the whole layer.

    Attributes:
        layer: its layer's name.
        index: the channel, the class, or the attention head; None for the whole layer.
        position: (row, column), or a token, or None for all of them; of a class map or a detector also a region,
            (x, y, width, height) in pixels.
        grid: where rows and columns are among tokens, if the layer has those.
    """

    layer: str
    index: int | None
    position: tuple[int, int] | Region | int | None = None
    grid: TokenGrid | None = None

    def __str__(self) -> str:
        return self.layer if self.index is None else f"{self.layer}:{self.index}{self.place}"

    @property
    def place(self) -> str:
        """Where it is, as it is spelled; nothing where it is everywhere."""
        at = self.position
        return "" if at is None else f"@{at}" if isinstance(at, int) else f"@{','.join(map(str, at))}"

    @property
    def short(self) -> str:
        """For captions: its spelling."""
        return str(self)

    @property
    def stem(self) -> str:
        """As a file's name: `mixed4a-476`."""
        layer = re.sub(r"[^\w.@,-]", "_", self.layer)
        return layer if self.index is None else f"{layer}-{self.index}{self.place}"

    @property
    def key(self) -> int:
        """Its identity for random numbers: the index; of a whole layer, a hash of its name."""
        return crc32(self.layer.encode()) if self.index is None else self.index


@dataclass(frozen=True)
class Sum:
    """A weighted sum of units.

    Attributes:
        parts: weights and units, which may belong to several layers. One unit with weight 1 is spelled, and so read,
            as that unit.
    Raises:
        Mistake: no parts, or a weight that is not finite.
    """

    parts: tuple[tuple[float, Unit | Direction], ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise Mistake("a sum of no units was given; write for example mixed4a:3 + 0.5*mixed4a:5")
        if not all(isfinite(weight) for weight, _ in self.parts):
            raise Mistake(f"the weights of {self.short} must be finite numbers")

    def __str__(self) -> str:
        return self.written([str(unit) for _, unit in self.parts])

    def written(self, units: Sequence[str]) -> str:
        """The sum of these words, one for each unit."""
        words = ""
        for (weight, _), unit in zip(self.parts, units, strict=True):
            sign = "-" if weight < 0 else "+"
            words += f" {sign} " if words else sign.strip("+")
            words += unit if abs(weight) == 1 else f"{number(abs(weight))}*{unit}"
        return words

    @property
    def short(self) -> str:
        """For captions: without the numbers of directions."""
        return self.written([unit.short for _, unit in self.parts])

    @property
    def stem(self) -> str:
        """As a file's name: `mixed4a-476+0.5_mixed4a-55`; a long one is cut and ends in a hash."""
        words = self.written([unit.stem for _, unit in self.parts]).replace(" ", "").replace("*", "_")
        return words if len(words) <= 80 else f"{words[:71]}-{self.key:08x}"

    @property
    def key(self) -> int:
        """Its identity for random numbers: a hash of its spelling."""
        return crc32(str(self).encode())


AnyUnit = Unit | Direction | Sum
"""All that can be asked for: each has a spelling (`str`), a `short` one, a `stem` for files, a `key` for randomness."""


def stems(units: Sequence[AnyUnit]) -> list[str]:
    """Names for files, no two alike, whatever the case of their letters: units that share one are counted."""
    taken: dict[str, str] = {}
    for unit in units:
        stem = shortened(unit.stem)
        names = (f"{stem}_{i}" if i > 1 else stem for i in count(1))
        name = next(name for name in names if name.casefold() not in taken)
        taken[name.casefold()] = name
    return list(taken.values())


# ------------------------------------------------------------------------------------------------------- asking


def _parts(unit: AnyUnit) -> list[tuple[float, Unit | Direction]]:
    """The weights and units of a sum, those alike always in the same order; a unit alone is its own sum."""
    return sorted(unit.parts, key=lambda part: _kind(part[1])) if isinstance(unit, Sum) else [(1.0, unit)]


def _kind(unit: Unit | Direction) -> tuple[str, str]:
    """Units of the same layer and kind are asked for by one term."""
    if isinstance(unit, Direction):
        return unit.layer, "similarity" if unit.similarity else f"direction {unit.power}"
    if unit.index is None:
        return unit.layer, "energy"
    if unit.layer == "logits":
        return unit.layer, "score"
    if unit.position is None:
        return unit.layer, "channel"
    return unit.layer, "token" if isinstance(unit.position, int) or unit.grid else "neuron"


def signature(unit: AnyUnit) -> tuple[tuple[str, str], ...]:
    """The layers and kinds of a unit's parts: units with the same one are read together, by one term."""
    return tuple(_kind(part) for _, part in _parts(unit))


def groups(units: Sequence[AnyUnit]) -> list[list[int]]:
    """Which problems share a term: those whose units have the same signature, wherever they stand."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for i, unit in enumerate(units):
        found.setdefault(signature(unit), []).append(i)
    return list(found.values())


def unit_term(units: Sequence[AnyUnit], kind: Score = "logit") -> Term:
    """What these units say, problem i asking for units[i]; all of one signature.

    Raises:
        ValueError: of several.
    """
    if len({signature(unit) for unit in units}) != 1:
        raise ValueError("a term is made for units of one signature; put others into groups(units)")
    columns = list(zip(*map(_parts, units), strict=True))
    terms = [_plain_term([unit for _, unit in column], kind) for column in columns]
    if any(isinstance(unit, Sum) for unit in units):
        terms = [weighted([weight for weight, _ in column], term) for column, term in zip(columns, terms, strict=True)]
    total, *others = terms
    for term in others:
        total += term
    return total


def _plain_term(units: Sequence[Unit | Direction], kind: Score) -> Term:
    """Units of one layer and kind."""
    layer, asked = _kind(units[0])
    directions = [unit for unit in units if isinstance(unit, Direction)]
    if directions:
        vectors = torch.tensor([unit.vector for unit in directions], dtype=torch.float64)
        if directions[0].similarity:
            return similarity(layer, vectors)
        return direction(layer, vectors, directions[0].power)
    plain = [unit for unit in units if isinstance(unit, Unit)]
    indices = [unit.index for unit in plain if unit.index is not None]
    if asked == "energy":
        return energy(layer)
    if asked == "score":
        return score(indices, kind, [unit.position for unit in plain if not isinstance(unit.position, int)])
    cells = [(p[0], p[1]) if isinstance(p := unit.position, tuple) else p for unit in plain]
    if asked == "channel":
        return channel(layer, indices)
    if asked == "neuron":
        return neuron(layer, indices, [cell for cell in cells if not isinstance(cell, int)])
    grid = next((unit.grid for unit in plain if unit.grid), None)
    return token(layer, indices, [cell for cell in cells if cell is not None], grid)
