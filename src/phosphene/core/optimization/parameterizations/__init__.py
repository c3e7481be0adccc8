"""Pictures as a function of parameters: x(theta).

The same objective leads to different pictures in different coordinates, because steepest descent depends on them
(Olah et al. 2017, doi:10.23915/distill.00007, "preconditioning"; Mordvintsev et al. 2018, doi:10.23915/distill.00012,
"Differentiable image parameterizations"). One file per idea; each is an `Image` (core/optimization/engine.py).
"""

from phosphene.core.optimization.parameterizations.colours import COLOUR, decorrelated
from phosphene.core.optimization.parameterizations.cppn import CPPN
from phosphene.core.optimization.parameterizations.fourier import Fourier
from phosphene.core.optimization.parameterizations.hourglass import DeepPrior
from phosphene.core.optimization.parameterizations.laplacian import Laplacian
from phosphene.core.optimization.parameterizations.natural import Natural
from phosphene.core.optimization.parameterizations.phase import Phase, natural_spectrum
from phosphene.core.optimization.parameterizations.pixels import Pixels
from phosphene.core.optimization.parameterizations.shared import Shared
from phosphene.core.optimization.parameterizations.transparent import Transparent

__all__ = [
    "COLOUR",
    "CPPN",
    "DeepPrior",
    "Fourier",
    "Laplacian",
    "Natural",
    "Phase",
    "Pixels",
    "Shared",
    "Transparent",
    "decorrelated",
    "natural_spectrum",
]
