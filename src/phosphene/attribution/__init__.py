"""Which pixels matter."""

from phosphene.attribution.compare import RECIPES, compare
from phosphene.attribution.exemplars import exemplars
from phosphene.attribution.methods.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam
from phosphene.attribution.methods.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.methods.lrp import lrp
from phosphene.attribution.methods.occlusion import occlusion
from phosphene.attribution.methods.paths import input_x_gradient, integrated, smoothgrad
from phosphene.attribution.methods.rise import rise
from phosphene.attribution.methods.rollout import rollout
from phosphene.attribution.segment import segment

__all__ = [
    "RECIPES", "compare", "deconvnet", "exemplars", "grad_cam", "grad_cam_plus_plus", "gradient", "guided",
    "guided_grad_cam", "input_x_gradient", "integrated", "lrp", "occlusion", "rise", "rollout", "saliency",
    "segment", "smoothgrad",
]  # fmt: skip
