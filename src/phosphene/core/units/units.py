"""Which unit, in words.

    LAYER:5             a channel, the mean over its positions; of an attention layer, a head
    LAYER:0-63          channels 0 to 63, each for itself; LAYER:all is every one
    LAYER:5@3,4         at row 3, column 4; where a layer has tokens, at the patch of this row and column
    LAYER:5@7           at token 7; LAYER:5@class at the class token
    LAYER               the whole layer: DeepDream's energy
    logits:goldfish     a class: an index or a name, matched against every synonym in its label, case ignored
    LAYER:file=v.npy    a direction: a vector over the channels (.npy, or .safetensors with one tensor)
    LAYER:NAME=[1,-.5]  the same with its numbers; ^2 behind either is the power of the cosine
    A + 0.5*B - C       a sum of any of these that are one unit each

A sum is cut at a + or - with spaces around it, and without them where `NUMBER*` or `LAYER:` of a known layer follows.
Within the name of a class, which may hold spaces and hyphens itself, it is cut only where a number with `*`, `WORD:`
or a known layer follows: `logits:black swan - 0.3*mixed3b:12`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any
from zlib import crc32

import torch

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.layers import ATTENTION, Layer
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import (
    Patches,
    Score,
    Term,
    channel,
    direction,
    energy,
    neuron,
    score,
    token,
    weighted,
)
from phosphene.core.units.directions import SUFFIXES, Direction, number, read_direction

_UNIT = re.compile(
    r"(?:(?P<all>all)|(?P<first>\d+)(?:-(?P<last>\d+))?)"
    r"(?:@(?:(?P<row>\d+),(?P<column>\d+)|(?P<token>\d+)|(?P<class>class)))?"
)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POWER = rf"(?:\^(?P<power>{_NUMBER}))?"
_FILE = re.compile(rf"file=(?P<path>.+?){_POWER}")
_VECTOR = re.compile(rf"(?P<name>[\w.-]+)=\[(?P<numbers>[^\]]*)\]{_POWER}")
_WEIGHT = re.compile(rf"\s*(?P<number>{_NUMBER})\s*\*\s*")
_SIGN = re.compile(r"\s*[+-]\s*")
_WHOLE = re.compile(rf"=\[[^\]]*\]|:file=.*?(?:{'|'.join(map(re.escape, SUFFIXES))})(?=$|[\s^+-])")
"""Numbers and file names, inside of which no sum is cut."""


@dataclass(frozen=True)
class Unit:
    """One channel of a layer, at one position or everywhere; or the whole layer.

    Attributes:
        layer: its layer's name.
        index: the channel, the class, or the attention head; None for the whole layer.
        position: (row, column), or a token, or None for all of them.
        patches: where rows and columns are among tokens, if the layer has those.
    """

    layer: str
    index: int | None
    position: tuple[int, int] | int | None = None
    patches: Patches | None = None

    def __str__(self) -> str:
        return self.layer if self.index is None else f"{self.layer}:{self.index}{self._place}"

    @property
    def _place(self) -> str:
        at = self.position
        return "" if at is None else f"@{at}" if isinstance(at, int) else f"@{at[0]},{at[1]}"

    @property
    def short(self) -> str:
        """For captions: its spelling."""
        return str(self)

    @property
    def stem(self) -> str:
        """As a file's name: `mixed4a-476`."""
        layer = re.sub(r"[^\w.@,-]", "_", self.layer)
        return layer if self.index is None else f"{layer}-{self.index}{self._place}"

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


# ---------------------------------------------------------------------------------------------------- spelling


def parse_unit(network: Network, text: str) -> list[AnyUnit]:
    """The units that one word stands for, spelled as described above.

    Raises:
        Mistake: an unknown layer or class, a channel or position out of range, a file that is no direction of this
            layer, or another spelling.
    """
    parts = _cut(network, text)
    if len(parts) == 1 and parts[0][0] == 1:
        return list(_named(network, parts[0][1]))
    terms = []
    for weight, word in parts:
        (unit, *more) = _named(network, word)
        if more:
            raise Mistake(f"'{word}' names {len(more) + 1} units; a part of a sum is one, for example {unit}")
        terms.append((weight, unit))
    return [Sum(tuple(terms))]


