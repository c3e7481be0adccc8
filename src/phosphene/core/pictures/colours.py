"""Numbers as colours: heat maps, diverging colours, overlays, categories."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

# matplotlib's inferno at 0, 1/9, ..., 1 (Smith & van der Walt 2015), and ColorBrewer's RdBu with blue first.
INFERNO = "000004 1b0c42 4b0c6b 781c6d a52c60 cf4446 ed6925 fb9a06 f7d03c fcffa4"
BLUE_WHITE_RED = "2166ac 67a9cf d1e5f0 f7f7f7 fddbc7 ef8a62 b2182b"

# Okabe & Ito 2008: eight colours that people with any colour vision tell apart, each with a name.
PALETTE = (
    ("orange", "e69f00"), ("sky blue", "56b4e9"), ("green", "009e73"), ("yellow", "f0e442"),
    ("blue", "0072b2"), ("red", "d55e00"), ("pink", "cc79a7"), ("grey", "999999"),
)  # fmt: skip


def heat(
    values: Float[Tensor, "n h w"], signed: bool, scale: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Numbers as colours, each map on its own scale unless one is given.

    Args:
        signed: blue for negative, near white for 0, red for positive, symmetric about 0; otherwise from black for
            0 (and less) over purple and orange to yellow.
        scale: what is the strongest colour, for each map; by default its own (`scales`).
    """
    values = values.detach().float().nan_to_num()
    values = _divided(values, scale)
    if signed:
        return _coloured((values.clamp(-1, 1) + 1) / 2, BLUE_WHITE_RED)
    return _coloured(values.clamp(0, 1), INFERNO)


def categories(numbers: Int[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    """Whole numbers as the colours of `PALETTE`."""
    colours = torch.tensor([list(bytes.fromhex(colour)) for _, colour in PALETTE]) / 255
    return colours[numbers].permute(0, 3, 1, 2)


def overlay(
    photo: Float[Tensor, "n 3 h w"],
    values: Float[Tensor, "n vh vw"],
    alpha: float = 0.6,
    signed: bool = False,
    scale: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, "n 3 h w"]:
    """The heat map of `values`, scaled to the photo's size, over the photo in grey.

    Args:
        alpha: how much of the heat map there is, 0 to 1.
    """
    values = F.interpolate(values[:, None].float(), photo.shape[2:], mode="bilinear")[:, 0]
    return over(photo, heat(values, signed, scale), alpha)


def over(
    photo: Float[Tensor, "n 3 h w"], colours: Float[Tensor, "n 3 h w"], alpha: float = 0.6
) -> Float[Tensor, "n 3 h w"]:
    """Colours over the photo in grey, so that it shines through."""
    return (1 - alpha) * photo.mean(1, keepdim=True) + alpha * colours


def scales(values: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Where each map's scale ends: at the 99.5 % quantile of |values|, so that one wild pixel does not turn the rest
    dark; at their maximum where that is 0, and at 1 where there is nothing."""
    sizes = values.abs().flatten(1)
    rank = math.ceil(0.995 * sizes.shape[1])
    quantile, largest = sizes.kthvalue(rank, dim=1).values, sizes.amax(1)  # torch.quantile ends at 2^24 values
    scale = torch.where(quantile > 0, quantile, largest)
    return torch.where(scale > 0, scale, 1.0)


def _divided(values: Float[Tensor, "n ..."], scale: Float[Tensor, " n"] | None) -> Float[Tensor, "n ..."]:
    """Numbers over each map's scale, its own unless one is given."""
    return values / (scales(values) if scale is None else scale).view(-1, *[1] * (values.dim() - 1))


def _coloured(values: Float[Tensor, "n h w"], table: str) -> Float[Tensor, "n 3 h w"]:
    """[0, 1] to the colours of `table`, evenly spaced, linear in between."""
    colours = torch.tensor([list(bytes.fromhex(c)) for c in table.split()], device=values.device) / 255
    place = values * (len(colours) - 1)
    below = place.floor().long().clamp(max=len(colours) - 2)
    return torch.lerp(colours[below], colours[below + 1], (place - below)[..., None]).permute(0, 3, 1, 2).contiguous()


def scale_bar(signed: bool) -> Float[Tensor, "1 3 1 w"]:
    """-1 to 1 from black to white or, signed, from blue to red."""
    values = torch.linspace(-1, 1, 255)
    return signed_colours(values[None, None]) if signed else (0.5 + 0.5 * values).expand(1, 3, 1, -1)


def signed_colours(values: Float[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    """-1 to 1 as blue over near white to red."""
    return _coloured((values.clamp(-1, 1) + 1) / 2, BLUE_WHITE_RED)


def signed_picture(
    values: Float[Tensor, "n 3 h w"], scale: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Signed colours around mid grey, each picture on its own scale unless one is given."""
    return (0.5 + 0.5 * _divided(values.detach(), scale)).clamp(0, 1)


def grey_heat(values: Float[Tensor, "n h w"], scale: Float[Tensor, " n"] | None = None) -> Float[Tensor, "n 3 h w"]:
    """Sizes from black (0) to white, each map on its own scale unless one is given."""
    return _divided(values.detach(), scale).clamp(0, 1)[:, None].expand(-1, 3, -1, -1)
