"""A photograph in the style of a painting (Gatys, Ecker & Bethge 2015, arXiv:1508.06576).

argmin alpha |Phi(x) - Phi(photo)|^2 / |Phi(photo)|^2 + sum over layers of D(x, style): the content is what a deep layer
says at each place, the style what layers say whatever the place, in statistics of their features (`statistics.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Unpack

from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Nouns, Size, check_colours
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step, Waypoints
from phosphene.core.options import Bounds, Seed, Side, Steps, Weight, Words, options_of
from phosphene.core.pictures.eight_bit import nearest_levels, precise
from phosphene.core.pictures.files import Photo, Photos, PhotosInOrder, is_film, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.masks import read_mask
from phosphene.core.pictures.sheets import figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.photographs import photo_name
from phosphene.style.blocks import of_code
from phosphene.style.borders import replicated
from phosphene.style.colours import Colours, meant, shown_in
from phosphene.style.layers import content_layer as content_by_default
from phosphene.style.layers import fitting_layers, is_residual
from phosphene.style.measures import Meter, fall, losses
from phosphene.style.presets import PresetName, Setup, setup
from phosphene.style.regions import Band, bands, completed
from phosphene.style.schedule import Making, Mixture, resized, sizes
from phosphene.style.shares import numbers_in
from phosphene.style.terms import style_grid

LONGER = 512
"""px, of the longer side where nothing else is said."""

RATIOS = (0.1, 1.0, 10.0, 100.0)
"""What the content's weight is multiplied by along a row of the grid."""

Scale = Annotated[float, Bounds(0.1, 10)]


class StylizeOptions(FurtherOptions, total=False):
    """What a stylization may be told besides."""

    rate: Annotated[Weight, Words("the length of a move, where the optimizer doesn't find its own")]
    tv: Annotated[Weight, Words("weight of the total variation")]
    gram: Annotated[Weight, Words("weight of the Gram matrices, the products of features")]
    spread: Annotated[Weight, Words("weight of the features' means and standard deviations")]
    wasserstein: Annotated[Weight, Words("weight of how far features would have to be carried, were they normal")]
    histogram: Annotated[Weight, Words("weight of the histogram of each channel")]
    sliced: Annotated[Weight, Words("weight of the histograms along directions through all channels")]
    nearest: Annotated[Weight, Words("weight of how far each place is from the one in the style that it is most like")]
    shares: Annotated[str, Words("how much of each of several styles, with commas: 3,1; by default all the same")]
    layer_weights: Annotated[str, Words("the weight of each style layer, with commas; by default all the same")]
    smooth: Annotated[
        Literal["auto", "on", "off"],
        Words("smooth features by a softmax before they are compared: auto, where the network is a residual one"),
    ]
    begin: Annotated[Literal["photo", "noise"], Words("where to begin: at the photograph, or at noise")]
    grid: Annotated[bool, Words("show what more and more layers, and less and less content, make of it")]
    content_layer: Annotated[str, Words("where the content is read; by default a layer that sees some 84 px")]
    style_scale: Annotated[
        Scale, Words("how large strokes are; 1: as if a style had as many pixels as the picture (1)")
    ]


options_of(StylizeOptions, Settings, leave_out=("steps", "jitter", "transparency", "opacity", "stretch", "until"))