def parse_units(network: Network, asked: str | AnyUnit | Sequence[str | AnyUnit]) -> list[AnyUnit]:
    """The units that are asked for, in words or as they are, each once, of one layer or of several."""
    words = [asked] if isinstance(asked, str | AnyUnit) else asked
    units = [unit for word in words for unit in parse_unit(network, str(word))]
    if not units:
        raise Mistake("no unit was given; write LAYER:UNIT, for example logits:0")
    return list(dict.fromkeys(units))


def names_class(network: Network, text: str) -> bool:
    """Whether this is the number or the name of one class."""
    try:
        class_index(network, text)
    except Mistake:
        return False
    return True


def names_layer(network: Network, text: str) -> bool:
    """Whether this is the name of a layer, one of the names of a shared module included."""
    try:
        network.layer(text)
    except Mistake:
        return False
    return True


def spells_layers(network: Network, text: str) -> bool:
    """Whether a word without any `:` is a whole layer or a sum of them, rather than a class."""
    if names_class(network, text):
        return False
    words = [word for _, word in _cut(network, text)]
    return all(not word.isdecimal() and names_layer(network, word) for word in words)  # -1 is no layer minus


def stems(units: Sequence[AnyUnit]) -> list[str]:
    """Names for files, no two alike, whatever the case of their letters: units that share one are counted."""
    taken: dict[str, str] = {}
    for unit in units:
        names = (f"{unit.stem}_{i}" if i > 1 else unit.stem for i in count(1))
        name = next(name for name in names if name.casefold() not in taken)
        taken[name.casefold()] = name
    return list(taken.values())


def self_contained(network: Network, value: Any) -> Any:
    """An argument of a recipe as its record keeps it: units in words, directions with their numbers, not their file."""
    if isinstance(value, AnyUnit):
        return str(value)
    if isinstance(value, str) and names_file(value):
        return str(parse_unit(network, value)[0])
    return [self_contained(network, item) for item in value] if isinstance(value, (list, tuple)) else value


def names_file(value: Any) -> bool:
    """Whether reading these words, or any in this list, would open a file."""
    if isinstance(value, (list, tuple)):
        return any(map(names_file, value))
    return isinstance(value, str) and ":file=" in value


def _cut(network: Network, text: str) -> list[tuple[float, str]]:
    """The weights and the words of a sum."""
    kept = [match.span() for match in _WHOLE.finditer(text)]
    sign, at = 1.0, 0
    if (match := _SIGN.match(text)) is not None:
        sign, at = -1.0 if "-" in match[0] else 1.0, match.end()
    parts = []
    while True:
        weight, start = sign, at
        if (match := _WEIGHT.match(text, at)) is not None:
            weight, start = sign * float(match["number"]), match.end()
        if not isfinite(weight):
            raise Mistake(f"the weight in '{text[at:].strip()}' is too large")
        end = next((m for m in _signs(text, start, kept) if _cuts(network, text, start, m)), None)
        parts.append((weight, text[start : end.start() if end else None].strip()))
        if end is None:
            return parts
        sign, at = -1.0 if "-" in end[0] else 1.0, end.end()


def _signs(text: str, start: int, kept: Iterable[tuple[int, int]]) -> Iterator[re.Match]:
    signs = _SIGN.finditer(text, start)
    return (m for m in signs if m.start() > start and not any(a <= m.start() < b for a, b in kept))


