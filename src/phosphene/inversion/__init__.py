"""Pictures from codes."""

from phosphene.inversion.invert import invert
from phosphene.inversion.metamers import metamers

__all__ = ["invert", "metamers"]
