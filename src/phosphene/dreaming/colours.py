"""A dream in the photograph's colours."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Colours = Literal["dreamt", "chroma", "histogram"]

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def coloured(
    dreamt: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"], colours: Colours
) -> Float[Tensor, "n 3 h w"]:
    """The dream with the photograph's chroma, or with its histogram in each colour; or as it was dreamt.

    Chroma: what luma (BT.601) has changed is added to the photograph, so that what is left of its colours, red and blue
    less luma, stays. Histogram: in each colour the k-th darkest pixel gets the k-th darkest value of the photograph.
    """
    photo = photo.to(dreamt)
    if colours == "chroma":
        weights = dreamt.new_tensor(LUMA).view(1, 3, 1, 1)
        return (photo + (weights * (dreamt - photo)).sum(1, keepdim=True)).clamp(0, 1)
    if colours == "histogram":
        values = photo.flatten(2).sort(2).values.expand(len(dreamt), -1, -1)
        ranks = dreamt.flatten(2).argsort(dim=2, stable=True)
        return torch.empty_like(dreamt.flatten(2)).scatter_(2, ranks, values).view_as(dreamt)
    return dreamt