def _cuts(network: Network, text: str, start: int, sign: re.Match) -> bool:
    """Whether a sum is cut at this sign, whose part begins at `start`."""
    rest = text[sign.end() :]
    spaced = sign[0][0].isspace() and sign[0][-1].isspace()
    if _WEIGHT.match(rest) or (":" in rest and names_layer(network, rest.partition(":")[0])):
        return True
    if not spaced:
        return False
    in_class = text.startswith("logits:", start) and not _UNIT.fullmatch(text[start + 7 : sign.start()])
    following = re.split(r"\s[+-]\s", rest)[0].strip()
    return not in_class or bool(re.match(r"[^\s:*+-]+:", rest)) or names_layer(network, following)


def _named(network: Network, text: str) -> Iterable[Unit | Direction]:
    """The units of one part of a sum."""
    name, colon, rest = text.partition(":")
    if not colon and not names_layer(network, name) and names_class(network, name):
        raise Mistake(f"no layer '{name}'; for the class write logits:{name}")
    layer = network.layer(name)
    if not colon:
        return [Unit(layer.name, None)]
    write = _spellings(layer, name)
    if not rest:
        raise Mistake(f"'{text}' names no unit; write {write}, or {name} for the whole layer")
    if (match := _FILE.fullmatch(rest) or _VECTOR.fullmatch(rest)) is not None:
        return [_direction(layer, match)]
    match = _UNIT.fullmatch(rest)
    if layer.name == "logits" and not (match and "@" not in rest):
        return [Unit("logits", class_index(network, rest))]
    if not match:
        raise Mistake(f"'{rest}' is no unit of {name}; write {write}")
    first = 0 if match["all"] else int(match["first"])
    last = layer.channels - 1 if match["all"] else int(match["last"] or match["first"])
    if first > last:
        raise Mistake(f"{name}:{first}-{last} goes backwards; write {name}:{last}-{first}")
    if last >= layer.channels:
        kind = "heads" if layer.tap.function == ATTENTION else "channels"
        raise Mistake(f"{layer.name} has {kind} 0 to {layer.channels - 1}, not {last}")
    position, patches = _place(network, layer, match)
    return [Unit(layer.name, index, position, patches) for index in range(first, last + 1)]


def _spellings(layer: Layer, name: str) -> str:
    """How units of this layer may be written."""
    places = len(_places(layer))
    where = {1: f" or {name}:0@TOKEN", 2: f" or {name}:0@ROW,COLUMN"}.get(places, f" or {name}:all")
    return f"{name}:0, {name}:0-{min(63, layer.channels - 1)}{where}"


def _places(layer: Layer) -> list[int]:
    """The sizes of a layer's positions: (rows, columns), (tokens), or none."""
    places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
    return places[:1] if layer.tap.function == ATTENTION else places


def _place(network: Network, layer: Layer, match: re.Match) -> tuple[tuple[int, int] | int | None, Patches | None]:
    """The position that was asked for, and where patches are where it is one of those."""
    places = _places(layer)
    if match["row"] is None and match["token"] is None and match["class"] is None:
        return None, None
    if len(places) not in (1, 2):
        raise Mistake(f"{layer.name} has no rows and columns; leave the position out")
    if match["row"] is not None:
        at = int(match["row"]), int(match["column"])
        patches, size = patch_grid(network, layer) if len(places) == 1 else (None, (places[0], places[1]))
        if at[0] >= size[0] or at[1] >= size[1]:
            of = "patches in " if patches else ""
            raise Mistake(
                f"{layer.name} has {of}rows 0 to {size[0] - 1} and columns 0 to {size[1] - 1} "
                f"at the network's own size, not {at[0]},{at[1]}"
            )
        return at, patches
    if len(places) == 2:
        raise Mistake(f"{layer.name} has no tokens but rows and columns; write @ROW,COLUMN")
    if match["class"] is not None:
        if (prefix := patch_grid(network, layer)[0].prefix) != 1:
            raise Mistake(
                f"{layer.name} has {places[0]} tokens, {prefix} of them no patches, so it "
                f"can't be told which is the class's; write @TOKEN, for example @0"
            )
        return 0, None
    if int(match["token"]) >= places[0]:
        raise Mistake(
            f"{layer.name} has tokens 0 to {places[0] - 1} at the network's own size, not {int(match['token'])}"
        )
    return int(match["token"]), None


