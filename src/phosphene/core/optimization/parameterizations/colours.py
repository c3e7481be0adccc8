"""Between pictures and three independent channels that run from minus to plus infinity."""

import torch
from jaxtyping import Float
from torch import Tensor

COLOUR = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], dtype=torch.float64)
"""A square root of the covariance of colours in ImageNet (lucid, `param/color.py`)."""


def decorrelated(dtype: torch.dtype = torch.float32) -> Float[Tensor, "3 3"]:
    """From independent channels to red, green, blue: COLOUR over its largest column norm."""
    return (COLOUR / COLOUR.norm(dim=0).max()).to(dtype)


def coloured(flat: Float[Tensor, "n 3 h w"], colour: Float[Tensor, "3 3"]) -> Float[Tensor, "n 3 h w"]:
    """sigmoid(C flat): channels to pictures in (0, 1)."""
    return torch.einsum("dc,nchw->ndhw", colour, flat).sigmoid()


def uncoloured(pictures: Float[Tensor, "n 3 h w"], colour: Float[Tensor, "3 3"]) -> Float[Tensor, "n 3 h w"]:
    """Its inverse, of pictures clipped to [.002, .998], where the sigmoid can be inverted."""
    return torch.einsum("dc,nchw->ndhw", torch.linalg.inv(colour), pictures.clamp(0.002, 0.998).logit())
