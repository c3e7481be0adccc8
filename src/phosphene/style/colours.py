"""Whose colours a stylized photograph has (Gatys et al. 2016, arXiv:1606.05897, "Preserving color")."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.pictures.recolouring import luma, with_chroma, with_covariance, with_histogram

Colours = Literal["style", "luminance", "histogram", "linear"]

FLAT = 1e-3
"""The least standard deviation of luma: a style of one brightness can't be stretched."""


def meant(
    photo: Float[Tensor, "1 3 h w"], styles: Sequence[Float[Tensor, "1 3 sh sw"]], colours: Colours
) -> tuple[Float[Tensor, "1 3 h w"], list[Float[Tensor, "1 3 sh sw"]]]:
    """The photograph and the styles as they are read: for luminance both are grey, the styles' as bright and as rich in
    contrast as the photograph's; else styles may take over the photograph's colours."""
    if colours == "luminance":
        grey = luma(photo)
        return _grey(grey), [_grey(_matched(luma(one), grey)) for one in styles]
    carried = {"histogram": with_histogram, "linear": with_covariance}
    return photo, [carried[colours](one, photo) if colours in carried else one for one in styles]


def shown_in(
    pictures: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"], colours: Colours
) -> Float[Tensor, "n 3 h w"]:
    """What is shown: where luminance alone was painted, the photograph's chroma is put back."""
    return with_chroma(pictures, photo) if colours == "luminance" else pictures


def _grey(one: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 3 h w"]:
    return one.expand(-1, 3, -1, -1).contiguous()


def _matched(style: Float[Tensor, "1 1 h w"], photo: Float[Tensor, "1 1 hh ww"]) -> Float[Tensor, "1 1 h w"]:
    """Luma with the mean and the deviation of the photograph's."""
    (m, s), (wanted, t) = ((x.mean(), x.std(correction=0)) for x in (style, photo))
    return torch.lerp(wanted, wanted + t, (style - m) / s.clamp(min=FLAT)).clamp(0, 1)