def patch_grid(network: Network, layer: Layer) -> tuple[Patches, tuple[int, int]]:
    """Where patches are among a layer's tokens, and their (rows, columns) at the network's own size.

    Raises:
        Mistake: they are no grid.
    """
    (tokens,) = _places(layer)
    names = list(network.layers)
    before = [network.layers[name] for name in names[: names.index(layer.name)]]
    cut = [(x.shape[1], x.shape[2]) for x in before if x.kind == "Conv2d" and len(x.shape) == 3]
    found = largest_grid(tokens, cut, network.size)
    if found is None:
        raise Mistake(f"the {tokens} tokens of {layer.name} are no grid of patches; write @TOKEN")
    rows, columns = found
    return Patches(tokens - rows * columns, columns if network.fixed else None), (rows, columns)


def largest_grid(tokens: int, cut: Sequence[tuple[int, int]], size: tuple[int, int]) -> tuple[int, int] | None:
    """The (rows, columns) of the patches among so many tokens, which other tokens come before; None if there are none.

    They are as many as the largest convolution before them has positions, as that cuts the picture into them; without
    one, the largest grid with the picture's proportions.

    Args:
        cut: (rows, columns) of the convolutions.
        size: (height, width) of the picture.
    """
    height, width = size
    alike = [(n, n * width // height) for n in range(1, tokens + 1) if n * width % height == 0]
    for grids in (cut, alike):
        fitting = [(rows, columns) for rows, columns in grids if 1 < rows * columns <= tokens]
        if fitting:
            return max(fitting, key=lambda grid: grid[0] * grid[1])
    return None


def _direction(layer: Layer, match: re.Match) -> Direction:
    found = match.groupdict()
    power = float(found["power"] or 1)
    if "path" in found:
        vector, where = read_direction(found["path"]).tolist(), Path(found["path"]).name
        name = re.sub(r"[^\w.-]", "_", Path(found["path"]).stem)
        name = "direction" if name == "file" else name
    else:
        where = name = found["name"]
        try:
            vector = [float(word) for word in found["numbers"].split(",")]
        except ValueError as error:
            raise Mistake(f"[{found['numbers'][:40]}] are no numbers; write them like [0.5,-1,2e-3]") from error
    if len(vector) != layer.channels:
        raise Mistake(f"{layer.name} has {layer.channels} channels, the vector in {where} has {len(vector)} numbers")
    return Direction.of(layer.name, vector, name, power)


# ------------------------------------------------------------------------------------------------------- asking


def _parts(unit: AnyUnit) -> list[tuple[float, Unit | Direction]]:
    """The weights and units of a sum, those alike always in the same order; a unit alone is its own sum."""
    return sorted(unit.parts, key=lambda part: _kind(part[1])) if isinstance(unit, Sum) else [(1.0, unit)]


def _kind(unit: Unit | Direction) -> tuple[str, str]:
    """Units of the same layer and kind are asked for by one term."""
    if isinstance(unit, Direction):
        return unit.layer, f"direction {unit.power}"
    if unit.index is None:
        return unit.layer, "energy"
    if unit.layer == "logits":
        return unit.layer, "score"
    if unit.position is None:
        return unit.layer, "channel"
    return unit.layer, "token" if isinstance(unit.position, int) or unit.patches else "neuron"


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
        return direction(layer, vectors, directions[0].power)
    plain = [unit for unit in units if isinstance(unit, Unit)]
    indices = [unit.index for unit in plain if unit.index is not None]
    if asked == "energy":
        return energy(layer)
    if asked == "score":
        return score(indices, kind)
    if asked == "channel":
        return channel(layer, indices)
    if asked == "neuron":
        return neuron(layer, indices, [unit.position for unit in plain if not isinstance(unit.position, int)])
    patches = next((unit.patches for unit in plain if unit.patches), None)
    return token(layer, indices, [unit.position for unit in plain if unit.position is not None], patches)
