"""Pictures from codes."""

from phosphene.inversion.invert import invert

__all__ = ["invert"]
