"""Between [0, 1] and the 256 levels of a file, to the last bit the same on every device."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake


def fraction(whole: Tensor, top: int) -> Tensor:
    """whole / top as float32, to the last bit the same on every device.

    Dividing by a Python number would be multiplying by its reciprocal on a GPU, which rounds differently.
    """
    values = whole.to(torch.float32)
    return values / values.new_tensor(top)


def precise(pictures: Float[Tensor, "n c h w"], dtype: torch.dtype) -> Float[Tensor, "n c h w"]:
    """Pictures in another precision; in float64 what was k / 255 in float32 is k / 255, not its rounding.

    That rounding moves a pixel across the kink of a rectifier, and a gradient there by a thousandth.
    """
    if dtype != torch.float64 or pictures.dtype == dtype:
        return pictures.to(dtype)
    whole = levels(pictures)
    eight_bit = fraction(whole, 255) == pictures
    exact = whole.to(dtype) / pictures.new_tensor(255, dtype=dtype)
    return torch.where(eight_bit, exact, pictures.to(dtype))


# Writing


def to_uint8(pictures: Float[Tensor, "n c h w"]) -> UInt8[np.ndarray, "n h w c"]:
    """Pixels 0 to 255, rounded to the nearest, clipped.

    Raises:
        Mistake: a value is nan or infinite, as after an optimization that has diverged.
    """
    pictures = pictures.detach().float()
    if not pictures.isfinite().all():
        raise Mistake("the picture has values that are not finite; the optimization has diverged, try smaller steps")
    return levels(pictures).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_pil(picture: Float[Tensor, "*one c h w"]) -> Image.Image:
    """One picture, (3, h, w) or (1, 3, h, w), as an RGB PIL image; with a fourth channel, alpha, as an RGBA one."""
    return Image.fromarray(np.ascontiguousarray(to_uint8(single(picture))[0]))


def levels(pictures: Tensor) -> Tensor:
    """[0, 1] to the nearest of 0, 1, ..., 255."""
    return (pictures.clamp(0, 1) * 255).round()


def nearest_levels(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """The nearest pictures of 8 bits, of pictures in [0, 1]: what they are once they are saved."""
    return (pictures * 255).round() / 255


def single(picture: Tensor) -> Float[Tensor, "1 c h w"]:
    """One picture with its batch's axis.

    Raises:
        Mistake: it is none, or several.
    """
    if picture.ndim == 3:
        picture = picture[None]
    if picture.ndim != 4 or picture.shape[:2] not in ((1, 3), (1, 4)):
        raise Mistake(f"one picture is (3, h, w) or (1, 3, h, w), not {tuple(picture.shape)}; grid() joins several")
    return picture