@recipe("picture")
def stylize(
    network: Network,
    photo: Photo,
    styles: PhotosInOrder,
    *,
    layer: str | Sequence[str] | None = None,
    preset: PresetName = "default",
    size: Side | None = None,
    steps: Steps | None = None,
    content: Weight | None = None,
    strength: Weight = 1.0,
    mask: PhotosInOrder | None = None,
    style_mask: PhotosInOrder | None = None,
    colours: Colours = "style",
    start: Photo | None = None,
    seed: Seed = 0,
    **given: Unpack[StylizeOptions],
) -> Run:
    """Paint PHOTO in the style of STYLES: its content, as a deep layer sees it, with their strokes and colours.

    The picture grows from a small size to its own. A preset says how; every option without a default of its own
    replaces one of its values.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        styles: paintings, or whatever else has a look; of several it is a mixture of their statistics.
        layer: where the style is read; by default up to five layers, from the first to about the last third.
        preset: default (L-BFGS, size after size), fast (fewer steps), adam (Adam, whose memory is carried from size to
            size, and averaged pictures), gatys (the paper's: one size, from noise, Gram matrices alone).
        size: the longer side in pixels; by default 512, or the photograph's own where that is less.
        steps: how many moves at each size up to 512 px; each further one takes three fifths of those before it.
        content: the weight of the content beside the style.
        strength: the weight of the style.
        mask: where each style is meant, a picture for each: white where it is, and where it is grey, between styles;
            one for all but the last will do, which is then meant elsewhere.
        style_mask: what of each style counts, a picture for each: where it is white.
        colours: those of the style; the photograph's, where luminance alone is painted; or the style's carried to the
            photograph's histogram, or to their mean and covariance (linear), before they are painted.
        start: a picture to begin at instead of the photograph.
        seed: of the noise.
    Raises:
        Mistake: a layer without places, a style that is smaller than what a layer sees, or a film.
    """
    check_colours(network)
    making, opened = _making(network, photo, styles, colours, layer, size,
                             setup(preset, {**given, "steps": steps, "content": content}), strength, given)  # fmt: skip
    making = masked(making, mask, style_mask)
    last, total = making.sizes[-1], sum(making.steps)
    network.allowance.check_steps(total, len(making.mixtures), last, making.how.settings.views)
    begun = making.photo if making.how.begin == "photo" else None
    begun = _read(network, start, "the start") if start is not None else begun
    meter = Meter(network.device)
    waypoints = Waypoints()
    path = making.path(Key(seed, [0] * len(making.mixtures)), begun, waypoints)
    called = "+".join(dict.fromkeys(photo_name(one) or "style" for one in styles))
    names = [called] if len(making.mixtures) == 1 else [_cell(i, len(RATIOS)) for i in range(len(making.mixtures))]

    def shown(step: Step) -> Float[Tensor, "n 3 h w"]:
        return shown_in(step.pictures, resized(opened, (step.pictures.shape[2], step.pictures.shape[3])), colours)

    def finish(step: Step) -> Result:
        before = making.photo if begun is None else begun
        numbers = _numbers(making, step, before)
        for one in numbers:
            one |= meter.numbers()
        pictures = nearest_levels(shown(step)).float().cpu()
        return _result(making, opened.float().cpu(), pictures, names, numbers, called)

    return Run(path, total=total, names=names, finish=finish, shown=shown, waypoints=waypoints)


def _making(
    network: Network, photo: Photo, styles: Sequence[Photo], colours: Colours, layer: str | Sequence[str] | None,
    side: int | None, how: Setup, strength: float, given: StylizeOptions,
) -> tuple[Making, Float[Tensor, "1 3 h w"]]:  # fmt: skip
    """What is to be made, and the photograph."""
    opened = _read(network, photo, "PHOTO")
    paintings = [_read(network, one, "a style") for one in styles]
    if not paintings:
        raise Mistake("no style is given; name a painting behind the photograph")
    last = _last(opened, side)
    least = min(side for one in paintings for side in one.shape[2:])
    layers = fitting_layers(network, layer, least, "style")
    shares = numbers_in(given.get("shares"), "shares", len(paintings), "styles")
    weights = numbers_in(given.get("layer_weights"), "layer-weights", len(layers), "layers")
    smooth, content = given.get("smooth", "auto"), given.get("content_layer") or content_by_default(network)
    style_grid(network, content, "content")
    mixtures = _mixtures([strength * one / sum(weights) for one in weights], how.content, given.get("grid", False))
    fed, looks = meant(opened, paintings, colours)
    return Making(
        network, fed, looks, shares, layers, network.layer(content).name,
        how, mixtures, sizes(last, how.smallest), given.get("style_scale", 1.0),
        is_residual(network) if smooth == "auto" else smooth == "on",
        nouns=Nouns.among(given),
    ), opened  # fmt: skip


def masked(making: Making, masks: Photos | None, style_masks: Photos | None) -> Making:
    """The same, with what masks say of the photograph and of the styles.

    Raises:
        Mistake: a mask is of another shape, or there are more or fewer of them than styles.
    """
    photo, many = (making.photo.shape[2], making.photo.shape[3]), len(making.styles)
    regions: list[Band] = []
    masks, style_masks = ([] if some is None else list(some) for some in (masks, style_masks))
    if masks:
        read = [resize(read_mask(one, photo), photo).clamp(0, 1) for one in masks]
        regions = bands(completed(read, many), making.shares)
    if style_masks and len(style_masks) != many:
        raise Mistake(
            f"{len(style_masks)} style masks for {many} styles; give one for each, white where all of it counts"
        )
    parts = [
        read_mask(one, (style.shape[2], style.shape[3]), "its style")[0, 0]
        for one, style in zip(style_masks, making.styles, strict=False)
    ]
    for i, part in enumerate(parts):
        if not part.any():
            raise Mistake(
                f"the mask of style {i + 1} is black all over, so nothing of it counts; white is where it does"
            )
    return replace(making, regions=regions, parts=parts)


