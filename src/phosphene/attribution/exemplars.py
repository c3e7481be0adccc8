"""Exemplars: what excites a unit in photographs, and what of them does it, in the figures of two papers.

Girshick et al. 2014 (arXiv:1311.2524, figure 4) look at a unit by the photographs that excite it most; Zeiler & Fergus
2014 (arXiv:1311.2901, figure 2) put nine of them beside what the deconvnet retraces of each; Springenberg et al. 2015
(arXiv:1412.6806, figure 3) ten in a row, and what guided backprop retraces. All cut photographs to the unit's receptive
field, one exemplar a photograph. Achtibat et al. 2023 (arXiv:2206.03208) take those where it mattered for a class.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypedDict, Unpack, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.channel_relevance import layer_relevance
from phosphene.attribution.exemplar_pages import RELEVANCE, Block, album, nines, ten_rows
from phosphene.attribution.exemplar_search import Search
from phosphene.attribution.exemplar_words import Manner, Shown, caption, chapters, numbers, words
from phosphene.attribution.methods.lrp import folding
from phosphene.attribution.unmoved import Unmoved, unmoved
from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed, check_indexed, fitting, named_photo, threshold_of
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import RectifierRule
from phosphene.core.options import Batch, Bounds, Words
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result
from phosphene.core.units.exemplars import Band, Exemplar, Peak, Resolution, Sees, check_places, cut, cut_out
from phosphene.core.units.inputs import Fit
from phosphene.core.units.labels import class_index
from phosphene.core.units.photographs import fed
from phosphene.core.units.portraits import painted
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Unit, stems

Figure = Literal["rows", "nine", "strip"]
By = Literal["activation", "relevance"]
LIMIT = 64  # units in one figure: 30 000 px of rows
USUAL = {"rows": 10, "nine": 9, "strip": 10}  # photographs of a unit, in the papers
NEARLY = 0.1  # of a value and of the spread of all; other batches move it by a millionth
STEPS = 128  # of a synthetic picture, which is small


class Showing(TypedDict, total=False):
    """What else is shown, and of which pixels."""

    resolution: Annotated[
        Resolution, Words("cut out of the photograph's own pixels, or of those that the network is fed [default: own]")
    ]
    synthetic: Annotated[bool, Words(f"paint each unit's picture and put it before its photographs, {STEPS} steps")]
    verify: Annotated[
        bool,
        Words("change everything outside of what a unit sees and say whether its value stays, bit by bit"),
    ]


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
    band: Band = "strongest",
    by: By = "activation",
    target: str | int | None = None,
    figure: Figure = "rows",
    sees: Sees = "all",
    fit: Fit = "crop",
    batch: Batch = 16,
    **showing: Unpack[Showing],
) -> Result:
    """Show the parts of PHOTOS that excite units most, one a photograph, and what of them does it.

    A part is what the unit can see at the place that excites it most: its receptive field, grey where that leaves the
    picture; along an axis where the field is larger than the picture, and for classes, all of it. Beside it is what
    gradient, deconvnet and guided backprop trace back from that one neuron, around grey, each on its own scale.

    PHOTOS may be an index that `phosphene index` made: it knows which photographs those are, and only they are opened.

    Args:
        network: whose units.
        photos: many, or an index of them; the best of them are shown.
        units: LAYER:UNIT, a channel or a class; may be given several times.
        layers: show units of this layer without naming them: those whose best photographs stand out most, in standard
            deviations over all photographs; may be given several times.
        each: how many units of such a layer.
        count: photographs of each unit; by default 10, and always 9 for nine.
        band: the strongest; the weakest, by the smallest activation where a unit goes below zero; those nearest to the
            median; or those just above the threshold, 0, where a unit begins to answer.
        by: how much a unit is excited, or how much it contributed to a class, the target.
        target: the class for relevance, by name or number.
        figure: rows (Springenberg et al.: a column for each photograph, what it traces back to below), nine (Zeiler &
            Fergus: three by three, deconvnet beside photographs) or strip (one row of photographs a unit).
        sees: cut to all that can reach the unit, or to where most of it comes from: the square that holds 95 % of the
            gradient's squares in the median (Luo et al. 2016), which in deep layers is much smaller; or not at all,
            with a frame around what the unit sees in the whole picture.
        fit: how a photograph meets the network: crop, squash or whole; of an index as it was made.
        batch: so many photographs at a time go through the network.
    Raises:
        Mistake: neither units nor layers, too few photographs, a unit that is no channel and no class, a layer whose
            units have no place in the picture, or an index of another network or without that layer.
    """
    for name, given, known in (("figure", figure, get_args(Figure)), ("sees", sees, get_args(Sees))):
        if given not in known:
            raise Mistake(f"{name} is {', '.join(known[:-1])} or {known[-1]}, not '{given}'")
    if figure == "nine" and count not in (None, 9):
        raise Mistake(f"the figure 'nine' shows nine photographs of a unit, not {count}; leave --count out")
    check_indexed(photos, network)
    named, searched = _asked(network, units, layers, each)
    wanted = _target(network, by, target)
    search = Search(network, photos, count or USUAL[figure], band, wanted, fitting(photos, fit), batch)
    best = search.of(named, searched, each)
    rules = _rules(network, figure)
    own = [*rules, *([RELEVANCE] if wanted is not None and figure == "rows" else [])]
    how = Manner(network, figure, band, wanted, sees, showing.get("resolution") or "own", own, threshold_of(photos))
    painting = painted(network, list(best), steps=STEPS, batch=batch) if showing.get("synthetic") else None
    shown = []
    for i, (unit, peaks) in enumerate(best.items()):
        cuts = _cut(search, how, rules, unit, peaks)
        block = _block(figure, cuts, None if painting is None else painting[i][None], search.many)
        tried = unmoved(network, photos, unit, peaks, search.fit, batch) if showing.get("verify") else []
        if wanted is None:
            _check_values(photos, unit, peaks, tried)
        shown.append(Shown(unit, cuts, block, tried))
    title = f"What excites units of {network.name}, in {len(photos)} photographs"
    names = [[named_photo(photos, peak.photo) for peak in peaks] for peaks in best.values()]
    return Result(
        image=torch.cat([one.block.picture for one in shown]),
        names=stems(list(best)),
        numbers=[numbers(how, one, some) for one, some in zip(shown, names, strict=True)],
        panels=[[(caption(how, one), one.block.picture)] for one in shown],
        title=title,
        drawing=album(chapters(how, shown), title, words(how, shown), 3 if figure == "nine" else 1),
    )  # fmt: skip


def _cut(
    search: Search, how: Manner, rules: Sequence[RectifierRule], unit: Unit, peaks: Sequence[Peak]
) -> list[Exemplar]:
    """A unit's exemplars, with what is traced back, what its class owes to it too."""
    cuts = cut_out(
        search.network, search.photos, unit, peaks, rules, how.sees, search.fit, search.batch, how.resolution
    )  # fmt: skip
    if RELEVANCE not in how.rules or search.target is None:
        return cuts
    network, found = folding(search.network), list[Exemplar]()
    for indices, pictures in fed(network, [search.photos[peak.photo] for peak in peaks], search.fit, search.batch):
        _, pixels = layer_relevance(network, pictures, unit.layer, search.target, unit.index)
        assert pixels is not None
        found += [_with(cuts[i], one[None].float().cpu()) for i, one in zip(indices, pixels, strict=True)]
    return found


