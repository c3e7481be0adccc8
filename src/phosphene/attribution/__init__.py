"""Which pixels matter."""

from phosphene.attribution.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.occlusion import occlusion

METHODS = {f.about.name: f for f in (gradient, saliency, deconvnet, guided)} | {"occlusion": occlusion}

__all__ = ["METHODS", "deconvnet", "gradient", "guided", "occlusion", "saliency"]
