"""Which unit, in words.

    LAYER:5             a channel, the mean over its positions; of an attention layer, a head
    LAYER:0-63          channels 0 to 63, each for itself; LAYER:all is every one
    LAYER:5@3,4         at row 3, column 4; where a layer has tokens, at the patch of this row and column
    LAYER:5@7           at token 7; LAYER:5@class at the class token
    LAYER               the whole layer: DeepDream's energy
    logits:5@10,20,30,40  a class of a class map, or of a detector, within x, y, width, height in pixels
    logits:goldfish     a class: an index or a name, matched against every synonym in its label, case ignored
    LAYER:file=v.npy    a direction: a vector over the channels (.npy, or .safetensors with one tensor)
    LAYER:like=a.jpg    how similar the layer's code is to that of a picture, as a cosine; with numbers NAME~[1,-.5]
    LAYER:NAME=[1,-.5]  the same with its numbers; ^2 behind either is the power of the cosine
    A + 0.5*B - C       a sum of any of these that are one unit each

A sum is cut at a + or - with spaces around it, and without them where `NUMBER*` or `LAYER:` of a known layer follows.
Within the name of a class, which may hold spaces and hyphens itself, it is cut only where a number with `*`, `WORD:`
or a known layer follows: `logits:black swan - 0.3*mixed3b:12`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION, Layer
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import Region, TokenGrid
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.samples import bare_name
from phosphene.core.units.directions import SUFFIXES, Direction, read_direction
from phosphene.core.units.labels import class_index, names_class
from phosphene.core.units.network_input import feed
from phosphene.core.units.token_grids import class_token, places_of, token_grid
from phosphene.core.units.units import AnyUnit, Sum, Unit

_INDEX = r"\d{1,18}"  # Python reads no number of thousands of digits
_UNIT = re.compile(
    rf"(?:(?P<all>all)|(?P<first>{_INDEX})(?:-(?P<last>{_INDEX}))?)"
    rf"(?:@(?:(?P<row>{_INDEX}),(?P<column>{_INDEX})|(?P<token>{_INDEX})|(?P<class>class)))?"
)
_PLACED = re.compile(rf"(?P<class>.+)@(?P<place>{_INDEX},{_INDEX}(?:,{_INDEX},{_INDEX})?)")
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_POWER = rf"(?:\^(?P<power>{_NUMBER}))?"
_FILE = re.compile(rf"file=(?P<path>.+?){_POWER}")
_VECTOR = re.compile(rf"(?P<name>[\w.-]+)(?P<sign>[=~])\[(?P<numbers>[^\]]*)\]{_POWER}")
_LIKE = re.compile(r"like=(?P<path>.+)")
_WEIGHT = re.compile(rf"\s*(?P<number>{_NUMBER})\s*\*\s*")
_SIGN = re.compile(r"\s*[+-]\s*")
_WHOLE = re.compile(rf"[=~]\[[^\[\]]*\]|:file=.*?(?:{'|'.join(map(re.escape, SUFFIXES))})(?=$|[\s^+-])|:like=\S+")
"""Numbers and file names, inside of which no sum is cut."""


LONGEST = 2000
"""Letters of a unit's name, without the numbers of directions; how a sum is cut takes their square."""


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
    return isinstance(value, str) and (":file=" in value or ":like=" in value)


def _cut(network: Network, text: str) -> list[tuple[float, str]]:
    """The weights and the words of a sum."""
    kept = [match.span() for match in _WHOLE.finditer(text)]
    if len(text) - sum(end - start for start, end in kept) > LONGEST:
        raise Mistake(f"'{text}' is longer than any unit, which has at most {LONGEST} letters beside its numbers")
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
    if (match := _LIKE.fullmatch(rest)) is not None:
        return [similar(network, layer, match["path"])]
    if (match := _FILE.fullmatch(rest) or _VECTOR.fullmatch(rest)) is not None:
        return [_direction(layer, match)]
    match = _UNIT.fullmatch(rest)
    if layer.name == "logits" and not (match and "@" not in rest):
        return [_class(network, layer, rest)]
    if not match:
        raise Mistake(f"'{rest}' is not a unit of {name}; write {write}")
    first = 0 if match["all"] else int(match["first"])
    many = network.classes if layer.name == "logits" else layer.channels  # one logit is two classes
    last = many - 1 if match["all"] else int(match["last"] or match["first"])
    if first > last:
        raise Mistake(f"{name}:{first}-{last} goes backwards; write {name}:{last}-{first}")
    if last >= many:
        kind = "heads" if layer.tap.function == ATTENTION else "channels"
        raise Mistake(f"{layer.name} has {kind} 0 to {many - 1}, not {last}")
    position, grid = _place(network, layer, match)
    return [Unit(layer.name, index, position, grid) for index in range(first, last + 1)]


