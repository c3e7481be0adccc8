"""Which unit, in words: `LAYER:UNIT`, `LAYER:0-63`, `LAYER:UNIT@ROW,COLUMN`, `logits:CLASS`.

A class is an index or a name, matched against every synonym in its label, case ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.network import Network
from phosphene.core.terms import Score, Term, channel, neuron, score

_UNIT = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?(?:@(?P<row>\d+),(?P<column>\d+))?")


@dataclass(frozen=True)
class Unit:
    """One channel of a layer, at one position or everywhere.

    Attributes:
        layer: its layer's name.
        index: the channel, or the class.
        position: (row, column), or None for all of them.
    """

    layer: str
    index: int
    position: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.layer}:{self.index}" + (f"@{self.position[0]},{self.position[1]}" if self.position else "")

    @property
    def stem(self) -> str:
        """As a file's name: `mixed4a-476`."""
        place = f"@{self.position[0]},{self.position[1]}" if self.position else ""
        return re.sub(r"[^\w.@,-]", "_", self.layer) + f"-{self.index}{place}"


def label(network: Network, index: int) -> str:
    """The first name of a class, or its number."""
    return network.labels[index].split(",")[0] if network.labels and index < len(network.labels) else f"class {index}"


def class_index(network: Network, name: str | int) -> int:
    """The class of this number or name.

    Raises:
        Mistake: there is none (the nearest are told), or several classes share the name (all are told).
    """
    text = str(name).strip()
    if text.isdecimal():
        if int(text) < network.classes:
            return int(text)
        raise Mistake(f"{network.name} has classes 0 to {network.classes - 1}, not {text}")
    labels = [[part.strip().casefold() for part in full.split(",")] for full in network.labels or ()]
    if not labels:
        raise Mistake(f"{network.name} has no names for its classes, so '{text}' means nothing to it; give a number")
    wanted = text.casefold()
    exact = [i for i, full in enumerate(network.labels or ()) if full.casefold() == wanted]
    hits = exact if len(exact) == 1 else [i for i, parts in enumerate(labels) if wanted in parts]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Mistake(
            f"'{text}' is the name of {len(hits)} classes of {network.name}: "
            + ", ".join(f"{i} ({full})" for i, full in enumerate(network.labels or ()) if i in hits)
            + "; give the number"
        )
    every = [part.strip() for full in network.labels or () for part in full.split(",")]
    raise Mistake(
        f"no class '{text}'{did_you_mean(text, every)} ({network.classes} in all, 0 to {network.classes - 1})"
    )


def parse_unit(network: Network, text: str) -> list[Unit]:
    """The units that one word stands for: `mixed4a:476`, `mixed4a:0-63`, `mixed4a:476@3,4`, `logits:goldfish`.

    Raises:
        Mistake: an unknown layer or class, a channel or position out of range, or another spelling.
    """
    name, colon, rest = text.partition(":")
    layer = network.layer(name)
    if not colon or not rest:
        raise Mistake(f"'{text}' names no unit; write {name}:0, {name}:0-63 or {name}:0@ROW,COLUMN")
    match = _UNIT.fullmatch(rest)
    if layer.name == "logits" and not (match and match["row"] is None):
        return [Unit("logits", class_index(network, rest))]
    if not match:
        raise Mistake(f"'{rest}' is no unit of {name}; write {name}:0, {name}:0-63 or {name}:0@ROW,COLUMN")
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if first > last:
        raise Mistake(f"{name}:{first}-{last} goes backwards; write {name}:{last}-{first}")
    if last >= layer.channels:
        raise Mistake(f"{layer.name} has channels 0 to {layer.channels - 1}, not {last}")
    position = None
    if match["row"] is not None:
        position = int(match["row"]), int(match["column"])
        places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
        if len(places) != 2:
            raise Mistake(f"{layer.name} has no rows and columns; leave the position out")
        if position[0] >= places[0] or position[1] >= places[1]:
            raise Mistake(
                f"{layer.name} has rows 0 to {places[0] - 1} and columns 0 to {places[1] - 1} "
                f"at the network's own size, not {position[0]},{position[1]}"
            )
    return [Unit(layer.name, index, position) for index in range(first, last + 1)]


def parse_units(network: Network, texts: str | Sequence[str]) -> list[Unit]:
    """The units that these words stand for, each once, all of the same layer or of several."""
    units = [unit for text in ([texts] if isinstance(texts, str) else texts) for unit in parse_unit(network, text)]
    if not units:
        raise Mistake("no unit was given; write LAYER:UNIT, for example logits:0")
    return list(dict.fromkeys(units))


def unit_term(units: Sequence[Unit], kind: Score = "logit") -> Term:
    """What these units say, problem i asking for units[i]; all of one layer."""
    layer, indices = units[0].layer, [unit.index for unit in units]
    if layer == "logits":
        return score(indices, kind)
    if any(unit.position for unit in units):
        return neuron(layer, indices, [unit.position for unit in units])
    return channel(layer, indices)
