"""Which pixels matter."""

from phosphene.attribution.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.lrp import lrp
from phosphene.attribution.occlusion import occlusion

METHODS = {f.about.name: f for f in (gradient, saliency, deconvnet, guided, lrp)} | {"occlusion": occlusion}

__all__ = ["METHODS", "deconvnet", "gradient", "guided", "lrp", "occlusion", "saliency"]