def _class(network: Network, layer: Layer, text: str) -> Unit:
    """A class by name or number; of a network that answers at several places, at one of them or over a region."""
    match = _PLACED.fullmatch(text)
    if match is None or names_class(network, text):
        return Unit("logits", class_index(network, text))
    if match["place"].count(",") == 3:
        return Unit("logits", class_index(network, match["class"]), region_of(network, match["place"]))
    place = tuple(map(int, match["place"].split(",")))
    if network.head.boxes:
        raise Mistake(f"{network.name} answers with boxes; write @X,Y,WIDTH,HEIGHT")
    if len(layer.shape) != 3:
        raise Mistake(f"{network.name} answers once for the whole picture, so '@{match['place']}' is not in its answer")
    rows, columns = layer.shape[1:]
    if place[0] >= rows or place[1] >= columns:
        raise Mistake(f"the answer of {network.name} has rows 0 to {rows - 1} and columns 0 to {columns - 1}")
    return Unit("logits", class_index(network, match["class"]), (place[0], place[1]))


def region_of(network: Network, text: str) -> Region:
    """A region of what a network answers at several places, spelled X,Y,WIDTH,HEIGHT in pixels of its input.

    Raises:
        Mistake: it is spelled otherwise, empty or outside of the picture, or the network answers once for all of it.
    """
    if re.fullmatch(rf"\s*{_INDEX}(\s*,\s*{_INDEX}){{3}}\s*", text) is None:
        raise Mistake(f"'{text}' is not a region; write X,Y,WIDTH,HEIGHT in pixels, such as 10,20,64,64")
    left, top, width, height = map(int, text.split(","))
    if not network.head.boxes and len(network.layers["logits"].shape) != 3:
        raise Mistake(f"{network.name} answers once for the whole picture, so there are no regions in its answer")
    rows, columns = network.size
    if not (width and height) or (network.fixed and (left >= columns or top >= rows)):
        raise Mistake(f"the region {text} is empty: {network.name} is fed {columns} x {rows} pixels")
    return left, top, width, height


def _spellings(layer: Layer, name: str) -> str:
    """How units of this layer may be written."""
    places = len(places_of(layer))
    where = {1: f" or {name}:0@TOKEN", 2: f" or {name}:0@ROW,COLUMN"}.get(places, f" or {name}:all")
    return f"{name}:0, {name}:0-{min(63, layer.channels - 1)}{where}"


def _place(network: Network, layer: Layer, match: re.Match) -> tuple[tuple[int, int] | int | None, TokenGrid | None]:
    """The position that was asked for, and the grid of tokens where it is one of its rows and columns."""
    places = places_of(layer)
    if match["row"] is None and match["token"] is None and match["class"] is None:
        return None, None
    if len(places) not in (1, 2):
        raise Mistake(f"{layer.name} has no rows and columns; leave the position out")
    if match["row"] is not None:
        at = int(match["row"]), int(match["column"])
        grid, size = token_grid(network, layer) if len(places) == 1 else (None, (places[0], places[1]))
        if at[0] >= size[0] or at[1] >= size[1]:
            of = "patches in " if grid else ""
            raise Mistake(
                f"{layer.name} has {of}rows 0 to {size[0] - 1} and columns 0 to {size[1] - 1} "
                f"at the network's own size, not {at[0]},{at[1]}"
            )
        return at, grid
    if len(places) == 2:
        raise Mistake(f"{layer.name} has no tokens but rows and columns; write @ROW,COLUMN")
    if match["class"] is not None:
        return class_token(network, layer), None
    if int(match["token"]) >= places[0]:
        raise Mistake(
            f"{layer.name} has tokens 0 to {places[0] - 1} at the network's own size, not {int(match['token'])}"
        )
    return int(match["token"]), None


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
    return Direction(layer.name, tuple(map(float, vector)), name, power, found.get("sign") == "~")


@torch.no_grad()
def similar(network: Network, layer: Layer, photo: Photo) -> Direction:
    """How similar a layer's code, its mean over positions, is to that of a photograph."""
    read = network.planned("reading").read(feed(network, photo), [layer.name])[layer.name]
    code = (read.flatten(2).mean(2) if read.dim() > 2 else read)[0].double()
    known = bare_name(photo) if isinstance(photo, (str, os.PathLike)) else ""
    name = re.sub(r"[^\w.-]", "_", known) or "picture"
    return Direction(layer.name, tuple(code.tolist()), name, similarity=True)
