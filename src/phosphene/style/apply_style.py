"""A photograph, many, or a film through a style network: one pass each (Johnson et al. 2016, arXiv:1603.08155)."""

import os
import time
from collections.abc import Iterator
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, Photos, check_size, is_film, open_photo
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.style.feed_forward import THUMBNAIL, TILE, Loaded, loaded, painted, statistics_of, tiles
from phosphene.style.films import FilmStyle
from phosphene.style.style_net import larger

Fixed = Annotated[
    bool,
    Words("take the statistics of a whole shot for each frame of a film; otherwise each has its own, and they flicker"),
]


@recipe("picture")
def apply_style(
    network: Network,
    photos: Photo | Photos,
    *,
    model: Photo | None = None,
    thumbnail: Annotated[int, Bounds(16, 8192)] = THUMBNAIL,
    tile: Annotated[int, Bounds(16, 8192)] = TILE,
    fixed: Fixed = True,
) -> Run:
    """Paint PHOTO in the style that a network was trained on, in one pass (Johnson et al. 2016).

    Pictures keep their size, however large; several are made one by one. A film is made frame by frame. What
    `train-style --upscale` has trained makes pictures larger instead.

    Args:
        network: by whose device and precision it is done; what it sees does not matter.
        photos: a path, `skimage:NAME`, or pixels; or a film.
        model: a file that `phosphene train-style` wrote; by default the Starry Night that this package has.
        thumbnail: the longer side of the copy whose statistics all tiles of a larger picture share.
        tile: the sides of the tiles, in pixels; only how much memory it takes depends on it.
    """
    if model is not None and not isinstance(model, (str, os.PathLike)):
        raise Mistake(f"a style network is a file that train-style wrote, not a {type(model).__name__}")
    photo = _single(photos)
    style = loaded(model, network.device, working_dtype(network))
    if isinstance(photo, (str, os.PathLike)) and is_film(photo):
        return FilmStyle(network, Footage(photo), style, thumbnail, tile, fixed).reel()
    shown = open_photo(photo).float().cpu()
    return _of_photo(network, shown, style, thumbnail, tile)


def _single(photos: Photo | Photos) -> Photo:
    if isinstance(photos, (str, os.PathLike)) or not isinstance(photos, (list, tuple)):
        return photos
    if len(photos) != 1:
        raise Mistake(f"{len(photos)} photographs have sizes of their own; give one at a time, or use the command line")
    return photos[0]


def _of_photo(network: Network, shown: Float[Tensor, "1 3 h w"], style: Loaded, thumbnail: int, tile: int) -> Run:
    net, (height, width) = style.net, (shown.shape[2], shown.shape[3])
    times, parts = net.shape.upscale, tiles(net.shape, (height, width), tile)
    check_size((times * width, times * height), "what would be made of it")
    whole = precise(shown, working_dtype(network)).to(network.device)
    seconds = [0.0]

    def path() -> Iterator[Step]:
        began = time.monotonic()
        fixed = statistics_of(net, whole, thumbnail)
        for index, canvas in enumerate(painted(net, whole, fixed, tile), 1):
            seconds[0] = time.monotonic() - began
            yield Step(index, canvas, torch.zeros(1))

    def finish(step: Step) -> Result:
        made = step.pictures.float().cpu()
        numbers = {"model": style.name, "tiles": len(parts), "size": tuple(made.shape[2:]), "seconds": seconds[0]}
        before: Panel = ("the photograph", shown)
        if times > 1:
            before = (f"bicubic, {times} times", larger(shown, times).clamp(0, 1))
        words = f"in the style of {style.name}" if times == 1 else f"{style.name}, {times} times"
        panels: list[Panel] = [before, (words, made)]
        return Result(made, [style.name], [numbers], [panels], style.record.get("about", ""), input=shown)

    return Run(path(), total=len(parts), names=[style.name], finish=finish)
