"""Pictures with holes: what a unit does not care about becomes transparent."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import check_range
from phosphene.core.optimization.engine import Parameterization
from phosphene.core.optimization.parameterizations.fourier import falling
from phosphene.core.optimization.parameterizations.traced import Traced


class _Grey(Traced):
    """sigmoid(irfft2(theta / max(frequency, 1 / side)^decay) sqrt(h w) / 4): `Fourier` with one channel."""

    def __init__(self, like: Float[Tensor, "n 3 h w"], value: float, decay: float) -> None:
        self.size = like.shape[2], like.shape[3]
        self.scale = (falling(self.size, decay) / 4).to(like)
        flat = torch.full_like(like[:, :1], math.log(value / (1 - value)))
        self.parameters = [self.coefficients(flat).requires_grad_()]

    def coefficients(self, flat: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h half 2"]:
        return torch.view_as_real(torch.fft.rfft2(flat, norm="ortho") / self.scale).contiguous()

    def _drawn(self) -> Float[Tensor, "n 1 h w"]:
        spectrum = torch.view_as_complex(self.parameters[0]) * self.scale
        return torch.fft.irfft2(spectrum, s=self.size, norm="ortho").sigmoid()


class Transparent:
    """Another parameterization's pictures and how opaque they are: (n, 4, h, w), red, green, blue, alpha.

    alpha = sigmoid of Fourier coefficients, as in `Fourier` but grey (Mordvintsev et al. 2018,
    doi:10.23915/distill.00012, "Transparency"). For an objective that sees backgrounds through them
    (`transforms.over_noise`) and prefers holes (`priors.opacity`), the picture keeps what matters.

    Args:
        image: the colours.
        opacity: alpha at the start, everywhere the same, between .002 and .998.
        decay: how much low frequencies are preferred in alpha.
    Raises:
        Mistake: opacity is out of its range.
    """

    def __init__(self, image: Parameterization, *, opacity: float = 0.5, decay: float = 1.0) -> None:
        check_range("opacity", opacity, 0.002, 0.998)
        self.image = image
        self.alpha = _Grey(image().detach(), opacity, decay)
        self.parameters = [*image.parameters, *self.alpha.parameters]

    def __call__(self) -> Float[Tensor, "n 4 h w"]:
        return torch.cat([self.image(), self.alpha()], 1)

    def pull(self, gradient: Float[Tensor, "n 4 h w"]) -> list[Tensor]:
        """The colours' part to the image, alpha's to its coefficients."""
        return [*self.image.pull(gradient[:, :3]), *self.alpha.pull(gradient[:, 3:])]

    @torch.no_grad()
    def assign(self, pictures: Float[Tensor, "n 4 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to these pictures, alpha clipped to [.002, .998].

        Raises:
            Mistake: the colours' parameterization can't be set to pictures.
        """
        self.image.assign(pictures[:, :3], rows)
        flat = pictures[:, 3:].clamp(0.002, 0.998).logit()
        self.alpha.parameters[0][rows.to(pictures.device)] = self.alpha.coefficients(flat)
