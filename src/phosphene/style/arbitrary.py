"""Any style in one pass: a photograph's features get the statistics of a painting's, and are decoded again.

No optimization, and no training for a style: what is needed is a decoder for each layer, trained once
(`phosphene train-decoder`). Three ways to say what a style's statistics are: `adain`, `wct` and `transport`
(`style/transforms.py`).
"""

import math
import time
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Annotated, Literal, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Side, Words
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import LEAST_SIDE, Photo, Photos, PhotosInOrder, is_film, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.style import transforms
from phosphene.style.levels import levels
from phosphene.style.restyling import Restyling, summary
from phosphene.style.shares import numbers_in
from phosphene.style.shots import FilmStyle
from phosphene.style.transforms import Method

CARRY = 0.4
"""Of a film; what is painted anew into each frame is averaged over two or three then, and stays sharp."""

Strength = Annotated[float, Bounds(0, 1)]


class RestyleOptions(TypedDict, total=False):
    """What may be told besides."""

    layer: Annotated[
        str | Sequence[str] | None, Words("only these of the layers that have a decoder; by default all that are good")
    ]
    detail: Annotated[
        float, Bounds(0, 1),
        Words("how much of what decoders lose of the photograph is put back; 1 with ours, 0 with a network's own"),
    ]  # fmt: skip
    size: Annotated[Side, Words("the longer side of the picture; by default the photograph's own")]
    style_scale: Annotated[
        float, Bounds(0.1, 10), Words("how large strokes are; 1: as if a style had as many pixels as the picture (1)")
    ]
    shares: Annotated[str, Words("how much of each of several styles, with commas: 3,1; by default all the same")]
    statistics: Annotated[
        Literal["shot", "frame"], Words("of a film: one transform for each shot, or for each frame by itself (shot)")
    ]
    carry: Annotated[
        float, Bounds(0, 0.95), Words("of a film: how much of each frame goes along from the one before (0.4)")
    ]


@recipe("reading")
def adain(
    network: Network, photo: Photo, styles: PhotosInOrder, *, strength: Strength = 1.0,
    decoder: PhotosInOrder | None = None, **given: Unpack[RestyleOptions],
) -> Run:  # fmt: skip
    """Give each channel of PHOTO's features the mean and deviation of STYLE's (AdaIN).

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a film.
        styles: one or several pictures in the style.
        strength: how far; 0 decodes the photograph's own features.
        decoder: files that `phosphene train-decoder` wrote; by default the network's own, or those that come with it.
    """
    return _restyled(network, photo, styles, "adain", strength, decoder, given)


@recipe("reading")
def wct(
    network: Network, photo: Photo, styles: PhotosInOrder, *, strength: Strength = 0.6,
    decoder: PhotosInOrder | None = None, **given: Unpack[RestyleOptions],
) -> Run:  # fmt: skip
    """Whiten PHOTO's features and colour them with the covariance of STYLE's, level by level (WCT).

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a film.
        styles: one or several pictures in the style.
        strength: how far; 0 decodes the photograph's own features.
        decoder: files that `phosphene train-decoder` wrote; by default the network's own, or those that come with it.
    """
    return _restyled(network, photo, styles, "wct", strength, decoder, given)


@recipe("reading")
def transport(
    network: Network, photo: Photo, styles: PhotosInOrder, *, strength: Strength = 0.8,
    decoder: PhotosInOrder | None = None, **given: Unpack[RestyleOptions],
) -> Run:  # fmt: skip
    """Give PHOTO's features the covariance of STYLE's by moving them as little as possible (optimal transport).

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a film.
        styles: one or several pictures in the style.
        strength: how far; 0 decodes the photograph's own features.
        decoder: files that `phosphene train-decoder` wrote; by default the network's own, or those that come with it.
    """
    return _restyled(network, photo, styles, "transport", strength, decoder, given)


METHODS: dict[str, Method] = {
    "adain": transforms.adain, "wct": transforms.wct, "transport": transforms.transport,
}  # fmt: skip


def _restyled(
    network: Network, photo: Photo, styles: Photos, method: str, strength: float, decoder: Photos | None,
    given: RestyleOptions,
) -> Run:  # fmt: skip
    there = levels(network, decoder, given.get("layer"))
    shares = numbers_in(given.get("shares"), "shares", len(styles), "styles")
    film = Footage(photo) if isinstance(photo, (str, PathLike)) and is_film(photo) else None
    for name in ("statistics", "carry"):
        if film is None and name in given:
            raise Mistake(f"--{name} is about a film, and a photograph is given; leave it out")
    whole = _sized(open_photo(photo) if film is None else film.frame(0), given.get("size"))
    size = (whole.shape[2], whole.shape[3])
    paintings = [_exact(network, _style(one, size, given.get("style_scale", 1.0))) for one in styles]
    detail = given.get("detail", float(any(level.ours for level in there)))
    how = Restyling(there, paintings, shares, METHODS[method], strength, detail)
    if film is not None:
        pooled = given.get("statistics", "shot") == "shot"
        return FilmStyle(network, film, how, method, size, pooled, given.get("carry", CARRY)).reel()
    return _run(network, how, whole, method)


def _run(network: Network, how: Restyling, photo: Float[Tensor, "1 3 h w"], method: str) -> Run:
    """The photograph in the style; its steps are the levels."""
    took = [0.0]
    begun = _exact(network, photo)

    def path() -> Iterator[Step]:
        yield Step(0, begun, torch.zeros(1))
        began = time.monotonic()
        for index, picture in enumerate(how.pictures(begun), 1):
            took[0] += time.monotonic() - began
            yield Step(index, picture, torch.zeros(1))
            began = time.monotonic()

    def finish(step: Step) -> Result:
        content, style = how.losses(begun, step.pictures)
        numbers = {
            "layers": [level.layer for level in how.levels[: step.index]], "strength": how.strength,
            "detail": how.detail, "content loss": content, "style loss": style, "seconds": round(took[0], 3),
        }  # fmt: skip
        words = ["the style"] if len(how.styles) == 1 else [f"style {k}" for k in range(1, len(how.styles) + 1)]
        panels: list[Panel] = [("the photograph", photo)]
        panels += [(word, one.float().cpu()) for word, one in zip(words, how.styles, strict=True)]
        image = step.pictures.float().cpu()
        panels.append((f"{method}, strength {how.strength:g}; {summary(style)}", image))
        title = f"In another style, by the features of {network.name}"
        return Result(image, [method], [numbers], [panels], title, input=photo)

    return Run(path(), total=len(how.levels), names=[method], finish=finish)


def _exact(network: Network, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    return precise(picture, working_dtype(network)).to(network.device)


def _sized(photo: Float[Tensor, "1 3 h w"], side: int | None) -> Float[Tensor, "1 3 _ _"]:
    """The photograph with this longer side."""
    return photo if side is None else _scaled(photo, side / max(photo.shape[2:]))


def _scaled(photo: Float[Tensor, "1 3 h w"], by: float) -> Float[Tensor, "1 3 _ _"]:
    height, width = (max(round(side * by), LEAST_SIDE) for side in photo.shape[2:])
    return resize(photo, (height, width))


def _style(style: Photo, size: tuple[int, int], scale: float) -> Float[Tensor, "1 3 _ _"]:
    """A style with so many times the photograph's sides, as long as they would be if both had the same shape."""
    if is_film(style):
        raise Mistake(f"{style} is a film, and a style is a picture; give a frame of it")
    picture = open_photo(style)
    return _scaled(picture, scale * (math.prod(size) / math.prod(picture.shape[2:])) ** 0.5)
