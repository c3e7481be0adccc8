"""Coefficients of the Fourier transform that begin as what photographs have of each frequency and colour."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.parameterizations.fourier import Fourier
from phosphene.core.optimization.parameterizations.phase import natural_spectrum, resampled

SIDE = 224
"""px, of the photographs that the spectrum is of."""

COLOURS = 1.5
"""How much further the two channels of colour go than brightness, beside lucid's matrix: networks look at brightness
first, and what a code says only faintly comes last, or never."""


class Natural(Fourier):
    """`Fourier` coefficients whose start is noise with the mean magnitude spectrum of photographs (`natural_spectrum`).

    x = sigmoid(C irfft2(theta s)), s as in `Fourier`, times `COLOURS` in the two channels of colour; theta s starts as
    N(0, deviation^2) times the spectrum over sqrt(pi / 2): a deviation of 1 is as strong as photographs are. The mean
    of each channel starts at 0, grey: codes say little about it, and it would stay whatever it was drawn.
    """

    def _spectrum(self, decay: float) -> Float[Tensor, "3 h half"]:
        return super()._spectrum(decay) * torch.tensor([1.0, COLOURS, COLOURS], dtype=torch.float64).view(3, 1, 1)

    def _begun(self, noise: Float[Tensor, "n 3 h half 2"]) -> Float[Tensor, "n 3 h half 2"]:
        strength = resampled(natural_spectrum(), self.size).double() / SIDE / math.sqrt(math.pi / 2)
        begun = noise * (strength / self.scale.cpu().double())[..., None]
        begun[:, :, 0, 0] = 0
        return begun
