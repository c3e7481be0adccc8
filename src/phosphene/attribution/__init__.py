"""Which pixels matter."""

from phosphene.attribution.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.occlusion import occlusion
from phosphene.attribution.patches import patches
from phosphene.attribution.segment import segment

METHODS = {f.__name__: f for f in (gradient, saliency, guided, deconvnet, occlusion)}

__all__ = ["METHODS", "deconvnet", "gradient", "guided", "occlusion", "patches", "saliency", "segment"]
