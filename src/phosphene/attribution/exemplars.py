"""Exemplars: what excites a unit in photographs, and what of them does it, in the figures of two papers.

Zeiler & Fergus 2014 (arXiv:1311.2901, figure 2): nine of them beside what the deconvnet retraces of each. Springenberg
et al. 2015 (arXiv:1412.6806, figure 3): ten in a row, and what guided backprop retraces. Both cut photographs
to the unit's receptive field, one exemplar a photograph.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import torch

from phosphene.attribution.exemplar_pages import Block, album, nines, ten_rows
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.options import Batch, Bounds
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result
from phosphene.core.units.exemplars import (
    MOST,
    Exemplar,
    Peaks,
    Sees,
    check_places,
    cut_out,
    distinctive,
    peaks,
    strongest,
)
from phosphene.core.units.inputs import Fit, unit_words
from phosphene.core.units.photographs import photo_name
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Unit, stems

Figure = Literal["rows", "nine"]
LIMIT = 64  # units in one figure: 30 000 px of rows
USUAL = {"rows": 10, "nine": 9}  # photographs of a unit, in the papers


def _promised(
    network: Network, units: str | AnyUnit | Sequence[str | AnyUnit], layers: str | Sequence[str], each: int
) -> list[str]:
    """The names of its pictures; those of units that are still to be found stand for one each."""
    named, searched = _asked(network, units, layers, each)
    for layer in dict.fromkeys([unit.layer for unit in named] + searched):
        check_places(network, layer)
    found = [f"{Unit(layer, None).stem}-found{i + 1}" for layer in searched for i in range(each)]
    return stems(list(dict.fromkeys(named))) + found


@recipe("reading", first=_promised)
def exemplars(
    network: Network,
    photos: Sequence[Photo],
    *,
    units: str | AnyUnit | Sequence[str | AnyUnit] = (),
    layers: str | Sequence[str] = (),
    each: Annotated[int, Bounds(1, LIMIT)] = 3,
    count: Annotated[int | None, Bounds(1, 100)] = None,
    figure: Figure = "rows",
    sees: Sees = "all",
    fit: Fit = "crop",
    batch: Batch = 16,
) -> Result:
    """Show the parts of PHOTOS that excite units most, one a photograph, and what of them does it.

    A part is what the unit can see at the place that excites it most: its receptive field, grey where that leaves the
    picture; along an axis where the field is larger than the picture, and for classes, all of it. Beside it is what
    gradient, deconvnet and guided backprop trace back from that one neuron, around grey, each on its own scale.

    Args:
        network: whose units.
        photos: many; the best of them are shown.
        units: LAYER:UNIT, a channel or a class; may be given several times.
        layers: show units of this layer without naming them: those whose best photographs stand out most, in standard
            deviations over all photographs; may be given several times.
        each: how many units of such a layer.
        count: photographs of each unit; by default 10, and always 9 for nine.
        figure: rows (Springenberg et al.: a column for each photograph, what it traces back to below) or nine (Zeiler &
            Fergus: three by three, deconvnet beside photographs).
        sees: cut to all that can reach the unit, or to where most of it comes from: the square that holds 95 % of the
            gradient's squares in the median (Luo et al. 2016), which in deep layers is much smaller.
        fit: how a photograph meets the network: crop, squash or whole.
        batch: so many photographs at a time go through the network.
    Raises:
        Mistake: neither units nor layers, too few photographs, a unit that is no channel and no class, or a layer whose
            units have no place in the picture.
    """
    for name, given, known in (("figure", figure, get_args(Figure)), ("sees", sees, get_args(Sees))):
        if given not in known:
            raise Mistake(f"{name} is {' or '.join(known)}, not '{given}'")
    if figure == "nine" and count not in (None, 9):
        raise Mistake(f"the figure 'nine' shows nine photographs of a unit, not {count}; leave --count out")
    many = count or USUAL[figure]
    if len(photos) < many:
        raise Mistake(f"{len(photos)} photographs are too few to show the best {many} of each unit; give more of them")
    named, searched = _asked(network, units, layers, each)
    found = peaks(network, photos, list(dict.fromkeys([unit.layer for unit in named] + searched)), fit, batch)
    picked = [unit for name in searched for unit in _distinctive(name, found[name], many, each)]
    asked, rules = list(dict.fromkeys([*named, *picked])), _rules(network, figure)
    best = {unit: strongest(found[unit.layer], unit.index or 0, many) for unit in asked}
    cuts = [cut_out(network, photos, unit, best[unit], rules, sees, fit, batch) for unit in asked]
    blocks = [nines(cut, rules[0]) if figure == "nine" else ten_rows(cut) for cut in cuts]
    chapters = _chapters(network, asked, cuts, blocks, figure, sees)
    title = f"What excites units of {network.name}, in {len(photos)} photographs"
    names = [photo_name(photo) or f"photograph {i + 1}" for i, photo in enumerate(photos)]
    return Result(
        image=torch.cat([block.picture for block in blocks]),
        names=stems(asked),
        numbers=[_numbers(unit, cut, names) for unit, cut in zip(asked, cuts, strict=True)],
        panels=[[(_caption(network, u, c), b.picture)] for u, c, b in zip(asked, cuts, blocks, strict=True)],
        title=title,
        drawing=album(chapters, title, _words(network, asked, figure, sees, rules), 3 if figure == "nine" else 1),
    )  # fmt: skip


def _asked(
    network: Network, units: str | AnyUnit | Sequence[str | AnyUnit], layers: str | Sequence[str], each: int
) -> tuple[list[Unit], list[str]]:
    """The units that are named, and the layers that are to be searched for some.

    Raises:
        Mistake: neither, or more than a figure can show.
    """
    named = [_single(unit) for unit in parse_units(network, units)] if units else []
    names = [layers] if isinstance(layers, str) else layers
    searched = list(dict.fromkeys(network.layer(name).name for name in names))
    total = len(named) + each * len(searched)
    if not total:
        raise Mistake("no unit was given; give --unit LAYER:UNIT, or --layer LAYER to have some picked")
    if total > LIMIT:
        raise Mistake(f"{total} units are too many for one figure, which shows {LIMIT} at most")
    return named, searched


def _single(unit: AnyUnit) -> Unit:
    """A channel or a class.

    Raises:
        Mistake: it is something else, or has a position already.
    """
    if not isinstance(unit, Unit) or unit.index is None:
        raise Mistake(f"'{unit.short}' is not a single channel or class, such as mixed4a:3")
    if unit.position is not None:
        raise Mistake(
            f"'{unit}' has a position, but exemplars are looked for everywhere; write {unit.layer}:{unit.index}"
        )
    return unit


def _distinctive(layer: str, found: Peaks, count: int, many: int) -> list[Unit]:
    """The units whose best photographs stand out most.

    Raises:
        Mistake: none do.
    """
    distinct = distinctive(found, count)
    order = distinct.argsort(descending=True, stable=True)[:many]
    units = [Unit(layer, int(i)) for i in order if distinct[i] > 0]
    if not units:
        raise Mistake(f"all units of {layer} say the same about all of these photographs; name some with --unit")
    return units


def _rules(network: Network, figure: Figure) -> list[Rule]:
    """What is traced back; without rectifiers, the gradient alone."""
    if not network.rectified:
        return ["gradient"]
    return ["deconvnet"] if figure == "nine" else ["gradient", "deconvnet", "guided"]


# --------------------------------------------------------------------------------------------------------- words


def _called(network: Network, unit: Unit) -> str:
    return unit_words(network, unit).removeprefix("unit ")


def _caption(network: Network, unit: Unit, cut: Sequence[Exemplar]) -> str:
    return f"{_called(network, unit)}, {cut[0].peak.short} to {cut[-1].peak.short}"


def _sight(cut: Sequence[Exemplar], sees: Sees) -> str:
    """How much a unit sees."""
    _, _, width, height = cut[0].frame
    most = "mostly " if sees == "most" else ""
    return "sees the whole picture" if cut[0].whole else f"sees {most}{height} x {width} px"


def _chapters(
    network: Network,
    units: Sequence[Unit],
    cuts: Sequence[Sequence[Exemplar]],
    blocks: Sequence[Block],
    figure: Figure,
    sees: Sees,
) -> list[tuple[str, list[tuple[str, Block]]]]:
    """A chapter for each unit, or for the nine exemplars of several units one for each layer."""
    found: dict[str, list[tuple[str, Block]]] = {}
    for unit, cut, block in zip(units, cuts, blocks, strict=True):
        sight = _sight(cut, sees)
        head = unit.layer if figure == "nine" else f"{_called(network, unit)}, which {sight}"
        found.setdefault(head, []).append((f"{_caption(network, unit, cut)}; {sight}", block))
    return list(found.items())


def _words(network: Network, units: Sequence[Unit], figure: Figure, sees: Sees, rules: Sequence[Rule]) -> list[str]:
    """What is to be said below the figure."""
    part = f"where {MOST:.0%} of its gradient lies" if sees == "most" else "what the unit sees"
    lines = [f"Photographs are cut to {part}, at the place that excites it most; the numbers say how much."]
    if not network.rectified:
        lines.append(
            f"{network.name} has no rectifiers (ReLU and its kin) that deconvnet and guided backprop could act on, so "
            "the gradient is all there is to trace back."
        )
    elif plain := list(dict.fromkeys(unit.layer for unit in units if not network.rectified_before(unit.layer))):
        lines.append(f"No rectifier runs before {', '.join(plain)}: there deconvnet and guided are the gradient.")
    traced = "what the deconvnet retraces" if rules == ["deconvnet"] else "what is traced back"
    where = "Left" if figure == "nine" else "Below"
    lines.append(f"{where} {traced} from that one neuron: grey is zero, and each is on its own scale.")
    return lines


def _numbers(unit: Unit, cut: Sequence[Exemplar], names: Sequence[str]) -> dict[str, Any]:
    """Which photographs, how much, where; boxes are in pixels of the network's input, and may leave it."""
    return {
        "unit": unit.short,
        "photographs": [
            {
                "name": names[one.peak.photo],
                "value": one.peak.value,
                "position": list(one.peak.position) if isinstance(one.peak.position, tuple) else one.peak.position,
                "box": dict(zip(("left", "top", "width", "height"), one.frame, strict=True)),
            }
            for one in cut
        ],
    }
