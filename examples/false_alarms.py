"""What a detector's false alarm looks like: `python examples/false_alarms.py PHOTO... [--out false-alarms.png]`.

A linear detector of faces is trained on HOG of the hundred small faces that scikit-image brings, and of windows of
photographs without faces. Then it looks for faces in other photographs without any. Its worst mistakes seem absurd, as
windows; as codes, inverted, they are what it was taught to find (Vondrick et al. 2013, "HOGgles",
doi:10.1109/ICCV.2013.8). A better classifier would not help: two windows of one code get one answer.

The photographs are halves: in the first ones windows are other things to learn from, in the last ones it searches.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from skimage import data
from torch import Tensor

import phosphene
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.pictures.writing import save_png

HOG = "hog:8x8x9?votes=soft&channels=1"
WINDOW = 64  # px: eight cells, seven blocks
SIZES = (64, 90, 128, 180)  # px of a face that is looked for
LEARNT = ("brick", "grass", "gravel", "coffee", "text", "moon", "retina")
SEARCHED = ("chelsea", "rocket", "hubble_deep_field", "clock", "horse", "immunohistochemistry", "page")


@dataclass(frozen=True)
class Alarm:
    """A window that is taken for a face: how surely, which photograph's, and its pixels."""

    score: float
    photo: str
    window: Tensor


def codes(network: phosphene.Network, pictures: Tensor) -> Tensor:
    """The HOG of pictures, (n, values, rows, columns)."""
    with torch.no_grad():
        return torch.cat([network.read(some, ["blocks"])["blocks"].cpu() for some in pictures.split(64)])


def faces() -> Tensor:
    """The faces and their mirror images, (200, 3, 64, 64)."""
    small = torch.from_numpy(data.lfw_subset()[:100]).float()[:, None].expand(-1, 3, -1, -1)
    large = resize(small, (WINDOW, WINDOW)).clamp(0, 1)
    return torch.cat([large, large.flip(3)])


def pyramid(photo: Tensor) -> list[Tensor]:
    """The photograph at sizes at which a face that is looked for is as large as the window."""
    height, width = photo.shape[2:]
    scaled = [resize(photo, (round(height * WINDOW / s), round(width * WINDOW / s))) for s in SIZES]
    return [one for one in scaled if min(one.shape[2:]) >= WINDOW]


def other_codes(network: phosphene.Network, photos: Sequence[Tensor], stride: int = 3) -> Tensor:
    """The codes of windows of photographs, every third cell, one a row."""
    found = []
    for photo in photos:
        for one in pyramid(photo):
            windows = codes(network, one).unfold(2, 7, stride).unfold(3, 7, stride)
            found.append(windows.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).flatten(1))
    return torch.cat(found)


def detector(positive: Tensor, negative: Tensor, decay: float = 1.0) -> tuple[Tensor, float]:
    """Weights and threshold of ridge regression to +1 and -1, in which both kinds weigh the same."""
    x = torch.cat([positive, negative]).double()
    x = torch.cat([x, torch.ones(len(x), 1).double()], 1)
    y = torch.cat([torch.ones(len(positive)), -torch.ones(len(negative))]).double()
    weights = torch.cat([torch.full((len(one),), 1 / len(one)).double() for one in (positive, negative)])
    ridge = decay / len(positive) * torch.eye(x.shape[1]).double()
    ridge[-1, -1] = 0  # the threshold is free
    found = torch.linalg.solve(x.T @ (weights[:, None] * x) + ridge, x.T @ (weights * y))
    return found[:-1].float(), float(found[-1])


def alarms(network: phosphene.Network, weights: Tensor, bias: float, name: str, photo: Tensor) -> Alarm:
    """The window of a photograph that is most taken for a face; the detector is a convolution over blocks."""
    best = Alarm(-torch.inf, name, photo)
    for one in pyramid(photo):
        blocks = codes(network, one)
        scores = torch.nn.functional.conv2d(blocks, weights.view(1, blocks.shape[1], 7, 7))[0, 0] + bias
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        window = one[..., 8 * row : 8 * row + WINDOW, 8 * column : 8 * column + WINDOW]
        best = max(best, Alarm(float(scores.max()), name, window), key=lambda alarm: alarm.score)
    return best


def remembered(network: phosphene.Network, window: Tensor, steps: int = 100) -> Tensor:
    """What the code of a window looks like, its contrast drawn out: HOG does not know it."""
    made = phosphene.invert(network, window[0], fit="whole", steps=steps, tv=0.05, optimizer="lbfgs")
    return (0.5 + 0.18 * (made.image - made.image.mean()) / made.image.std()).clamp(0, 1)


def main(photos: Sequence[str], out: str, *, many: int = 5, steps: int = 100) -> list[Alarm]:
    """Train, search, and draw the worst false alarms beside a face."""
    network = phosphene.load(HOG)
    opened = {Path(name).stem.removeprefix("skimage:"): open_photo(name) for name in photos}
    learnt, searched = list(opened.values())[: len(opened) // 2], dict(list(opened.items())[len(opened) // 2 :])
    positive = codes(network, faces()).flatten(1)
    weights, bias = detector(positive, other_codes(network, learnt))
    found = sorted((alarms(network, weights, bias, *one) for one in searched.items()), key=lambda a: -a.score)[:many]
    face = faces()[:1]
    own = float(codes(network, face).flatten(1)[0] @ weights + bias)
    shown = [Alarm(own, "a face", face), *found]
    strips = [
        Strip("windows, and how surely each is a face", [(f"{a.photo}: {a.score:+.2f}", a.window) for a in shown]),
        Strip("their codes, inverted", [("", remembered(network, a.window, steps)) for a in shown]),
    ]
    title = "False alarms of a face detector, and what it saw"
    save_png(rows(strips, title, f"a linear detector over {HOG}; +1 is a face, -1 is none", len(shown), 190), Path(out))
    return found


if __name__ == "__main__":
    given = sys.argv[1:]
    place = given.index("--out") if "--out" in given else len(given)
    chosen = given[:place] + given[place + 2 :] or [f"skimage:{name}" for name in LEARNT + SEARCHED]
    for alarm in main(chosen, given[place + 1] if place < len(given) else "false-alarms.png"):
        print(f"{alarm.score:+.2f}  {alarm.photo}")
