"""Coefficients of the Fourier transform: every step moves all scales at once, the coarse ones furthest."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.colours import coloured, decorrelated, uncoloured
from phosphene.core.optimization.parameterizations.traced import Traced


def falling(size: tuple[int, int], decay: float) -> Float[Tensor, "h half"]:
    """1 / max(frequency, 1 / side)^decay at the places of rfft2, frequencies in cycles per pixel, float64."""
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    return torch.from_numpy(1 / np.maximum(frequency, 1 / max(height, width)) ** decay)


class Fourier(Traced):
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
        self.scale = self._spectrum(decay).to(device, dtype)
        self.colour = decorrelated(dtype).to(device)
        if start is None:
            noise = Key(seed, problems).normal(torch.arange(len(problems)), 3, *self.scale.shape[-2:], 2)
            parameter = (deviation * self._begun(noise)).to(device, dtype)
        else:
            parameter = self.coefficients(uncoloured(start.to(device, dtype), self.colour))
        self.parameters = [parameter.requires_grad_()]

    def _spectrum(self, decay: float) -> Float[Tensor, "*colours h half"]:
        """What coefficients are multiplied by, under an orthonormal transform."""
        return falling(self.size, decay) / 4  # as in lucid; sqrt(h w) is inside the transform's "ortho" normalization

    def _begun(self, noise: Float[Tensor, "n 3 h half 2"]) -> Float[Tensor, "n 3 h half 2"]:
        """What of the noise it begins with."""
        return noise

    def coefficients(self, flat: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h half 2"]:
        """The parameters of these channels."""
        return torch.view_as_real(torch.fft.rfft2(flat, norm="ortho") / self.scale).contiguous()

    def channels(self) -> Float[Tensor, "n 3 h w"]:
        """What the colours and the sigmoid are applied to."""
        spectrum = torch.view_as_complex(self.parameters[0]) * self.scale
        return torch.fft.irfft2(spectrum, s=self.size, norm="ortho")

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        return coloured(self.channels(), self.colour)

    @torch.no_grad()
    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to the coefficients of these pictures."""
        self.parameters[0][rows.to(pictures.device)] = self.coefficients(uncoloured(pictures, self.colour))
