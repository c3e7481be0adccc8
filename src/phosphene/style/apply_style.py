"""A photograph or a film through a style network: one pass each (Johnson et al. 2016, arXiv:1603.08155)."""

import os
import time
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, check_size, is_film, open_photo
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.style.feed_forward import THUMBNAIL, TILE, FeedForward, loaded
from phosphene.style.shots import FilmStyle
from phosphene.style.style_net import larger

CARRY = 0.5
"""What is painted anew into each frame is averaged over about three then, and stays sharp."""


@recipe("reading")
def apply_style(
    network: Network,
    photo: Photo,
    *,
    with_: Photo | None = None,
    thumbnail: Annotated[int, Bounds(16, 8192)] = THUMBNAIL,
    tile: Annotated[int, Bounds(16, 8192)] = TILE,
    statistics: Annotated[
        Literal["shot", "frame"],
        Words("of a film: those of the whole shot for each frame, or each its own, with which it flickers"),
    ] = "shot",
    carry: Annotated[
        float, Bounds(0, 0.95), Words("of a film: how much of each frame goes along from the one before")
    ] = CARRY,
) -> Run:
    """Paint PHOTO in the style that a network was trained on, in one pass (Johnson et al. 2016).

    Pictures keep their size, however large. What `train-style --upscale` has trained makes them larger instead.

    Args:
        network: on its device and in its precision it is done; what it sees does not matter.
        photo: a path, `skimage:NAME`, or pixels; or a film.
        with_: a file that `phosphene train-style` wrote; by default the Starry Night that comes with phosphene.
        thumbnail: the longer side of the copy whose statistics all parts of a larger picture share.
        tile: the sides of the parts, in pixels; only the memory that it takes depends on it.
    """
    if with_ is not None and not isinstance(with_, (str, os.PathLike)):
        raise Mistake(f"a style network is a file that train-style wrote, not a {type(with_).__name__}")
    how = FeedForward(loaded(with_, network.device, working_dtype(network)), thumbnail, tile)
    if isinstance(photo, (str, os.PathLike)) and is_film(photo):
        film = Footage(photo)
        _check(how, film.size)
        return FilmStyle(network, film, how, how.style.name, film.size, statistics == "shot", carry).reel()
    return _of_photo(network, how, open_photo(photo).float().cpu())


def _check(how: FeedForward, size: tuple[int, int]) -> None:
    """Raise a Mistake if what would be made is too large."""
    times = how.style.net.shape.upscale
    check_size((times * size[1], times * size[0]), "what would be made of it")


def _of_photo(network: Network, how: FeedForward, shown: Float[Tensor, "1 3 h w"]) -> Run:
    """The photograph in the style; its steps are tiles."""
    size, times, name = (shown.shape[2], shown.shape[3]), how.style.net.shape.upscale, how.style.name
    _check(how, size)
    whole, took = precise(shown, working_dtype(network)).to(network.device), [0.0]

    def path() -> Iterator[Step]:
        began = time.monotonic()
        for index, picture in enumerate(how.pictures(whole), 1):
            took[0] = time.monotonic() - began
            yield Step(index, picture, torch.zeros(1))

    def finish(step: Step) -> Result:
        made = step.pictures.float().cpu()
        numbers = how.told(step.index) | {"upscale": times, "seconds": round(took[0], 3)}
        before: Panel = ("the photograph", shown) if times == 1 else (f"bicubic, {times} times", larger(shown, times))
        panels: list[Panel] = [before, (name if times == 1 else f"{name}, {times} times", made)]
        return Result(made, [name], [numbers], [panels], f"{how.style.about}, in one pass", input=shown)

    return Run(path(), total=how.total(size), names=[name], finish=finish)
