"""Phases under a fixed magnitude spectrum: MACO (Fel et al. 2023, arXiv:2306.06805).

Where an object is and what it looks like is in the phases; how much there is of each scale is in the magnitudes, and
these are much alike in all photographs. With the magnitudes of photographs held fixed, an optimization can't run into
the high frequencies that natural pictures don't have.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.colours import coloured, decorrelated, uncoloured
from phosphene.core.optimization.parameterizations.traced import Traced

SPECTRUM = Path(__file__).with_name("spectrum.safetensors")


def natural_spectrum() -> Float[Tensor, "3 224 113"]:
    """The mean magnitude spectrum of 200 photographs at 224 px, at the places of rfft2 (`training/spectrum.py`).

    Of the channels that `Phase` optimizes, |rfft2(C^-1 logit(x))|. The file holds one quadrant, as a picture and its
    mirror image count alike, of the orthonormal transform, as float16 ends at 65504.
    """
    quadrant = load_file(SPECTRUM)["magnitude"].float()
    rows = torch.arange(2 * (quadrant.shape[1] - 1))
    return quadrant[:, torch.minimum(rows, len(rows) - rows)] * len(rows)


def resampled(magnitude: Float[Tensor, "3 rows half"], size: tuple[int, int]) -> Float[Tensor, "3 h wh"]:
    """A magnitude spectrum at another size: the same value at the same frequency in cycles per pixel, bilinear.

    An array of `half` columns is read as that of a picture 2 (half - 1) px wide, unless it has the right size already.
    (Horama resizes the array as if it were a picture, which shifts frequencies by up to half a place.)
    """
    height, width = size
    rows, half = magnitude.shape[1:]
    if (rows, half) == (height, width // 2 + 1):
        return magnitude
    place_y = torch.from_numpy(np.fft.fftfreq(height) * rows) % rows
    place_x = torch.from_numpy(np.fft.rfftfreq(width) * 2 * (half - 1))
    up, left = place_y.floor().long() % rows, place_x.floor().long()
    down, right = (up + 1) % rows, (left + 1).clamp(max=half - 1)
    y, x = (place_y % 1).to(magnitude)[:, None], (place_x % 1).to(magnitude)
    above = torch.lerp(magnitude[:, up][..., left], magnitude[:, up][..., right], x)
    below = torch.lerp(magnitude[:, down][..., left], magnitude[:, down][..., right], x)
    return torch.lerp(above, below, y)


def standardized(numbers: Tensor) -> Tensor:
    """(numbers - mean) / (standard deviation + .0001) of each row; Horama's, with Bessel's correction."""
    axes = tuple(range(1, numbers.dim()))
    return (numbers - numbers.mean(axes, keepdim=True)) / (numbers.std(axes, keepdim=True) + 1e-4)


class Phase(Traced):
    """Phases under a fixed magnitude spectrum (MACO, Fel et al. 2023, arXiv:2306.06805).

    x = sigmoid(C s(irfft2(magnitude exp(i s(theta))))), s: less the mean, over the standard deviation of the row. These
    are the formulas of its authors' Horama 0.3 (`maco_fv.py`), number by number, except that Horama maps (0, 1) on to
    the network's range. Phases start as N(0, 1).

    From a photograph, its own magnitudes are kept and its own phases optimized, with nothing standardized, so that the
    picture starts as the photograph (feature accentuation, Hamblin et al. 2024, arXiv:2402.10039; their faccent also
    lets magnitudes shrink, times a sigmoid that starts at .993).

    Args:
        problems: the identity of each picture for the random start.
        size: (height, width).
        start: photographs, (n, 3, h, w); clipped to [.002, .998], where the sigmoid can be inverted.
        magnitude: as torch.fft.rfft2(...).abs(), resampled to the picture's size; by default that of photographs.
    Raises:
        Mistake: both a start and a magnitude, or a magnitude that is none.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        start: Float[Tensor, "n 3 h w"] | None = None,
        magnitude: Float[Tensor, "3 rows half"] | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        height, width = size
        self.size = height, width
        self.colour = decorrelated(dtype).to(device)
        self.free = start is None
        if start is not None:
            if magnitude is not None:
                raise Mistake("a Phase got both a start and a magnitude; a photograph brings its own, give one of them")
            spectrum = torch.fft.rfft2(uncoloured(start.to(device, dtype), self.colour))
            self.magnitude, phase = spectrum.abs(), spectrum.angle()
        else:
            if magnitude is not None and not (magnitude.isfinite().all() and magnitude.min() >= 0):
                raise Mistake("a magnitude spectrum has numbers from 0 up, which are finite; give the spectrum's abs()")
            given = natural_spectrum() if magnitude is None else magnitude.cpu()
            self.magnitude = resampled(given, self.size).to(device, dtype)
            noise = Key(seed, problems).normal(torch.arange(len(problems)), 3, height, width // 2 + 1)
            phase = noise.to(device, dtype)
        self.parameters = [phase.requires_grad_()]

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        phase = standardized(self.parameters[0]) if self.free else self.parameters[0]
        spectrum = torch.complex(self.magnitude * phase.cos(), self.magnitude * phase.sin())
        flat = torch.fft.irfft2(spectrum, s=self.size)
        return coloured(standardized(flat) if self.free else flat, self.colour)

    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Impossible: other pictures have other magnitudes.

        Raises:
            Mistake: always.
        """
        raise Mistake(
            "a Phase can't be set to given pictures, whose magnitudes are not its own; "
            "start one from them with start=..., or use Fourier"
        )
