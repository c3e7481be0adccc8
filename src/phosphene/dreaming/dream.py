"""DeepDream (Mordvintsev, Olah & Tyka 2015): amplify a layer's own activations, starting at a photograph.

The picture grows octave by octave; what was added at one size is enlarged and carried to the next, so that large forms
come first and fine detail last. Steps have the same mean size whatever the gradient's, the picture is shifted at random
before each, and stays in [0, 1].
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Ascent, Nouns, Size, ascent, check_colours, stages
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term
from phosphene.core.optimization.transforms import as_is, compose, roll
from phosphene.core.options import Bounds, Seed, Steps, Weight, Words
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.results.recipes import recipe
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


DREAM = Settings(parameterization="pixels", optimizer="normalized", steps=10, rate=1.5 / 255)
"""Steps on the pixels, all of the same mean size."""


def _octaves(
    network: Network,
    term: Term,
    whole: Float[Tensor, "1 3 h w"],
    sizes: Sequence[Size],
    chosen: Settings,
    jitter: int,
    nouns: Nouns,
) -> list[Callable[[Key, Step | None], Iterator[Step]]]:
    """An ascent for each size, which starts at the photograph and what was added at the size before."""
    bases = [_resized(whole, size).clamp(0, 1) for size in sizes[:-1]] + [whole]

    def octave(index: int) -> Callable[[Key, Step | None], Iterator[Step]]:
        def ascend(key: Key, before: Step | None) -> Iterator[Step]:
            base, size = bases[index], sizes[index]
            added = torch.zeros_like(base) if before is None else _resized(before.pictures - bases[index - 1], size)
            how = replace(_shifted(ascent(chosen, network, size, nouns), jitter), redirected=False)
            start = (base + added).clamp(0, 1)
            return how.trajectory(network, [([0], term)], key, size, start=start).steps

        return ascend

    return [octave(index) for index in range(len(sizes))]


def _shifted(how: Ascent, jitter: int) -> Ascent:
    """The same behind random shifts, in which what leaves on one side comes in on the other."""
    first = roll(jitter)
    return replace(how, transform=first if how.transform is as_is else compose(first, how.transform), placed=None)


def _resized(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return torch.nn.functional.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)


@recipe("picture")
def dream(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    octaves: Annotated[int, Bounds(1, 100)] = 4,
    zoom: Annotated[float, Bounds(1.01, 10)] = 1.4,
    steps: Steps = 10,
    rate: Weight = 1.5 / 255,
    jitter: Annotated[int, Bounds(0, 10_000), Words("range of the random shifts, in pixels")] = 32,
    tv: Annotated[Weight, Words("weight of the total variation")] = 0.0,
    seed: Seed = 0,
    **given: Unpack[FurtherOptions],
) -> Run:
    """Amplify what LAYER already sees in PHOTO, at the photo's own size (DeepDream).

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: whose activations to amplify, or one unit of it (LAYER:UNIT), a direction or a sum; by default a layer
            above the middle.
        octaves: number of sizes.
        zoom: ratio of one size to the next.
        steps: number of moves at each size.
        rate: the mean change of a pixel in one move, in [0, 1].
        seed: of the random shifts.
    """
    check_colours(network)
    whole = precise(open_photo(photo), working_dtype(network)).to(network.device)
    name = layer or halfway(network)
    units = parse_units(network, name)
    if len(units) != 1:
        raise Mistake(f"'{name}' names {len(units)} units; a dream amplifies one, or a whole layer")
    term, stem = unit_term(units), units[0].stem
    if "=" in name:  # the numbers of a direction, or its file
        name = units[0].short
    sizes = octave_sizes((whole.shape[2], whole.shape[3]), octaves, zoom)
    chosen = DREAM.but({**given, "steps": steps, "rate": rate, "tv": tv})
    network.allowance.check_steps(steps * len(sizes), 1, sizes[0], chosen.views)
    path = stages(_octaves(network, term, whole, sizes, chosen, jitter, Nouns.among(given)), Key(seed))

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

    return Run(path, total=steps * len(sizes), names=[stem], finish=finish)
