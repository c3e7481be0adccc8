"""A dream in the photograph's colours."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from phosphene.core.pictures.recolouring import with_chroma, with_histogram

Colours = Literal["dreamt", "chroma", "histogram"]


def coloured(
    dreamt: Float[Tensor, "n 3 h w"], photo: Float[Tensor, "1 3 h w"], colours: Colours
) -> Float[Tensor, "n 3 h w"]:
    """The dream with the photograph's chroma, or with its histogram in each colour; or as it was dreamt."""
    if colours == "chroma":
        return with_chroma(dreamt, photo)
    return with_histogram(dreamt, photo) if colours == "histogram" else dreamt
