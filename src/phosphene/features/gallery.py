"""The figures of the papers on one's own network: their classes and units, the paper's way and today's side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, zip_longest
from typing import Literal, Unpack
from zlib import crc32

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.index.photographs import Indexed, check_indexed, fitting, named_photo
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Batch, Seed, Side
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.default_layers import spread, stages
from phosphene.core.units.exemplars import cut_out, peaks, strongest
from phosphene.core.units.labels import class_index, label
from phosphene.core.units.portraits import Portraits, default_side
from phosphene.core.units.presets import Preset, settings
from phosphene.core.units.units import Unit
from phosphene.features.visualize import parts_of

Only = Literal["paper", "ours"]
Row = tuple[str, list[Unit]]
"""A heading and the units below it."""

AUTHORS: dict[str, str] = {
    "simonyan": "Simonyan et al. 2014, figure 1",
    "yosinski": "Yosinski et al. 2015, figure 4",
    "olah": "Olah et al. 2017, from edges to objects",
}
PRESET_OF: dict[str, Preset] = {"simonyan": "simonyan", "yosinski": "yosinski-c", "olah": "lucid"}

CLASSES: dict[str, tuple[tuple[str, ...], ...]] = {
    "simonyan": (
        ("dumbbell", "cup", "dalmatian", "bell pepper"), ("lemon", "husky", "washing machine", "computer keyboard"),
        ("kit fox", "goose", "ostrich", "limousine"),
    ),
    "yosinski": (
        ("flamingo", "pelican", "hartebeest", "billiard table"),
        ("ground beetle", "Indian cobra", "station wagon", "black swan"),
        ("pirate ship", "rocking chair", "teddy bear", "Windsor tie", "pitcher"),
    ),
    "olah": (),
}  # fmt: skip

KNOWN: dict[str, tuple[str, ...]] = {
    "edges": ("conv2d0",),
    "textures": ("mixed3a",),
    "curves": ("mixed3b:379", "mixed3b:406", "mixed3b:385", "mixed3b:343", "mixed3b:342", "mixed3b:388"),
    "patterns": ("mixed4a:476", "mixed4a:460", "mixed4a:492", "mixed4a"),
    "parts": ("mixed4b:237", "mixed4b:373", "mixed4b:491", "mixed4c:447", "mixed4c"),
    "objects": ("mixed4d", "mixed4e"),
}
"""Units of Inception that papers talk about (lucid's tutorials; Cammarata et al. 2020, doi:10.23915/distill.00024,
.006); a layer alone is filled up with units drawn evenly. Only for networks with lucid's names and numbers."""

CHANNELS = {"conv2d0": 64, "mixed3a": 256, "mixed3b": 480, "mixed4a": 508, "mixed4b": 512, "mixed4c": 512}
"""How many channels these layers have in that network: another with the same names is another network."""