def _read(network: Network, photo: Photo, called: str) -> Float[Tensor, "1 3 h w"]:
    """A picture, as the network is fed."""
    if is_film(photo):
        raise Mistake(f"{photo} is a film, and {called} has to be a picture; give one of its frames")
    return precise(open_photo(photo), working_dtype(network)).to(network.device)


def _last(photo: Float[Tensor, "1 3 h w"], side: int | None) -> Size:
    """(height, width) of the picture."""
    longer = max(photo.shape[2:])
    wanted = min(LONGER, longer) if side is None else side
    height, width = (max(8, round(wanted * one / longer)) for one in photo.shape[2:])
    return height, width


def _mixtures(layers: Sequence[float], content: float, grid: bool) -> list[Mixture]:
    """One, or those of a grid: rows take one layer more each, columns less and less content."""
    if not grid:
        return [Mixture(layers, content)]
    return [
        Mixture([*layers[: k + 1], *[0.0] * (len(layers) - k - 1)], content * ratio)
        for k in range(len(layers))
        for ratio in reversed(RATIOS)
    ]


def _cell(index: int, columns: int) -> str:
    return f"grid-{index // columns + 1}_{index % columns + 1}"


def _numbers(making: Making, step: Step, before: Float[Tensor, "1 3 h w"]) -> list[dict[str, Any]]:
    """What is to be said about each picture, of its 8 bits, all of it at the last size."""
    size, aim = making.sizes[-1], making.last
    pictures = nearest_levels(resized(step.pictures, size))
    content = of_code(aim.layer, aim.code)
    found = losses(making.network, aim.styles, content, pictures, replicated)
    begun = losses(making.network, aim.styles, content, resized(before, size), replicated)[0]
    return [
        {
            "layers": list(making.layers), "content layer": making.layer, "content": after["content"],
            "style": after["style"], "style at the start": begun["style"], "fall": fall(begun["style"], after["style"]),
            "weights": {"content": mixture.content, "style": list(mixture.layers)},
            **({"regions": _regions(making, after)} if len(making.regions) > 1 else {}),
            "smoothed": making.smooth, "sizes": [list(one) for one in making.sizes], "steps": step.index,
        }
        for after, mixture in zip(found, making.mixtures, strict=True)
    ]  # fmt: skip


def _regions(making: Making, after: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each region which styles are meant there, how much of the picture it is, and its style's distance by layer."""
    every = zip(making.regions, after["style by region"], strict=True)
    return [{"shares": list(band.shares), "part": float(band.where.mean()), "style": style} for band, style in every]


def _result(
    making: Making, photo: Float[Tensor, "1 3 h w"], pictures: Float[Tensor, "n 3 ph pw"], names: Sequence[str],
    numbers: list[dict[str, Any]], called: str,
) -> Result:  # fmt: skip
    """The pictures, beside the photograph and the styles."""
    before: list[Panel] = [("the photograph", photo)]
    many = len(making.styles)
    before += [("the style" if many == 1 else f"style {i + 1}", one.float().cpu())
               for i, one in enumerate(making.styles)]  # fmt: skip
    made: list[Panel] = [(_caption(one), picture[None]) for one, picture in zip(numbers, pictures, strict=True)]
    title = f"In the style of {called}, as {making.network.name} sees it"
    if len(pictures) == 1:
        return Result(pictures, names, numbers, [[*before, *made]], title, input=photo)
    cells = [(_cell_words(making, one), picture) for one, (_, picture) in zip(numbers, made, strict=True)]
    return Result(
        pictures, names, numbers, [[*before, one] for one in made], title, input=photo,
        drawing=figure(cells, title, columns=len(RATIOS), side=224),
    )  # fmt: skip


def _caption(numbers: dict[str, Any]) -> str:
    total = sum(numbers["style"].values()) / len(numbers["style"])
    return f"content {numbers['content']:.2g}; style {total:.2g} a layer, {numbers['fall']:.0f} times below the start's"


def _cell_words(making: Making, numbers: dict[str, Any]) -> str:
    """Of a cell of the grid: down to which layer, and how much content."""
    used = sum(weight > 0 for weight in numbers["weights"]["style"])
    return f"to {making.layers[used - 1]}; content {numbers['weights']['content']:.2g}"
