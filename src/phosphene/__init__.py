"""phosphene shows what a trained vision network sees, by differentiating with respect to its input.

import phosphene
network = phosphene.load()
phosphene.predict(network, "dog.jpg").numbers
phosphene.visualize(network, ["mixed4a:0-7"]).save("units.png")
phosphene.dream(network, "dog.jpg").save("dream.png")
"""

import importlib
from typing import Any

_HOMES = {
    "load": "phosphene.models.specs",
    "networks": "phosphene.models.specs",
    "Network": "phosphene.core.networks.network",
    "Mistake": "phosphene.core.errors",
    "accentuate": "phosphene.features",
    "activation_grid": "phosphene.features",
    "architecture": "phosphene.features",
    "atlas": "phosphene.features",
    "caricature": "phosphene.features",
    "context": "phosphene.features",
    "facets": "phosphene.features",
    "gallery": "phosphene.features",
    "interpolate": "phosphene.features",
    "predict": "phosphene.features",
    "visualize": "phosphene.features",
    "weights": "phosphene.features",
    "gradient": "phosphene.attribution",
    "saliency": "phosphene.attribution",
    "guided": "phosphene.attribution",
    "deconvnet": "phosphene.attribution",
    "occlusion": "phosphene.attribution",
    "compare": "phosphene.attribution",
    "grad_cam": "phosphene.attribution",
    "grad_cam_plus_plus": "phosphene.attribution",
    "guided_grad_cam": "phosphene.attribution",
    "input_x_gradient": "phosphene.attribution",
    "integrated": "phosphene.attribution",
    "lrp": "phosphene.attribution",
    "rise": "phosphene.attribution",
    "rollout": "phosphene.attribution",
    "smoothgrad": "phosphene.attribution",
    "patches": "phosphene.attribution",
    "segment": "phosphene.attribution",
    "dream": "phosphene.dreaming",
    "invert": "phosphene.inversion",
    "fgsm": "phosphene.adversarial",
    "pgd": "phosphene.adversarial",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing phosphene alone does not import torch."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("phosphene")
    if name not in _HOMES:
        raise AttributeError(f"phosphene has no '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
