"""Which pixels matter."""

from phosphene.attribution.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.lrp import lrp
from phosphene.attribution.occlusion import occlusion
from phosphene.attribution.rollout import rollout

METHODS = {f.about.name: f for f in (gradient, saliency, deconvnet, guided, lrp, rollout)} | {"occlusion": occlusion}

__all__ = ["METHODS", "deconvnet", "gradient", "guided", "lrp", "occlusion", "rollout", "saliency"]
