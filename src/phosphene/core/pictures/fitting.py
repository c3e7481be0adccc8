"""Pictures at another size: fitted to a network, or for showing."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.pictures.eight_bit import fraction, levels

How = Literal["crop", "squash", "whole"]  # the ways to `fit`, for whoever lists them
MID_GREY = 128 / 255  # the 8-bit value next to one half


# Sizes


def fit(photo: Float[Tensor, "n c h w"], size: tuple[int, int], how: str = "crop") -> Float[Tensor, "n c fh fw"]:
    """`photo` at a network's size, rounded to 8 bits, so that a PNG of it holds the very pixels that were fed.

    A picture that already fits is only rounded. Scaling is bilinear and antialiased.

    Args:
        size: (height, width) in px.
        how: "crop" cuts the largest centred part of the right shape out and scales it (to within a pixel: shorter
            side to size, centre crop; in this order, a long strip needs no memory); "squash" scales both sides;
            "whole" scales the longer side and fills the rest with mid grey.
    Raises:
        Mistake: `how` is none of these, or the size is not positive.
    """
    if min(size) < 1:
        raise Mistake(f"a picture cannot be fitted to {size[0]} x {size[1]} pixels")
    match how:
        case "crop":
            fitted = _scale(_centre(photo, size), size)
        case "squash":
            fitted = _scale(photo, size)
        case "whole":
            fitted = _pad(_scale(photo, _inside((photo.shape[2], photo.shape[3]), size)), size)
        case _:
            near = did_you_mean(how, get_args(How))
            raise Mistake(f"a picture can be fitted by crop, squash or whole, not by '{how}'{near}")
    return fraction(levels(fitted), 255)


Box = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels, ends excluded; it may leave the picture."""


def fed_part(original: tuple[int, int], size: tuple[int, int], how: str) -> tuple[float, float, float, float]:
    """Where on a photograph the pixels lie that a network is fed: top and left of the first, how far they are apart.

    So what is fed at row r is `top + r * down` to `top + (r + 1) * down` of the photograph. The border that
    "whole" puts around it is beyond the photograph.

    Args:
        original: (height, width) of the photograph, in px.
        size: of what was made of it.
        how: as in `fit`.
    """
    if tuple(original) == tuple(size):
        return 0.0, 0.0, 1.0, 1.0
    if how == "squash":
        return 0.0, 0.0, original[0] / size[0], original[1] / size[1]
    if how == "whole":
        rows, columns = _inside(original, size)
        down, across = original[0] / rows, original[1] / columns
        return -((size[0] - rows) // 2) * down, -((size[1] - columns) // 2) * across, down, across
    top, left, rows, columns = _middle(original, size)
    return float(top), float(left), rows / size[0], columns / size[1]


def on_original(box: Box, original: tuple[int, int], size: tuple[int, int], how: str) -> Box:
    """A box of what a network is fed, on the photograph, to the nearest pixel and at least one each way."""
    top, left, down, across = fed_part(original, size, how)
    first, start = round(top + box[0] * down), round(left + box[1] * across)
    last, end = round(top + box[2] * down), round(left + box[3] * across)
    return first, start, max(last, first + 1), max(end, start + 1)


def resize(pictures: Float[Tensor, "n c h w"], size: tuple[int, int]) -> Float[Tensor, "n c rh rw"]:
    """Pictures at (height, width) px, for showing: bicubic, antialiased, overshoot clipped to [0, 1].

    Colours count as much as they are opaque, so that what can't be seen does not bleed into what can.
    """
    if tuple(pictures.shape[2:]) == tuple(size):
        return pictures
    if pictures.shape[1] == 4:
        colour, alpha = pictures[:, :3], pictures[:, 3:]
        scaled = F.interpolate(torch.cat([colour * alpha, alpha], 1), size, mode="bicubic", antialias=True)
        weight = scaled[:, 3:]
        return torch.cat([torch.where(weight > 0, scaled[:, :3] / weight, 0.0), weight], 1).clamp(0, 1)
    return F.interpolate(pictures, size, mode="bicubic", antialias=True).clamp(0, 1)


def enlarge(pictures: Float[Tensor, "n c h w"], factor: int) -> Float[Tensor, "n c eh ew"]:
    """Every pixel as a square of `factor` x `factor` pixels."""
    return pictures.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _centre(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest centred part with the proportions of `size`, in whole pixels."""
    top, left, rows, columns = _middle((photo.shape[2], photo.shape[3]), size)
    return photo[..., top : top + rows, left : left + columns]


def _middle(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where the largest centred part with the proportions of `size` is: top, left, rows, columns."""
    (height, width), (h, w) = original, size
    scale = min(height / h, width / w)
    rows, columns = (max(1, min(full, round(scale * part))) for full, part in ((height, h), (width, w)))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def _inside(original: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the proportions of the photo that `size` can hold."""
    (height, width), (h, w) = original, size
    scale = min(h / height, w / width)
    return max(1, round(scale * height)), max(1, round(scale * width))


def _scale(photo: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(photo.shape[2:]) == tuple(size):
        return photo
    return F.interpolate(photo, size, mode="bilinear", antialias=True)


def _pad(photo: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = size[0] - photo.shape[2], size[1] - photo.shape[3]
    sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(photo, sides, value=MID_GREY)
