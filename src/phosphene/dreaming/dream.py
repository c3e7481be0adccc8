"""DeepDream (Mordvintsev, Olah & Tyka 2015): amplify a layer's own activations, starting at a photograph.

The picture grows octave by octave; what was added at one size is enlarged and carried to the next, so that large forms
come first and fine detail last. Steps have the same mean size whatever the gradient's, the picture is shifted at random
before each, and stays in [0, 1].
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, brief
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Nouns, Parts, check_colours, stages
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Steps, Weight, Words, options_of
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.masks import read_mask
from phosphene.core.pictures.sheets import figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import code
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import AnyUnit, Sum, Unit, stems, unit_term
from phosphene.dreaming.colours import Colours, coloured
from phosphene.dreaming.films import FilmDream, each_guide, films_among
from phosphene.dreaming.objectives import amplified, guided, strongest
from phosphene.dreaming.octaves import Octaves, Trace, at_size, octave_sizes
from phosphene.dreaming.only import where
from phosphene.dreaming.tiling import Tiling
from phosphene.dreaming.zooming import ZoomOptions, zoom_film

DREAM = Settings(parameterization="pixels", optimizer="normalized", steps=10, rate=1.5 / 255)
"""Steps on the pixels, all of the same mean size."""


class DreamOptions(FurtherOptions, ZoomOptions, total=False):
    """What a dream may be told besides."""

    start: Annotated[Literal["photo", "noise"], Words("the photograph, or faint noise of its size (inceptionism)")]
    channels: Annotated[str, Words("only these of LAYER, with commas and ranges: 1,5,9-12")]
    strongest: Annotated[int, Bounds(1, 100_000), Words("only so many of LAYER, the strongest at each size")]
    guide_layer: Annotated[str, Words("where GUIDE is read; by default LAYER")]
    strip: Annotated[str, Words("a dream of each of these layers, with commas, instead of one of LAYER")]
    keep_colours: Annotated[Colours, Words("the photograph's chroma or its histogram instead of the dream's colours")]
    change: Annotated[float, Bounds(0, 1), Words("stop where pixels have changed so far on average (0: don't)")]
    tile: Annotated[str | int, Words("read it by tiles of so many pixels; none; or auto: where it is large (auto)")]
    only: Annotated[str | int, Words("dream only where the photograph shows this class")]
    until: float


options_of(DreamOptions, Settings, leave_out=("tv", "steps", "rate", "jitter", "transparency", "opacity", "stretch"))


@recipe("picture")
def dream(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    guide: Photo | None = None,
    mask: Photo | None = None,
    octaves: Annotated[int, Bounds(1, 100)] = 4,
    zoom: Annotated[float, Bounds(1.01, 10)] = 1.4,
    steps: Steps = 10,
    rate: Weight = 1.5 / 255,
    jitter: Annotated[int, Bounds(0, 10_000), Words("range of the random shifts, in pixels")] = 32,
    tv: Annotated[Weight, Words("weight of the total variation")] = 0.0,
    seed: Seed = 0,
    **given: Unpack[DreamOptions],
) -> Run:
    """Amplify what LAYER already sees in PHOTO, at the photo's own size (DeepDream).

    With --zoom-film it is a film: each frame is the one before, enlarged and dreamt again. A film as PHOTO is dreamt
    frame by frame, and what was dreamt goes along with what moves in it.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a film.
        layer: whose activations to amplify, or one unit of it (LAYER:UNIT), a direction or a sum; by default a layer
            above the middle.
        guide: a picture whose features at LAYER are dreamt of, at each place the one that fits there; for a film
            another film, frame by frame, whose last one stays.
        mask: a picture of the same shape: it dreams where this is white, half as much where it is grey.
        octaves: number of sizes.
        zoom: ratio of one size to the next.
        steps: number of moves at each size.
        rate: the mean change of a pixel in one move, in [0, 1].
        seed: of the random shifts.
    """
    check_colours(network)
    film, guides = films_among(photo, guide, given)
    shown = open_photo(photo if film is None else film.frame(0)).float().cpu()
    key, whole = Key(seed), precise(shown, working_dtype(network)).to(network.device)
    if given.get("start") == "noise":
        whole = (100 + key.child(1).uniform(torch.zeros(1, dtype=torch.long), *whole.shape[1:]).to(whole)) / 255
    aims = _aims(network, layer, given)
    making = _making(network, aims, guide if guides is None else guides.frame(0), given)
    sizes = octave_sizes((whole.shape[2], whole.shape[3]), octaves, zoom)
    chosen, tiling = DREAM.but({**given, "steps": steps, "rate": rate, "tv": tv}), _tiling(aims, given)
    network.allowance.check_steps(steps * len(sizes), len(aims), sizes[0], chosen.views)
    part = _mask(network, mask, whole, given)
    how = Octaves(sizes, making, chosen, Nouns.among(given), jitter, part, given.get("change", 0.0), tiling)
    words, names, colours = [unit.short for unit in aims], stems(aims), given.get("keep_colours", "dreamt")
    if film is not None:
        each = each_guide(how, guides, lambda one: _making(network, aims, one, given))
        return FilmDream(network, film, each, words[0], names[0], seed, colours).reel()
    if (zoomed := zoom_film(network, whole, how, aims, given, seed, colours)) is not None:
        return zoomed
    trace, shifts = Trace(network, whole), Key(seed, [0] * len(aims))  # dreams of a strip are what they would be alone
    path = trace.noted(stages(how.ascents(network, whole, len(aims)), shifts))

    def painted(step: Step) -> Tensor:
        return coloured(step.pictures, at_size(whole, (step.pictures.shape[2], step.pictures.shape[3])), colours)

    def finish(step: Step) -> Result:
        dreamt, base = painted(step).float().cpu(), whole.float().cpu()
        numbers = [
            {
                "layer": word, "value": -value, "sizes": sizes, "steps": step.index,
                "tiles": [tiling.used.get(size) for size in sizes], "trace": trace.of(i),
            }
            for i, (word, value) in enumerate(zip(words, step.values.tolist(), strict=True))
        ]  # fmt: skip
        strip = [(f"what {word} dreams into it", one[None]) for word, one in zip(words, dreamt, strict=True)]
        before = [("noise" if given.get("start") == "noise" else "the photograph", base)]
        if part is not None:
            where = "the mask" if mask is not None else f"where it shows {given.get('only')}"
            before.append((where, part.float().cpu().expand(-1, 3, -1, -1)))
        title = f"DeepDream: {', '.join(words)} of {network.name}"
        drawing, panels = figure([*before, *strip], title) if len(aims) > 1 else None, [[*before, one] for one in strip]
        return Result(dreamt, names, numbers, panels, title, input=shown, drawing=drawing)

    return Run(path, total=steps * len(sizes), names=names, finish=finish, shown=painted)


def _aims(network: Network, layer: str | None, given: DreamOptions) -> list[AnyUnit]:
    """What is dreamt of: one unit, or each layer of a strip.

    Raises:
        Mistake: several units, or a layer beside a strip.
    """
    strip = given.get("strip")
    if strip is not None:
        if layer is not None:
            raise Mistake(f"a strip has layers of its own; give --layer {layer} or --strip {strip}, not both")
        return parse_units(network, [name.strip() for name in strip.split(",") if name.strip()])
    name = layer or halfway(network)
    units = parse_units(network, name)
    if len(units) != 1:
        raise Mistake(f"'{name}' names {len(units)} units; a dream amplifies one, or a whole layer")
    return units


def _whole_layer(unit: AnyUnit, option: str) -> str:
    """The layer that a unit is all of."""
    if isinstance(unit, Unit) and unit.index is None and unit.layer != "logits":
        return unit.layer
    raise Mistake(f"--{option} is about a whole layer, and {unit.short} is none; give --layer LAYER")


def _making(
    network: Network, aims: Sequence[AnyUnit], guide: Photo | None, given: DreamOptions
) -> Callable[[Float[Tensor, "n 3 h w"]], Parts]:
    """From the pictures that an octave starts at to what is made large there.

    Raises:
        Mistake: several of guide, channels and strongest; channels that there are not; a guide that says nothing.
    """
    told = [name for name in ("channels", "strongest") if name in given] + (["guide"] if guide is not None else [])
    if len(told) > 1:
        raise Mistake(f"--{told[0]} and --{told[1]} exclude each other; a dream has one of them")
    if not told:
        terms: Parts = [([i], unit_term([unit])) for i, unit in enumerate(aims)]
        return lambda start: terms
    layers = [_whole_layer(unit, told[0]) for unit in aims]
    if guide is not None:
        read = [given.get("guide_layer", layer) for layer in layers]
        seen = precise(open_photo(guide), working_dtype(network)).to(network.device)
        terms = [
            ([i], guided(layer, code(network, seen, at)[0].flatten(1)))
            for i, (layer, at) in enumerate(zip(layers, read, strict=True))
        ]
        return lambda start: terms
    if "channels" in given:
        terms = [
            ([i], amplified(layer, _channels(network, layer, given["channels"]))) for i, layer in enumerate(layers)
        ]
        return lambda start: terms

    def strong(start: Float[Tensor, "n 3 h w"]) -> Parts:
        found = [strongest(network, layer, start[i : i + 1], given["strongest"])[0] for i, layer in enumerate(layers)]
        return [([i], amplified(layer, found[i])) for i, layer in enumerate(layers)]

    return strong


def _channels(network: Network, layer: str, words: str) -> list[int]:
    """The channels that are spelled so.

    Raises:
        Mistake: another spelling, or channels that there are not.
    """
    if re.fullmatch(r" *[0-9]+(-[0-9]+)?( *, *[0-9]+(-[0-9]+)?)* *", words) is None:  # no file's name, above all
        raise Mistake(f"{brief(words)} is not a valid value for channels: write numbers and ranges, as 1,5,9-12")
    units = parse_units(network, [f"{layer}:{part.strip()}" for part in words.split(",")])
    return [unit.index for unit in units if isinstance(unit, Unit) and unit.index is not None]


def _tiling(aims: Sequence[AnyUnit], given: DreamOptions) -> Tiling:
    """By which tiles pictures are read: by none where a unit is one at a place, which a tile would have of its own.

    Raises:
        Mistake: tiles for such a unit.
    """
    asked = given.get("tile", "auto")
    for aim in aims:
        parts = [part for _, part in aim.parts] if isinstance(aim, Sum) else [aim]
        if any(isinstance(part, Unit) and part.position is not None for part in parts):
            if asked not in ("auto", "none"):
                raise Mistake(f"{aim.short} is at one place, which every tile would have of its own; leave --tile out")
            return Tiling(whole=True)
    return Tiling(asked)


def _mask(
    network: Network, mask: Photo | None, whole: Float[Tensor, "1 3 h w"], given: DreamOptions
) -> Float[Tensor, "1 1 h w"] | None:
    """How far each pixel goes.

    Raises:
        Mistake: another shape than the photograph's, what is moved are no pixels, or a mask beside a class.
    """
    only = given.get("only")
    if mask is None and only is None:
        return None
    moved = given.get("parameterization") or "pixels"
    if moved != "pixels":
        kind = moved if isinstance(moved, str) else "parameterization of one's own"
        raise Mistake(f"a mask holds pixels back, and a {kind} has none that can be set; use pixels")
    if mask is None:
        assert only is not None
        return where(network, whole, only)
    if only is not None:
        raise Mistake(f"--mask and --only {only} exclude each other; the one is a picture, the other makes its own")
    return read_mask(mask, (whole.shape[2], whole.shape[3])).to(whole)
