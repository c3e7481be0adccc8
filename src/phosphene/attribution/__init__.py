"""Which pixels matter."""

from phosphene.attribution.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam
from phosphene.attribution.compare import RECIPES, compare
from phosphene.attribution.elsewhere import Methods, captum_method
from phosphene.attribution.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.lrp import lrp
from phosphene.attribution.occlusion import occlusion
from phosphene.attribution.patches import patches
from phosphene.attribution.paths import input_x_gradient, integrated, smoothgrad
from phosphene.attribution.rise import rise
from phosphene.attribution.rollout import rollout
from phosphene.attribution.segment import segment

METHODS = Methods(
    {recipe.about.name: recipe for recipe in RECIPES} | {"captum:NAME": captum_method("NAME"), "all": compare}
)

__all__ = [
    "METHODS", "RECIPES", "Methods", "compare", "deconvnet", "grad_cam", "grad_cam_plus_plus", "gradient", "guided",
    "guided_grad_cam", "input_x_gradient", "integrated", "lrp", "occlusion", "patches", "rise", "rollout", "saliency",
    "segment", "smoothgrad",
]  # fmt: skip
