"""What a picture must survive: T, from pictures to views and the picture that each view shows.

A transform is (pictures, rows, key) -> (views, of). What is random is drawn for each problem on its own, so a row of
a batch sees what it would see alone. Shifts, scalings and rotations are one resampling: every further one blurs.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.colours import coloured, decorrelated
from phosphene.core.optimization.parameterizations.fourier import falling

Transform = Callable[
    [Float[Tensor, "n c h w"], Int[Tensor, " n"], Key], tuple[Float[Tensor, "m d hh ww"], Int[Tensor, " m"]]
]
"""(pictures, rows, key) -> (views, the picture that each shows)."""


def as_is(pictures: Float[Tensor, "n c h w"], rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
    """One view of each picture: itself."""
    return pictures, torch.arange(len(pictures), device=pictures.device)


def compose(*transforms: Transform) -> Transform:
    """One after the other."""

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        views, of = as_is(pictures, rows, key)
        for index, one in enumerate(transforms):
            views, then = one(views, rows[of.to(rows.device)], key.child(index))
            of = of[then]
        return views, of

    return transform


def roll(distance: int) -> Transform:
    """Shift by up to `distance` pixels each way; what leaves on one side comes in on the other (DeepDream's jitter)."""

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        shifts = (key.integers(rows, 2, 2 * distance + 1) - distance).tolist()
        rolled = [x.roll(shift, (1, 2)) for x, shift in zip(pictures.unbind(), shifts, strict=True)]
        return torch.stack(rolled), torch.arange(len(pictures), device=pictures.device)

    return transform


def shake(
    *,
    pad: int = 0,
    jitter: int = 0,
    scale: tuple[float, float] = (1.0, 1.0),
    rotate: float = 0.0,
    border: Literal["grey", "reflect"] = "grey",
) -> Transform:
    """Pad, shift, scale and rotate at random, in one bilinear resampling.

    Args:
        pad: pixels of border around the picture.
        jitter: the view is `jitter` pixels smaller than the padded picture and lies anywhere in it (whole pixels).
        scale: the range of enlargements, drawn evenly.
        rotate: up to so many degrees either way.
        border: what is outside: grey .5, or the picture mirrored.
    The views are (h + 2 pad - jitter, w + 2 pad - jitter), whatever is drawn.
    """

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        n, _, height, width = pictures.shape
        numbers = key.uniform(rows, 4)
        shift = (numbers[:, :2] * (jitter + 1)).floor() - jitter / 2
        zoom = scale[0] + (scale[1] - scale[0]) * numbers[:, 2]
        angle = math.radians(rotate) * (2 * numbers[:, 3] - 1)
        out_height, out_width = height + 2 * pad - jitter, width + 2 * pad - jitter
        # from view to picture, in pixels from the middle: the inverse rotation and scaling, then the shift
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        rows_of = [
            torch.stack([cos * out_width / width, -sin * out_height / width, 2 * shift[:, 0] / width], 1),
            torch.stack([sin * out_width / height, cos * out_height / height, 2 * shift[:, 1] / height], 1),
        ]
        matrix = torch.stack(rows_of, 1).to(pictures.device, pictures.dtype)
        grid = F.affine_grid(matrix, [n, 3, out_height, out_width], align_corners=False)
        outside = "zeros" if border == "grey" else "reflection"
        middle = 0.5 if border == "grey" else 0.0
        views = F.grid_sample(pictures - middle, grid, "bilinear", outside, align_corners=False) + middle
        return views, torch.arange(n, device=pictures.device)

    return transform


def noisy(deviation: float) -> Transform:
    """Add white Gaussian noise of this standard deviation."""

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        noise = key.normal(rows, *pictures.shape[1:]).to(pictures.device, pictures.dtype)
        return pictures + deviation * noise, torch.arange(len(pictures), device=pictures.device)

    return transform


def crop(smallest: float, largest: float, side: int, spread: float = 0.15) -> Transform:
    """A square part of the picture, enlarged to `side` pixels (MaCo, Fel et al. 2023, arXiv:2306.06805).

    Args:
        smallest, largest: the part's side as a fraction of the picture's shorter one, drawn evenly.
        side: of the views, in pixels.
        spread: standard deviation of the part's middle about the picture's, as a fraction of the picture's sides; where
            a part leaves the picture, the picture is mirrored.
    """

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        n, channels, height, width = pictures.shape
        part = smallest + (largest - smallest) * key.uniform(rows, 1)[:, 0]
        middle = 2 * spread * key.child(0).normal(rows, 2)
        matrix = torch.zeros(n, 2, 3, dtype=torch.float64)
        matrix[:, 0, 0], matrix[:, 1, 1] = part * min(height / width, 1), part * min(width / height, 1)
        matrix[:, :, 2] = middle
        matrix = matrix.to(pictures.device, pictures.dtype)
        grid = F.affine_grid(matrix, [n, channels, side, side], align_corners=False)
        views = F.grid_sample(pictures, grid, "bilinear", "reflection", align_corners=False)
        return views, torch.arange(n, device=pictures.device)

    return transform


def several(many: int, transform: Transform) -> Transform:
    """So many views of each picture, each with numbers of its own."""

    def transformed(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        views, of = zip(*(transform(pictures, rows, key.child(i)) for i in range(many)), strict=True)
        return torch.cat(views), torch.cat(of)

    return transformed


def lucid() -> Transform:
    """Lucid's: pad 12, jitter 8 and 4, scale .9 to 1.1, rotate 10 degrees; a 128 px picture becomes a 140 px view.

    Lucid shifts twice and draws its scales from a list; here the shift is one of up to 12 and the scale continuous.
    """
    return shake(pad=12, jitter=12, scale=(0.9, 1.1), rotate=10)


def over_noise(contrast: float = 1.0, decay: float = 1.0) -> Transform:
    """Pictures with alpha over random backgrounds, another one at every step: (n, 4, h, w) to (n, 3, h, w).

    view = alpha x + (1 - alpha) b, b = sigmoid(C z): z is noise whose spectrum falls like 1 / frequency^decay, as that
    of photographs, scaled to a root mean square of `contrast` (Mordvintsev et al. 2018, doi:10.23915/distill.00012).
    Other transforms come after it.

    Raises (when called):
        Mistake: the pictures have no alpha.
    """

    def transform(pictures: Tensor, rows: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        if pictures.shape[1] != 4:
            raise Mistake(f"over_noise needs pictures with alpha, 4 channels, not {pictures.shape[1]}; see Transparent")
        size = pictures.shape[2], pictures.shape[3]
        scale = falling(size, decay).to(pictures)
        noise = key.normal(rows, 3, *scale.shape, 2).to(pictures.device, pictures.dtype)
        flat = torch.fft.irfft2(torch.view_as_complex(noise) * scale, s=size, norm="ortho")
        flat = contrast * flat / flat.square().mean((1, 2, 3), keepdim=True).sqrt()
        background = coloured(flat, decorrelated(pictures.dtype).to(pictures.device))
        colour, alpha = pictures[:, :3], pictures[:, 3:]
        return torch.lerp(background, colour, alpha), torch.arange(len(pictures), device=pictures.device)

    return transform
