"""Pictures as a function of parameters: x(theta).

The same objective leads to different pictures in different coordinates, because steepest descent depends on them
(Olah et al. 2017, doi:10.23915/distill.00007, "preconditioning").
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.engine import Draw

COLOUR = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], dtype=torch.float64)
"""A square root of the covariance of colours in ImageNet (lucid, `param/color.py`)."""


def decorrelated(dtype: torch.dtype = torch.float32) -> Float[Tensor, "3 3"]:
    """From independent channels to red, green, blue: COLOUR over its largest column norm."""
    return (COLOUR / COLOUR.norm(dim=0).max()).to(dtype)


class Pixels:
    """The pixels themselves, (n, 3, h, w) in [0, 1]."""

    def __init__(self, pictures: Float[Tensor, "n 3 h w"]) -> None:
        self.parameters = [pictures.detach().clone()]

    def __call__(self) -> Float[Tensor, "n 3 h w"]:
        return self.parameters[0].clone()  # pictures that were handed out don't change with the next update

    def pull(self, slope: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """The slope itself."""
        return [slope]

    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to these pictures."""
        self.parameters[0][rows.to(pictures.device)] = pictures


class Fourier:
    """Coefficients of the Fourier transform in decorrelated colours, through a sigmoid (lucid, `param/spatial.py`).

    x = sigmoid(C irfft2(theta / max(frequency, 1 / side)^decay) sqrt(h w) / 4); coefficients start as N(0, .01^2).

    Args:
        problems: the identity of each picture for the random start.
        size: (height, width).
        decay: how much low frequencies are preferred; natural spectra fall like 1 / frequency.
        start: pictures to start from instead, (n, 3, h, w); clipped to [.002, .998], where the sigmoid can be inverted.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        decay: float = 1.0,
        deviation: float = 0.01,
        start: Float[Tensor, "n 3 h w"] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        height, width = size
        self.size = height, width
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
        scale = 1 / np.maximum(frequency, 1 / max(height, width)) ** decay
        # /4 as in lucid; sqrt(h w) is inside the transform's "ortho" normalization
        self.scale = torch.from_numpy(scale / 4).to(device, dtype)
        self.colour = decorrelated(dtype).to(device)
        if start is None:
            noise = Draw(seed, -1, problems).normal(torch.arange(len(problems)), 3, *scale.shape, 2)
            parameter = (deviation * noise).to(device, dtype)
        else:
            parameter = self._coefficients(start.to(device, dtype))
        self.parameters = [parameter.requires_grad_()]
        self._pictures: Tensor | None = None

    def _coefficients(self, pictures: Float[Tensor, "n 3 h w"]) -> Tensor:
        flat = torch.einsum("dc,nchw->ndhw", torch.linalg.inv(self.colour), pictures.clamp(0.002, 0.998).logit())
        spectrum = torch.fft.rfft2(flat, norm="ortho") / self.scale
        return torch.view_as_real(spectrum).contiguous()

    def __call__(self) -> Float[Tensor, "n 3 h w"]:
        with torch.enable_grad():
            spectrum = torch.view_as_complex(self.parameters[0]) * self.scale
            flat = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
            self._pictures = torch.einsum("dc,nchw->ndhw", self.colour, flat).sigmoid()
        return self._pictures

    def pull(self, slope: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Back through the sigmoid, the colours and the transform."""
        assert self._pictures is not None
        return list(torch.autograd.grad(self._pictures, self.parameters, slope.to(self._pictures)))

    @torch.no_grad()
    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to the coefficients of these pictures."""
        self.parameters[0][rows.to(pictures.device)] = self._coefficients(pictures)
