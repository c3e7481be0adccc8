"""The recipe of a style network: what it looks at, its course, and its file."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from io import BytesIO
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import check_colours
from phosphene.core.optimization.training.pictures import Examples, resized
from phosphene.core.pictures.eight_bit import to_pil
from phosphene.core.pictures.files import Photo, is_film, open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import grid
from phosphene.style.feed_forward import net_bytes
from phosphene.style.layers import content_layer, style_layers
from phosphene.style.style_net import Shape, StyleNet, larger
from phosphene.style.training import Course, Look, StyleTraining, smaller
from phosphene.style.training_measures import measured, measured_larger

SEEN, EPOCHS = 8000, (2, 200)
"""Pictures in all, and from how many to how many epochs they may take. The paper's network saw 80,000 twice."""

MEASURED = 16
"""Held-out pictures by which epochs are told apart."""

SHAPES = {1: Shape(), 2: Shape(halvings=0, doublings=1), 4: Shape(halvings=0, doublings=2),
          8: Shape(halvings=0, doublings=3)}  # fmt: skip
"""Of the network by how many times as large it makes pictures."""

PREVIEWED = 4
"""Held-out pictures that the preview shows."""


def look(
    network: Network, styles: Sequence[Photo], side: int, shares: Sequence[float] = (),
    content: str | None = None, layers: Sequence[str] = (),
) -> Look:  # fmt: skip
    """What a training looks at.

    Args:
        styles: pictures; none, where pictures are only to become larger.
        side: the longer side at which they are read: the smaller, the finer its strokes are in what is made.
        shares: of several styles.
        content: the layer of the content; by default one that sees about what VGG's relu4_2 does, or, without a style,
            the first one of the style's.
        layers: of the style; by default up to five, from fine to coarse.
    Raises:
        Mistake: a film, or an unknown layer; or pictures for the network have other than three colours.
    """
    check_colours(network)
    found = []
    for one in styles:
        if is_film(one):
            raise Mistake(f"{one} is a film, and a style is a picture; give a frame of it")
        picture = open_photo(one)
        scale = side / max(picture.shape[2:])
        height, width = (max(round(scale * length), 1) for length in picture.shape[2:])
        found.append(resize(picture, (height, width)))
    names = list(layers) or style_layers(network)
    chosen = content or (content_layer(network) if styles else names[min(1, len(names) - 1)])
    return Look.of(network, chosen, names, found, shares)


def course(
    network: Network, many: int, own: int, *, upscale: int = 1, side: int = 160, epochs: int | None = None,
    rate: float = Course.peak, content_weight: float | None = None, tv: float | None = None, flip: bool = True,
    batch: int = 4,
) -> Course:  # fmt: skip
    """How a style network is trained.

    Args:
        many: pictures of an epoch.
        own: the side of the pictures as they come.
        upscale: how many times as large it makes pictures.
        side: of the squares that are seen; a network of one size has its own.
    Raises:
        Mistake: the squares can't be made smaller that often.
    """
    side = max(network.size) if network.fixed else side
    if side % upscale:
        raise Mistake(f"squares of {side} px can't be made {upscale} times smaller; give a --size that can")
    if epochs is None:
        epochs = min(max(round(SEEN / many), EPOCHS[0]), EPOCHS[1])
    steps = max(epochs * many // batch, 1)
    return Course(
        (side,) * epochs, crops=(max(round(0.6 * own), 1), own), peak=rate, flip=flip, batch=batch,
        content_weight=(Course.content_weight if upscale == 1 else 1.0) if content_weight is None else content_weight,
        tv=(Course.tv if upscale == 1 else 0.0) if tv is None else tv,
        decay=max(1 - 20 / steps, 0.5) if steps < 1000 else 0.98,
    )  # fmt: skip


def best_net(training: StyleTraining) -> StyleNet:
    """The best network so far, as its file holds it."""
    with torch.random.fork_rng(devices=[]):
        net = StyleNet(training.shape)
    net.load_state_dict({name: value.half().float() for name, value in training.best[1].items()})
    return net.eval().requires_grad_(False)


def net_file(training: StyleTraining, photos: Examples | None = None, about: str = "", **more: Any) -> bytes:
    """The best network so far as a file, whose header says how it was made and what it is worth.

    Args:
        photos: to measure it on; those that it was not trained on. None leaves the measurement out.
        about: what it does.
        more: for the record of the training.
    """
    record, net = net_record(training, about, **more), best_net(training)
    if photos is not None:
        x = resized(photos.pictures, training.course.sides[-1])
        kind: Callable[..., dict[str, Any]] = measured if training.shape.upscale == 1 else measured_larger
        record |= {"measured on": len(x), "measured": kind(net, training.look, training.course, x)}
    return net_bytes(net, record)


def net_record(training: StyleTraining, about: str = "", **more: Any) -> dict[str, Any]:
    """What stands in the header."""
    best, course, seen = training.best_epoch, training.course, training.look
    assert best is not None
    made = {
        "network": seen.network.name, "sha256": seen.identity["the network"], "content layer": seen.content,
        "style layers": [one.layer for one in seen.styles], "content weight": course.content_weight, "tv": course.tv,
        "pictures": len(training.examples.labels), "held out": len(training.held.labels), "seed": training.seed,
        "size": course.sides[-1], "epochs": len(training.epochs), "kept epoch": best.number, "rate": course.peak,
        "batch": course.batch, "held-out loss": round(best.held, 5), "phosphene": version("phosphene"),
    }  # fmt: skip
    return {"about": about or training.name, "training": made | more}


def preview(training: StyleTraining) -> bytes:
    """A PNG of some held-out pictures, and below what the best network so far makes of them."""
    x = resized(training.held.pictures[:PREVIEWED], training.course.sides[-1])
    times, net = training.shape.upscale, best_net(training)
    given = smaller(x, times)
    with torch.no_grad():
        y = net(given)
    buffer = BytesIO()
    to_pil(sheet([x if times == 1 else larger(given, times), y])).save(buffer, "png")
    return buffer.getvalue()


def sheet(rows: Sequence[Float[Tensor, "n 3 h w"]]) -> Float[Tensor, "1 3 gh gw"]:
    """Rows of pictures."""
    return grid(torch.cat(list(rows)), len(rows[0]))