@recipe("picture")
def gallery(
    network: Network,
    paper: str,
    *,
    photos: Sequence[Photo] | None = None,
    only: Only | None = None,
    preset: Preset | None = None,
    size: Side | None = None,
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Show the classes and units of a PAPER's figure (simonyan, yosinski, olah), its way and ours side by side.

    Args:
        network: whose classes and units; those that it does not have are left out.
        paper: simonyan (12 classes), yosinski (13 classes, rows of units), olah (units from edges to objects).
        photos: photographs, or an index of them: the part that excites a unit most is put beside its pictures.
        only: paper or ours; by default both.
        preset: instead of the paper's own: for yosinski one of the three others, for example yosinski-a.
        size: side of the pictures in pixels.
        batch: so many views at a time go through the network.
        seed: of the start, of the transforms, and of the units that are drawn.
    """
    if paper not in AUTHORS:
        raise Mistake(f"no paper '{paper}'{did_you_mean(paper, AUTHORS)} (there are {', '.join(AUTHORS)})")
    rows, lacking = rows_of(network, paper, seed)
    presets = {"paper": preset or PRESET_OF[paper], "ours": "default"}
    used = [presets[only]] if only else list(dict.fromkeys(presets.values()))
    units = [unit for _, row in rows for unit in row]
    side = size or default_side(network)
    portraits = [
        Portraits(
            network, parts_of(units, 1.0, "logit"), [unit.key for unit in units],
            settings(name, given), (side, side), nouns=Nouns.among(given), seed=seed, batch=batch,
        ) for name in used
    ]  # fmt: skip
    names = [f"{unit.stem}-{name}" for unit in units for name in used]
    beside, without = ({}, "") if photos is None else photographed(network, photos, units, batch)
    lacking = "; ".join(filter(None, [lacking, without]))
    shown = _Gallery(network, paper, rows, used, portraits, lacking, beside)
    return Run(
        side_by_side([p.path for p in portraits]),
        total=max(p.chosen.steps for p in portraits),
        names=names,
        finish=lambda step: shown.result(step, names),
    )


@dataclass(frozen=True)
class _Gallery:
    """A paper's figure under way.

    Attributes:
        paper: whose figure.
        rows: its units.
        used: the presets, each unit in all of them side by side.
        portraits: of all units, of each preset.
        lacking: a sentence about what this network lacks of it, or nothing.
        beside: what stands beside a unit's pictures, with its caption.
    """

    network: Network
    paper: str
    rows: Sequence[Row]
    used: Sequence[str]
    portraits: Sequence[Portraits]
    lacking: str
    beside: Mapping[Unit, Panel]

    def result(self, step: Step, names: Sequence[str]) -> Result:
        """The figure of a step of all of them abreast."""
        shown, values = self._abreast(step)
        every = [(unit, name) for _, row in self.rows for unit in row for name in self.used]
        captions = [f"{_called(self.network, unit)}, {name}" for unit, name in every]
        title = f"{AUTHORS[self.paper]}: {self.network.name}"
        return Result(
            image=shown,
            names=names,
            numbers=[
                {"unit": unit.short, "preset": name, "value": value, "class": _class(unit)}
                for (unit, name), value in zip(every, values, strict=True)
            ],
            panels=[
                [(f"{caption}: {value:.4g}", picture[None])]
                for caption, value, picture in zip(captions, values, shown, strict=True)
            ],
            title=f"{title}; {self.lacking}" if self.lacking else title,
            drawing=rows(self._strips(captions, shown), title, self.lacking, 6, 120 if len(self.used) > 1 else 200),
        )

    def _abreast(self, step: Step) -> tuple[Float[Tensor, "kn 3 h w"], list[float]]:
        """The pictures, and what their units say about them."""
        many = len(self.used)
        parts = [
            Step(step.index, step.pictures[i::many], step.values[i::many], step.alive[i::many]) for i in range(many)
        ]
        both = list(zip(self.portraits, parts, strict=True))
        shown = abreast([opaque(one.shown(part).float().cpu()) for one, part in both])
        return shown, abreast([one.reached(part).cpu() for one, part in both]).tolist()

    def _strips(self, captions: Sequence[str], shown: Float[Tensor, "kn 3 h w"]) -> list[Strip]:
        panels = iter(zip(captions, shown[:, None], strict=True))

        def of(unit: Unit) -> list[Panel]:
            own = [self.beside[unit]] if unit in self.beside else []
            return [*islice(panels, len(self.used)), *own]

        return [Strip(heading, [panel for unit in row for panel in of(unit)]) for heading, row in self.rows]


# -------------------------------------------------------------------------------------------------- what is shown


def rows_of(network: Network, paper: str, seed: int) -> tuple[list[Row], str]:
    """The rows of a paper's figure, and a sentence about what this network lacks of them, or nothing.

    Raises:
        Mistake: it lacks all of them.
    """
    rows: list[Row] = []
    lacking = []
    for names in CLASSES[paper]:
        row = []
        for name in names:
            try:
                row.append(Unit("logits", class_index(network, name)))
            except Mistake:  # there is none, or there are several
                lacking.append(name)
        if row:
            rows.append(("" if rows else "classes", row))
    said = ""
    if lacking:
        said = f"not among the classes of this network: {', '.join(lacking)}"
        if not network.labels:
            said = "this network has no names for its classes, so they are left out"
    if paper == "simonyan" and not rows:
        why = "has no names for its classes, so" if not network.labels else "has none of them:"
        last = min(network.classes, 12) - 1
        raise Mistake(
            f"{paper}'s figure shows classes by name, and {network.name} {why} there is nothing to show; "
            f"units can be had: phosphene visualize logits:0-{last}"
        )
    if paper == "yosinski":
        later = stages(network)[1:] or stages(network)
        few = later if len(later) <= 4 else [later[round(i * (len(later) - 1) / 3)] for i in range(4)]
        rows += [(layer, drawn(network, layer, 4, seed)) for layer in reversed(few)]
    if paper == "olah":
        known = all(name in network.layers and network.layers[name].channels == c for name, c in CHANNELS.items())
        rows += well_known(network, seed) if known else [(x, drawn(network, x, 6, seed)) for x in spread(network, 5)]
    return rows, said


def well_known(network: Network, seed: int, many: int = 6) -> list[Row]:
    """Rows of `KNOWN`, filled up to so many units each."""
    rows = []
    for kind, words in KNOWN.items():
        named = [Unit(layer, int(index)) for layer, colon, index in (w.partition(":") for w in words) if colon]
        whole = [word for word in words if ":" not in word]
        for i, layer in enumerate(whole):
            lacking = (many - len(named)) // (len(whole) - i)
            taken = {unit.index for unit in named if unit.layer == layer}
            named += [unit for unit in drawn(network, layer, many, seed) if unit.index not in taken][:lacking]
        layers = ", ".join(dict.fromkeys(unit.layer for unit in named))
        rows.append((f"{kind} ({layers})", named))
    return rows


def drawn(network: Network, layer: str, many: int, seed: int) -> list[Unit]:
    """Channels of a layer spread evenly over it, one at random out of each of `many` equal parts."""
    channels = network.layers[layer].channels
    many = min(many, channels)
    at = Key(seed, [crc32(layer.encode())]).uniform(torch.arange(1), many)[0].tolist()
    ends = [i * channels // many for i in range(many + 1)]
    return [Unit(layer, low + int(u * (high - low))) for (low, high), u in zip(pairwise(ends), at, strict=True)]


def _called(network: Network, unit: Unit) -> str:
    index = _class(unit)
    return unit.short if index is None else label(network, index)


def _class(unit: Unit) -> int | None:
    return unit.index if unit.layer == "logits" else None


# ----------------------------------------------------------------------------------------------------- photographs


def photographed(
    network: Network, photos: Sequence[Photo], units: Sequence[Unit], batch: int = 16
) -> tuple[dict[Unit, Panel], str]:
    """The part of a photograph that excites each unit most, and a sentence about those that an index does not know.

    Raises:
        Mistake: an index is of another network, or no photograph was given.
    """
    check_indexed(photos, network)
    if not len(photos):
        raise Mistake("there is no photograph; give --photos a folder of them, or an index")
    layers, fit, without = list(dict.fromkeys(unit.layer for unit in units)), fitting(photos, "crop"), ""
    if isinstance(photos, Indexed):
        unknown = [layer for layer in layers if not photos.knows(layer)]
        without = f"not in the index: {', '.join(unknown)}" if unknown else ""
        best = {u: photos.exemplars(u.layer, u.index or 0, 1)[0] for u in units if u.layer not in unknown}
    else:
        read = peaks(network.planned("reading"), photos, layers, fit, batch)
        best = {unit: strongest(read[unit.layer], unit.index or 0, 1)[0] for unit in units}
    found = {}
    for unit, peak in best.items():
        (one,) = cut_out(network, photos, unit, [peak], [], "all", fit, batch, "own")
        found[unit] = (f"{_called(network, unit)}, {named_photo(photos, peak.photo)}: {peak.short}", one.crop)
    return found, without


# ------------------------------------------------------------------------------------------------- several ascents


def abreast(tensors: Sequence[Shaped[Tensor, "n *shape"]]) -> Shaped[Tensor, "kn *shape"]:
    """The first rows of all, then the second ones: rows i::k are those of the i-th of k tensors."""
    return torch.stack(list(tensors), 1).flatten(0, 1)


def side_by_side(paths: Sequence[Iterator[Step]]) -> Iterator[Step]:
    """Several ascents of the same problems as one, their rows abreast; one that is at its end waits for the others."""
    last: Sequence[Step] = []
    for steps in zip_longest(*paths):
        last = [new or old for new, old in zip_longest(steps, last)]
        yield Step(
            max(step.index for step in last), abreast([step.pictures for step in last]),
            abreast([step.values for step in last]), abreast([step.alive for step in last]),
        )  # fmt: skip


def opaque(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Over grey, where they have an alpha, so that they can stand beside others."""
    return pictures if pictures.shape[1] == 3 else pictures[:, 3:] * pictures[:, :3] + (1 - pictures[:, 3:]) * 0.5
