"""One unit, several kinds of things: its facets (Nguyen, Yosinski & Clune 2016, arXiv:1602.03616).

A unit may fire for a dome outside and for the same dome inside; an ascent from noise finds one of them, or a mixture.
The photographs that excite the unit most fall into clusters; from the mean picture of each, the ascent stays with it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.index.photographs import Indexed, Some, check_indexed, fitting, named_photo
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score, Term
from phosphene.core.options import Batch, Bounds, Seed, Side
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.clusters import clustered, sklearn_cluster
from phosphene.core.units.inputs import Fit, feed, unit_words
from phosphene.core.units.photographs import fed
from phosphene.core.units.portraits import Portraits, default_side
from phosphene.core.units.presets import AnyPreset, settings
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Sum, Unit, unit_term

BESIDE = 6  # photographs of its cluster beside a facet


def _asked(network: Network, unit: str | AnyUnit, layer: str | None) -> tuple[AnyUnit, str]:
    """The unit, and the layer where photographs are compared.

    Raises:
        Mistake: several units, or no such layer.
    """
    wanted, *more = parse_units(network, unit)
    if more:
        raise Mistake(f"'{unit}' names several units; give one")
    return wanted, network.layer(layer).name if layer else compared_at(network, wanted)


def _promised(network: Network, unit: str | AnyUnit, count: int, layer: str | None) -> list[str]:
    """The names of its pictures, if there are as many as are asked for."""
    sklearn_cluster("facets")
    wanted, _ = _asked(network, unit, layer)
    return [f"{wanted.stem}-{i + 1}" for i in range(count)]


@recipe("picture", uses=("scikit-learn",), first=_promised)
def facets(
    network: Network,
    unit: str | AnyUnit,
    photos: Sequence[Photo],
    *,
    count: Annotated[int, Bounds(1, 100)] = 4,
    fraction: Annotated[float, Bounds(0, 1)] = 0.2,
    layer: str | None = None,
    preset: AnyPreset = "default",
    size: Side | None = None,
    score: Score = "logit",
    fit: Fit = "crop",
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Paint the facets of UNIT: those of PHOTOS that excite it most, in clusters, and an ascent from the mean of each.

    Unlike the paper, codes are means over positions, and clustered as they are instead of on a map in two dimensions.

    Args:
        network: the network to read.
        unit: LAYER:UNIT, logits:CLASS, a direction or a sum.
        photos: many, or an index of them.
        count: how many facets (fewer, where fewer photographs differ).
        fraction: the part of the photographs that excites the unit most, which is clustered; at least two per facet.
        layer: where photographs are compared; by default the unit's own, or the last one with rows and columns.
        preset: how pictures are made, as in visualize.
        size: side of the pictures in pixels.
        score: what is made large for a class: its logit, log p or p.
        fit: how a photograph meets the network: crop, squash or whole.
        batch: so many views at a time go through the network.
        seed: of clusters, starts and transforms.
    Raises:
        Mistake: several units, or fewer photographs than facets.
    """
    chosen = settings(preset, given)
    wanted, at = _asked(network, unit, layer)
    if len(photos) < count:
        raise Mistake(f"{len(photos)} photographs are too few for {count} facets; give more, or a smaller --count")
    check_indexed(photos, network)
    fit = fitting(photos, fit)
    term, many = unit_term([wanted], score), max(min(2 * count, len(photos)), round(fraction * len(photos)))
    photos = strongest_of(photos, wanted, many)
    excited, codes, ranks = read(network, photos, term, at, fit, batch, class_in(wanted))
    best = most_exciting(excited, many)
    clusters = [best[one] for one in clustered(codes[best], count, seed, "facets")]
    side = size or default_side(network)
    starts = torch.cat([_mean_picture(network, [photos[int(i)] for i in one], fit, side) for one in clusters])
    number = len(clusters)
    portraits = Portraits(
        network, [(list(range(number)), unit_term([wanted] * number, score))],
        [wanted.key + i * 2**32 for i in range(number)], chosen, (side, side),
        nouns=Nouns.among(given), seed=seed, start=starts, batch=batch,
    )  # fmt: skip
    stems = [f"{wanted.stem}-{i + 1}" for i in range(number)]
    called = [[named_photo(photos, int(i)) for i in one] for one in clusters]
    beside = [[feed(network, photos[int(i)], fit).float().cpu() for i in one[:BESIDE]] for one in clusters]
    words, why = unit_words(network, wanted, score), unexcited(network, excited, ranks)
    nothing = {"nothing": why} if why else {}

    def finish(step: Step) -> Result:
        shown = portraits.shown(step).float().cpu()
        reached = portraits.reached(step).tolist()
        panels, numbers = [], []
        for i, (one, names) in enumerate(zip(clusters, called, strict=True)):
            many = f"{len(one)} photograph{'s' if len(one) > 1 else ''}"
            own = [float(excited[j]) for j in one]
            panels.append(
                [(f"facet {i + 1} of {number}, of {many}: {reached[i]:.4g}", shown[i][None])]
                + [(f"{name}: {x:.4g}", picture) for name, x, picture in zip(names, own, beside[i], strict=False)]
            )
            facts: dict[str, Any] = {"unit": wanted.short, "facet": i + 1, "value": reached[i], "steps": step.index}
            facts |= nothing
            numbers.append(facts | {"photographs": [{"name": n, "value": x} for n, x in zip(names, own, strict=True)]})
        title = ": ".join(filter(None, [f"facets of the {words}, {network.name}", why]))
        return Result(image=shown, names=stems, numbers=numbers, panels=panels, title=title)

    return Run(portraits.path, total=chosen.steps, names=stems, finish=finish)


