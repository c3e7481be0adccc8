"""What tests of replaying share: commands, their pictures, and what a skilful stranger does to them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from phosphene.core.errors import Mistake
from phosphene.core.results.results import seal
from phosphene.faces.replay.replay import replay

MADE = [
    ("predict", "cat.png"),
    ("weights",),
    ("weights", "conv2", "--common", "--filters", "2-5", "--inputs", "1-3"),
    ("weights", "fc"),
    ("atlas", "photos", "--layer", "conv2", "--cells", "2", "--per-photo", "3", "--steps", "2", "--size", "16"),
    ("facets", "conv2:1", "photos", "--count", "1", "--steps", "2", "--size", "16"),
    ("architecture",),
    ("visualize", "conv2:1", "--steps", "3", "--size", "24"),
    ("visualize", "conv2:1", "--steps", "3", "--size", "24", "--start", "cat.png"),
    ("grid", "cat.png", "--layer", "conv2", "--cell", "8", "--steps", "2"),
    ("caricature", "cat.png", "--layer", "conv2", "--steps", "2"),
    ("accentuate", "cat.png", "--layer", "conv2", "--steps", "2", "--views", "2"),
    ("attribute", "cat.png", "--method", "gradient"),
    ("attribute", "cat.png", "--method", "saliency"),
    ("attribute", "cat.png", "--method", "guided", "--unit", "conv3:2"),
    ("attribute", "cat.png", "--method", "deconvnet"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "5"),
    ("attribute", "cat.png", "--method", "occlusion", "--window", "5", "--stride", "1", "--no-incremental"),
    ("attribute", "cat.png", "--method", "input-x-gradient", "--target", "1", "--against", "2"),
    ("attribute", "cat.png", "--method", "integrated", "--steps", "3", "--baseline", "noise"),
    ("attribute", "cat.png", "--method", "smoothgrad", "--samples", "3"),
    ("attribute", "cat.png", "--method", "grad-cam", "--show", "heat"),
    ("attribute", "cat.png", "--method", "grad-cam++"),
    ("attribute", "cat.png", "--method", "guided-grad-cam"),
    ("attribute", "cat.png", "--method", "layer-cam", "--layer", "conv2"),
    ("attribute", "cat.png", "--method", "score-cam"),
    ("attribute", "cat.png", "--method", "ablation-cam", "--unit", "conv3:2"),
    ("attribute", "cat.png", "--method", "eigen-cam"),
    ("attribute", "cat.png", "--method", "gradient-shap", "--samples", "3"),
    ("attribute", "cat.png", "--method", "lrp", "--composite", "epsilon-gamma-box"),
    ("attribute", "cat.png", "--method", "rise", "--masks", "20"),
    ("attribute", "cat.png", "--method", "captum:DeepLift"),
    ("attribute", "cat.png", "--method", "all", "--masks", "20"),
    ("exemplars", "photos", "--unit", "conv2:1", "--count", "3"),
    ("exemplars", "photos", "--layer", "conv2", "--each", "1", "--count", "3", "--sees", "most"),
    ("segment", "cat.png", "--target", "zebra", "--box", "1,2,9,8"),
    ("dream", "cat.png", "--octaves", "2", "--steps", "2"),
    ("stylize", "cat.png", "cat.png", "--method", "wct", "--style-scale", "0.7"),
    ("stylize", "cat.png", "cat.png", "skimage:brick", "--method", "adain", "--shares", "2,1"),
    ("stylize", "cat.png", "cat.png", "--method", "transport", "--size", "20"),
    ("texture", "cat.png", "--size", "24", "--steps", "2", "--layer", "conv2"),
    ("texture", "cat.png", "skimage:brick", "--mask", "cat.png", "--size", "20", "--height", "15", "--steps", "2"),
    ("stylize", "cat.png", "--method", "feed-forward", "--tile", "16"),
    ("invert", "cat.png", "--steps", "3"),
    ("privacy", "cat.png", "--layer", "conv2", "--steps", "3"),
    ("invert", "cat.png", "--layer", "conv2", "--compare", "priors", "--steps", "2", "--rounds", "1"),
    ("invert", "cat.png", "--layer", "log-probabilities", "--steps", "3", "--restarts", "2", "--preset", "mahendran"),
    ("stylize", "cat.png", "cat.png", "--method", "descent", "--steps", "2"),
    (
        "stylize",
        "cat.png",
        "cat.png",
        "skimage:brick",
        "--method",
        "descent",
        "--steps",
        "2",
        "--shares",
        "3,1",
        "--sliced",
        "1",
        "--begin=noise",
    ),
    (
        "stylize",
        "cat.png",
        "cat.png",
        "skimage:brick",
        "--method",
        "descent",
        "--steps",
        "2",
        "--mask",
        "cat.png",
        "--style-scale",
        "0.8",
    ),
    ("attack", "cat.png", "--method", "fgsm"),
    ("attack", "cat.png", "--method", "pgd", "--steps", "3", "--eps", "3/255"),
    ("attack", "cat.png", "--method", "pgd", "--steps", "3", "--norm", "l2", "--robust-to-rounding", "--restarts", "2"),
    ("attack", "cat.png", "--method", "fgsm", "--by", "logit", "--start", "noise", "--norm", "l1", "--eps", "9"),
    ("attack", "cat.png", "--method", "apgd", "--steps", "3"),
    ("attack", "cat.png", "--method", "a3", "--steps", "3"),
    ("attack", "cat.png", "--method", "fab", "--steps", "3"),
    ("attack", "cat.png", "--method", "lbfgs", "--steps", "3", "--rounds", "2"),
    ("attack", "cat.png", "--method", "sigma-zero", "--steps", "3"),
    ("attack", "cat.png", "--method", "bim", "--steps", "3"),
    ("attack", "cat.png", "--method", "mi-fgsm", "--steps", "3", "--diverse", "--scales", "2"),
    ("attack", "cat.png", "--method", "square", "--queries", "9"),
    ("attack", "cat.png", "--method", "fmn", "--steps", "3", "--norm", "l0"),
    ("attack", "cat.png", "--method", "ddn", "--steps", "3"),
    ("attack", "cat.png", "--method", "deepfool", "--steps", "3", "--norm", "linf"),
    ("attack", "cat.png", "--method", "cw", "--steps", "3", "--searches", "2"),
    ("attack", "cat.png", "--method", "pdpgd", "--steps", "3"),
]
SEVERAL = [
    ("interpolate", "conv2:1", "conv2:3", "--count", "3", "--steps", "2", "--size", "24"),
    ("context", "zebra", "--starts", "2", "--others", "1", "--steps", "2", "--size", "24"),
    ("invert", "cat.png", "--layer", "conv1", "--layer", "conv3", "--steps", "2"),
    ("metamers", "cat.png", "--layer", "conv2", "--many", "2", "--steps", "2"),
    ("stylize", "cat.png", "cat.png", "--method", "descent", "--steps", "1", "--grid"),
    ("gallery", "olah", "--steps", "1", "--size", "16", "--only", "paper"),
]
"""Those that make several pictures and one figure."""


def made(run, *words):
    """The picture that this command wrote."""
    code, _, err = run(*words, "--net", "own.py", "--out", "made.png")
    assert code == 0, err
    return Path("made.png")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def rewrite(path, recipe, picture=None, *, sealed=True):
    """The picture with another recipe, sealed as a skilful stranger would."""
    picture = picture or Image.open(path).convert("RGB")
    info = PngInfo()
    if sealed:
        recipe = recipe | {"seal": seal(recipe, picture)}
    info.add_text("phosphene", json.dumps(recipe))
    picture.save(path, pnginfo=info)


def refused(*args):
    with pytest.raises(Mistake) as mistake:
        replay("made.png", *args)
    assert "\n" not in str(mistake.value)
    return str(mistake.value)
