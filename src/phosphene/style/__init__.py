"""Style: pictures with the content of one and the look of another, and textures."""

from phosphene.style.apply_style import apply_style
from phosphene.style.arbitrary import adain, transport, wct
from phosphene.style.stylize import stylize

__all__ = ["adain", "apply_style", "stylize", "transport", "wct"]