def strongest_of(photos: Sequence[Photo], unit: AnyUnit, many: int) -> Sequence[Photo]:
    """The photographs among which a unit's facets are looked for: of an index the `many` strongest.

    Raises:
        Mistake: an index knows nothing of such a unit.
    """
    if not isinstance(photos, Indexed):
        return photos
    if not isinstance(unit, Unit) or unit.index is None or unit.position is not None:
        raise Mistake(f"an index knows channels and classes, and '{unit.short}' is none; give a folder of photographs")
    return Some(photos, photos.most_exciting(unit.layer, unit.index, many))


def class_in(unit: AnyUnit) -> int | None:
    """The class that a unit is, if it is one."""
    return unit.index if isinstance(unit, Unit) and unit.layer == "logits" else None


def compared_at(network: Network, unit: AnyUnit) -> str:
    """The layer where photographs are compared for a unit: its own, or the last one with rows and columns."""
    own = network.layer(unit.parts[0][1].layer if isinstance(unit, Sum) else unit.layer)
    if len(own.shape) == 3:
        return own.name
    spatial = [one.name for one in network.layers.values() if len(one.shape) == 3 and min(one.shape[1:]) > 1]
    return spatial[-1] if spatial else own.name


@torch.no_grad()
def read(
    network: Network, photos: Sequence[Photo], term: Term, layer: str, fit: Fit = "crop", batch: int = 16,
    index: int | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n channels"], list[int]]:  # fmt: skip
    """How much each photograph excites a unit, and its code: the mean of a layer over positions, of length 1.

    Args:
        index: of a class; then also how many others are before it in each photograph.
    Raises:
        Mistake: one of these numbers is not finite.
    """
    reading, excited, codes, ranks = network.planned("reading"), [], [], []
    layers = [layer] if index is None else [layer, "logits"]
    for _, pictures in fed(network, photos, fit, batch):
        excited.append(values(reading, term, pictures, torch.zeros(len(pictures), dtype=torch.long)).cpu())
        said = reading.read(pictures, layers)
        y = said[layer].cpu().double()
        if index is not None:
            scores = network.head.scores(network.head.flat(said["logits"]).cpu().double(), "logit")
            ranks += (scores > scores[:, [index]]).sum(1).tolist()
        codes.append(y.flatten(2).mean(2) if y.dim() > 2 else y)
    found, code = torch.cat(excited).double(), torch.cat(codes)
    if not (found.isfinite().all() and code.isfinite().all()):
        raise Mistake(f"{network.name} answers with values that are not finite; its weights may be damaged")
    return found, torch.nn.functional.normalize(code, dim=1), ranks


def unexcited(network: Network, excited: Float[Tensor, " n"], ranks: Sequence[int]) -> str:
    """Why no photograph can be said to excite a unit, if so; then its facets are those of something else.

    A class is to be among the five best of a photograph, or of a twentieth of the classes where that is fewer; another
    unit is to be above zero, and not the same in all of them.

    Args:
        ranks: of a class, how many others are before it in each photograph.
    """
    best = max(1, min(5, network.classes // 20))
    if ranks and min(ranks) >= best:
        among = f"among the {best} best classes" if best > 1 else "the best class"
        return f"no photograph shows it, as it is {among} of none"
    if not ranks and not excited.max() > 0:
        return f"no photograph excites it, as it is {excited.max():.3g} at most"
    if len(excited) > 1 and not excited.max() > excited.min():
        return "all photographs excite it alike"
    return ""


def most_exciting(excited: Float[Tensor, " n"], many: int) -> Int[Tensor, " many"]:
    """The indices of the largest, largest first."""
    return excited.argsort(descending=True, stable=True)[:many]


def _mean_picture(network: Network, photos: Sequence[Photo], fit: Fit, side: int) -> Float[Tensor, "1 3 side side"]:
    """The mean of photographs as the network takes them, each at `side` px."""
    total = torch.zeros(1, 3, side, side, dtype=torch.float64)
    for photo in photos:
        total += resize(feed(network, photo, fit).cpu().double(), (side, side))
    return (total / len(photos)).float()
