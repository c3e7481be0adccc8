"""What lies between two units: pictures that excite weighted sums of them (Olah et al. 2017, "interaction")."""

from collections.abc import Sequence
from typing import Annotated, Unpack
from zlib import crc32

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Batch, Bounds, Seed, Side
from phosphene.core.pictures.sheets import figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.inputs import unit_words
from phosphene.core.units.portraits import Portraits, default_side, reached
from phosphene.core.units.presets import AnyPreset, settings
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Sum
from phosphene.features.visualize import parts_of


def between(first: AnyUnit, second: AnyUnit, weight: float) -> Sum:
    """(1 - weight) first + weight second, with both parts even where one weighs nothing."""
    parts = [((1 - weight) * w, unit) for w, unit in _parts(first)] + [(weight * w, unit) for w, unit in _parts(second)]
    return Sum(tuple(parts))


def _parts(unit: AnyUnit) -> Sequence:
    return unit.parts if isinstance(unit, Sum) else [(1.0, unit)]


@recipe("picture")
def interpolate(
    network: Network,
    units: Sequence[str | AnyUnit],
    *,
    count: Annotated[int, Bounds(2, 100)] = 7,
    preset: AnyPreset = "default",
    size: Side | None = None,
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Paint a strip from one unit to another: each picture excites a weighted sum of the two of UNITS.

    The pictures have a coarse part in common, so that neighbours are alike and things keep their places (aligned
    interpolation: Mordvintsev et al. 2018, doi:10.23915/distill.00012). Two units of one layer are best: values of
    different layers differ in size, and then the larger one is seen in most of the strip.

    Args:
        network: the network to read.
        units: two of them.
        count: how many pictures, both ends included.
        preset: how they are made; what is moved is always Fourier coefficients with a part that all share.
        size: side of the pictures in pixels.
        batch: so many views at a time go through the network.
        seed: of the start and the transforms.
    """
    ends = parse_units(network, units)
    if len(ends) != 2:
        raise Mistake(f"a strip goes from one unit to another; give two different ones, not {len(ends)}")
    first, second = ends
    weights = [i / (count - 1) for i in range(count)]
    key = crc32(f"{first} {second}".encode())
    side = size or default_side(network)
    parts = parts_of([between(first, second, weight) for weight in weights], 1.0, "logit")
    chosen = settings(preset, {**given, "parameterization": "shared"})
    names_of_problems = [key + i * 2**32 for i in range(count)]
    portraits = Portraits(
        network, parts, names_of_problems, chosen, (side, side), nouns=Nouns.among(given), seed=seed, batch=batch
    )
    names = [f"{first.stem}-to-{second.stem}-{i + 1}" for i in range(count)]
    called = [unit_words(network, unit).removeprefix("logit of ").removeprefix("unit ") for unit in ends]

    def finish(step: Step) -> Result:
        shown = portraits.shown(step)
        values = [reached(network, parts_of([unit] * count, 1.0, "logit"), shown[:, :3], batch) for unit in ends]
        own = list(zip(*(value.tolist() for value in values), strict=True))
        shown = shown.float().cpu()
        panels = [
            (f"{1 - w:.2f} + {w:.2f}: {a:.3g}, {b:.3g}", picture[None])
            for w, (a, b), picture in zip(weights, own, shown, strict=True)
        ]
        title = f"from {called[0]} to {called[1]}: {network.name}"
        return Result(
            image=shown,
            names=names,
            numbers=[
                {"weight": w, "values": {first.short: a, second.short: b}, "steps": step.index, "class": None}
                for w, (a, b) in zip(weights, own, strict=True)
            ],
            panels=[[panel] for panel in panels],
            title=title,
            drawing=figure(panels, title, columns=min(count, 8), side=200),
        )

    return Run(portraits.path, total=chosen.steps, names=names, finish=finish)
