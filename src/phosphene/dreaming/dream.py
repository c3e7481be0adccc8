"""DeepDream (Mordvintsev, Olah & Tyka 2015): climb a layer's own activations, starting at a photograph.

The picture grows octave by octave; what was added at one size is enlarged and carried to the next, so that large forms
come first and fine detail last. Steps have the same mean size whatever the gradient's, the picture is shifted at random
before each, and stays in [0, 1].
"""

from collections.abc import Iterator
from dataclasses import replace

import torch

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import normalized
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.transforms import roll
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.results.provenance import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import unit_term


def octave_sizes(size: tuple[int, int], octaves: int, zoom: float) -> list[tuple[int, int]]:
    """(height, width) of each octave, the smallest first; none is smaller than 32 px."""
    sizes, scale = [size], zoom
    while len(sizes) < octaves and round(min(size) / scale) >= 32:
        sizes.insert(0, (round(size[0] / scale), round(size[1] / scale)))
        scale *= zoom
    return sizes


def _resized(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return torch.nn.functional.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)


@recipe("picture")
def dream(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    octaves: int = 4,
    zoom: float = 1.4,
    steps: int = 10,
    rate: float = 1.5 / 255,
    jitter: int = 32,
    seed: int = 0,
) -> Run:
    """Amplify what LAYER already sees in PHOTO, at the photo's own size (DeepDream).

    Args:
        network: who dreams.
        photo: a path, `skimage:NAME`, or pixels.
        layer: whose activations to amplify, or one unit of it (LAYER:UNIT), a direction or a sum; by default a layer
            above the middle.
        octaves: at how many sizes.
        zoom: from one size to the next.
        steps: at each size.
        rate: the mean change of a pixel in one step, in [0, 1].
        jitter: the reach of the random shifts, in pixels.
        seed: of the shifts.
    """
    if octaves < 1 or zoom <= 1:
        raise Mistake(f"a dream needs at least one octave and a zoom above 1, not {octaves} and {zoom}")
    check_range("steps", steps, 0)
    check_range("jitter", jitter, 0)
    whole = open_photo(photo).to(network.device, working_dtype(network))
    name = layer or halfway(network)
    units = parse_units(network, name)
    if len(units) != 1:
        raise Mistake(f"'{name}' names {len(units)} units; a dream amplifies one, or a whole layer")
    term, stem = unit_term(units), units[0].stem
    if "=" in name:  # the numbers of a direction, or its file
        name = units[0].short
    sizes = octave_sizes((whole.shape[2], whole.shape[3]), octaves, zoom)

    def path() -> Iterator[Step]:
        detail, done = torch.zeros_like(_resized(whole, sizes[0])), 0
        for size in sizes:
            base = _resized(whole, size).clamp(0, 1) if size != sizes[-1] else whole
            start = (base + (detail if detail.shape == base.shape else _resized(detail, size))).clamp(0, 1)
            ascent = argmin(
                Pixels(start), gradient(network, -term, roll(jitter)),
                optimizer=normalized(rate), constraint=box(), steps=steps, key=Key(seed + done),
            )  # fmt: skip
            for step in ascent:
                yield replace(step, index=done + step.index)
            done += steps
            detail = step.pictures - base

    def finish(step: Step) -> Result:
        dreamt, shown = step.pictures.float().cpu(), whole.float().cpu()
        return Result(
            image=dreamt,
            names=[stem],
            numbers=[{"layer": name, "value": -float(step.values[0]), "sizes": sizes, "steps": step.index}],
            panels=[[("the photograph", shown), (f"what {name} dreams into it", dreamt)]],
            title=f"DeepDream: {name} of {network.name}",
            input=shown,
        )

    return Run(path(), total=steps * len(sizes), names=[stem], finish=finish)
