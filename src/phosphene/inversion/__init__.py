"""Pictures from codes."""

from phosphene.inversion.invert import invert
from phosphene.inversion.metamers import metamers
from phosphene.inversion.privacy import privacy

__all__ = ["invert", "metamers", "privacy"]
