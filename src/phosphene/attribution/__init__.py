"""Which pixels matter."""

from phosphene.attribution.compare import RECIPES, compare
from phosphene.attribution.exemplars import exemplars
from phosphene.attribution.methods.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam, layer_cam
from phosphene.attribution.methods.gradient_free_cam import ablation_cam, eigen_cam, score_cam
from phosphene.attribution.methods.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.methods.lrp import lrp
from phosphene.attribution.methods.occlusion import occlusion
from phosphene.attribution.methods.paths import gradient_shap, input_x_gradient, integrated, smoothgrad
from phosphene.attribution.methods.rise import rise
from phosphene.attribution.methods.rollout import rollout
from phosphene.attribution.segment import segment

__all__ = [
    "RECIPES", "ablation_cam", "compare", "deconvnet", "eigen_cam", "exemplars", "grad_cam", "grad_cam_plus_plus",
    "gradient", "gradient_shap", "guided", "guided_grad_cam", "input_x_gradient", "integrated", "layer_cam", "lrp",
    "occlusion", "rise", "rollout", "saliency", "score_cam", "segment", "smoothgrad",
]  # fmt: skip
