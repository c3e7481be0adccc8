"""Pictures from codes."""

from phosphene.inversion.compare import compare_priors
from phosphene.inversion.invert import invert
from phosphene.inversion.metamers import metamers
from phosphene.inversion.privacy import privacy

__all__ = ["compare_priors", "invert", "metamers", "privacy"]
