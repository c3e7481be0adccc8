"""Pictures from codes."""

from phosphene.inversion.compare import compare_priors
from phosphene.inversion.invert import invert

__all__ = ["compare_priors", "invert"]