def _with(exemplar: Exemplar, relevance: Float[Tensor, "1 c h w"]) -> Exemplar:
    return replace(exemplar, traced={**exemplar.traced, RELEVANCE: cut(relevance, exemplar.box, 0.0)})


def _check_values(photos: Sequence[Photo], unit: Unit, peaks: Sequence[Peak], tried: Sequence[Unmoved]) -> None:
    """Raise a Mistake where a photograph of an index has another value now than it had: it is another photograph."""
    if not tried or not isinstance(photos, Indexed) or photos.source is None or photos.source.facts["draft"]:
        return  # pictures that were decoded smaller than they are may have had other values
    spread = float(photos.source.statistics(unit.layer).deviation[unit.index or 0])
    for peak, one in zip(peaks, tried, strict=True):
        if abs(one.value - peak.value) > NEARLY * (abs(peak.value) + spread):
            raise Mistake(
                f"{unit} says {one.value:.3g} about {named_photo(photos, peak.photo)}, and when it was indexed "
                f"{peak.value:.3g}: the photograph has changed; make the index again"
            )


def _block(figure: Figure, cuts: Sequence[Exemplar], synthetic: Float[Tensor, "1 3 s s"] | None, many: int) -> Block:
    if figure == "nine":
        return nines(cuts, next(iter(cuts[0].traced)), synthetic=synthetic)
    return ten_rows(cuts, synthetic=synthetic, many=many)


def _target(network: Network, by: By, target: str | int | None) -> int | None:
    """The class for which relevance counts; None where activation does.

    Raises:
        Mistake: relevance without a class, or a class without relevance.
    """
    if by == "relevance" and target is None:
        raise Mistake("relevance is for a class, and none is given; give --target CLASS")
    if by == "activation" and target is not None:
        raise Mistake(f"--target {target} is the class for relevance; give --by relevance too, or leave it out")
    return None if target is None else class_index(network, target)


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


def _rules(network: Network, figure: Figure) -> list[RectifierRule]:
    """What is traced back; without rectifiers, the gradient alone."""
    if figure == "strip":
        return []
    if not network.rectified:
        return ["gradient"]
    return ["deconvnet"] if figure == "nine" else ["gradient", "deconvnet", "guided"]
