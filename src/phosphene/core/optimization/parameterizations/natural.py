"""Coefficients of the Fourier transform, in units of what photographs have of each frequency and colour."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.parameterizations.fourier import Fourier
from phosphene.core.optimization.parameterizations.phase import natural_spectrum, resampled

SIDE = 224
"""px, of the photographs that the spectrum is of."""

COLOURS = 2.0
"""How much further the two channels of colour go than they do in photographs: networks look at brightness first, and
what a code says only faintly comes last, or never."""


class Natural(Fourier):
    """`Fourier` under the mean magnitude spectrum of photographs in place of a falling line.

    x = sigmoid(C irfft2(theta s)), s the spectrum (`natural_spectrum`) over sqrt(pi / 2), times `COLOURS` in the two
    channels of colour: coefficients of N(0, 1) are noise as strong as photographs are. So the shortest theta that meets
    a code is the likeliest of those pictures, if photographs were normally distributed (a Wiener filter's prior), and
    that is about where descent from a short one ends, as what a code does not hold stays where it was.

    Its arguments are those of `Fourier`; there is no decay.
    """

    def _spectrum(self, decay: float) -> Float[Tensor, "3 h half"]:
        orthonormal = resampled(natural_spectrum(), self.size).double() / SIDE
        return orthonormal / math.sqrt(math.pi / 2) * torch.tensor([1.0, COLOURS, COLOURS]).view(3, 1, 1)
