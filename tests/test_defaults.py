"""What happens when nothing is said: every default written a second time, as a change of one should be meant."""

import inspect

import pytest

from phosphene import catalogue
from phosphene.core.optimization import (
    estimates,
    lbfgs,
    natural,
    objectives,
    optimizers,
    priors,
    steps,
    tiles,
    transforms,
    wavelets,
)
from phosphene.core.optimization import parameterizations as made_of

ASKED = {"score": "logit", "fit": "crop", "scale": "own", "check": False, "batch": 16}
"""Of every method of attribution."""
PAINTED = {"preset": "default", "batch": 16, "seed": 0}

ATTACK = {"restarts": 1, "start": "photo", "robust_to_rounding": False, "fit": "crop", "seed": 0}
MINIMAL = ATTACK | {"robust_to_rounding": True}

RECIPES = {
    "architecture": {},
    "predict": {"top_k": 5, "fit": "crop"},
    "weights": {"common": False},
    "visualize": {**PAINTED, "negative": False, "score": "logit", "starts": 1, "diverse": 0.0},
    "interpolate": {**PAINTED, "count": 7},
    "context": {**PAINTED, "starts": 6, "others": 4},
    "gallery": {"batch": 16, "seed": 0},
    "activation_grid": {"scaled": False, "power": 1.0, "fit": "crop", "batch": 64, "seed": 0},
    "caricature": {"power": 1.0, "steps": 128, "rate": 0.05, "jitter": 0.07, "tv": 0.0, "fit": "crop", "seed": 0},
    "accentuate": {"weight": 1.0, "score": "logit", "fit": "crop", "batch": 16, "seed": 0},
    "saliency": {**ASKED, "show": "grey"},
    "gradient": {**ASKED, "show": "colours"},
    "deconvnet": {**ASKED, "show": "colours"},
    "guided": {**ASKED, "show": "colours"},
    "input_x_gradient": {**ASKED, "show": "heat", "baseline": "black"},
    # Sundararajan et al. 2017: 20 to 300 steps
    "integrated": {**ASKED, "show": "heat", "baseline": "black", "steps": 50, "rule": "midpoint"},
    "gradient_shap": {**ASKED, "show": "heat", "samples": 50, "baseline": "noise", "noise": 0.0, "seed": 0},
    # Smilkov et al. 2017: noise of 10 to 20 % of the range
    "smoothgrad": {**ASKED, "show": "grey", "samples": 25, "noise": 0.1, "average": "mean", "seed": 0},
    "grad_cam": {**ASKED, "show": "overlay"},
    "grad_cam_plus_plus": {**ASKED, "show": "overlay"},
    "layer_cam": {**ASKED, "show": "overlay"},
    "score_cam": {**ASKED, "show": "overlay", "occluder": "zero"},
    "ablation_cam": {**ASKED, "show": "overlay"},
    "eigen_cam": {"fit": "crop", "scale": "own", "check": False, "batch": 16, "show": "overlay", "centred": True},
    "guided_grad_cam": {**ASKED, "show": "colours"},
    "lrp": {**ASKED, "show": "heat", "composite": "epsilon-plus-flat", "epsilon": 1e-6, "gamma": 0.25},
    # Petsiuk et al. 2018: 4000 masks of 7 by 7 for VGG16, half of them visible
    "rise": {
        **ASKED, "show": "overlay", "score": "p", "masks": 4000, "cells": 7, "visible": 0.5, "occluder": "zero",
        "seed": 0,
    },
    "rollout": {
        "fit": "crop", "scale": "own", "check": False, "batch": 16, "show": "overlay", "heads": "mean", "discard": 0.0,
    },
    "occlusion": {**ASKED, "show": "heat", "occluder": "grey", "form": "pixels", "incremental": True, "seed": 0},
    "compare": {"fit": "crop", "batch": 16, "masks": 1000},
    "exemplars": {
        "units": (), "layers": (), "each": 3, "band": "strongest", "by": "activation", "figure": "rows", "sees": "all",
        "fit": "crop", "batch": 16,
    },
    "segment": {"seeds": "fixed", "fit": "crop"},
    "atlas": {
        **PAINTED, "cells": 12, "least": 2, "per_photo": 8, "whiten": False, "power": 2.0, "scaled": False, "size": 80,
        "fit": "crop",
    },
    "facets": {**PAINTED, "count": 4, "fraction": 0.2, "score": "logit", "fit": "crop"},
    # google/deepdream
    "dream": {"octaves": 4, "zoom": 1.4, "steps": 10, "rate": 1.5 / 255, "jitter": 32, "tv": 0.0, "seed": 0},
    "stylize": {"preset": "default", "strength": 1.0, "colours": "style", "seed": 0},
    "invert": {"preset": "default", "patience": 50, "fit": "crop", "seed": 0},
    # Huang & Belongie 2017; Li et al. 2017, section 3.3
    "adain": {"strength": 1.0},
    "apply_style": {"thumbnail": 1024, "tile": 512, "statistics": "shot", "carry": 0.5},
    "wct": {"strength": 0.6},
    "transport": {"strength": 0.8},
    "texture": {
        "size": 512, "seamless": False, "gram": 1.0, "spread": 1.0, "texture_scale": 1.0, "steps": 200, "seed": 0,
    },
    "privacy": {"preset": "default", "fit": "crop", "seed": 0},
    "metamers": {"many": 8, "error": 0.0, "preset": "default", "patience": 50, "fit": "crop", "seed": 0},
    "compare_priors": {"error": 0.0, "steps": 200, "rounds": 8, "rate": 0.05, "fit": "crop", "seed": 0},
    # Cinà et al. 2024, algorithm 1 and section 4
    "sigma_zero": MINIMAL | {"steps": 1000, "rate": 1.0, "sigma": 1e-3, "threshold": 0.3, "t": 0.01},
    # Matyasko & Chau 2021, and the authors' code
    "pdpgd": MINIMAL | {"norm": "l1", "steps": 500, "rate": 0.1, "dual_rate": 0.1},
    # Szegedy et al. 2014
    "lbfgs": MINIMAL | {"steps": 100, "rounds": 9, "c": 1e-2},
    "pgd": ATTACK | {"norm": "linf", "steps": 40, "random_start": True},
    "a3": ATTACK | {"norm": "linf", "steps": 20, "targets": 9, "tries": 6, "hopeless": 0.5},  # benchmarks/robustness.py
    "apgd": ATTACK | {"norm": "linf", "steps": 100, "loss": "ce", "targets": 9, "random_start": True},
    "square": ATTACK | {"norm": "linf", "queries": 5000, "p": 0.8},
    "bim": ATTACK | {"step_size": 1 / 255},
    "mi_fgsm": ATTACK | {
        "norm": "linf", "steps": 10, "momentum": 1.0, "diverse": False, "translations": 1, "scales": 1,
    },
    "fgsm": ATTACK | {"norm": "linf", "by": "loss"},
    # Pintor et al. 2021; Rony et al. 2019, whose first length is 1
    "fmn": MINIMAL | {"norm": "linf", "steps": 100, "gamma": 0.05, "candidates": 10},
    "ddn": MINIMAL | {"steps": 100, "gamma": 0.05, "candidates": 10},
    # Carlini & Wagner 2017
    "cw": MINIMAL | {"norm": "l2", "searches": 9, "steps": 1000, "constant": 1e-3, "candidates": 10},
    # Moosavi-Dezfooli et al. 2016
    "deepfool": MINIMAL | {"norm": "l2", "steps": 50, "candidates": 10, "overshoot": 0.02},
    # Croce & Hein 2020
    "fab": MINIMAL | {
        "norm": "linf", "steps": 100, "targets": 9, "bias": 0.1, "overshoot": 1.05, "backward": 0.9,
    },
}  # fmt: skip
"""Of each recipe, what it does not find out for itself; `compare`'s methods and priors are all that there are."""


@pytest.mark.parametrize("name", [row.name for row in catalogue.CATALOGUE if row.name])
def test_a_recipe_of_which_nothing_is_asked_does_what_is_written_here(name):
    listed = ("methods", "priors")
    options = [one for one in catalogue.recipe(name).options if not one.setting and one.name not in listed]
    found = {one.name: one.default for one in options if one.default not in (None, inspect.Parameter.empty)}
    assert found == RECIPES[name]


NOUNS = {
    # Kingma & Ba 2015; Dozat 2016 as PyTorch has it; Nocedal & Wright 2006
    optimizers.adam: {"rate": 0.05, "betas": (0.9, 0.999), "eps": 1e-8, "memory": None},
    optimizers.momentum: {"rate": 0.05, "kept": 0.9},
    optimizers.nadam: {"rate": 1.0, "betas": (0.9, 0.999), "eps": 1e-8, "psi": 4e-3},
    lbfgs.lbfgs: {
        "history": 10,
        "evaluations": 20,
        "decrease": 1e-4,
        "curvature": 0.9,
        "first": None,
        "store": "auto",
    },
    estimates.estimated: {"directions": "normal", "many": 32, "sigma": 1e-3, "batch": 64},
    # lucid's redirection lasts for 16 steps; xplique's transparency begins at 80 %
    objectives.unblocked: {"transform": transforms.as_is, "steps": 16, "keep": ()},
    objectives.Accumulated.visible: {"quantile": 0.8},
    tiles.tiled: {"transform": transforms.as_is, "tile": 512, "overlap": None},
    steps.averaged: {"beta": 0.99},
    steps.steadiest: {"window": 50, "patience": 200},
    priors.total_variation: {"beta": 1.0},
    priors.l_alpha: {"alpha": 2.0, "center": (0.5,)},
    priors.high_pass: {"deviation": 1.0},
    priors.bilateral: {"deviation": 1.5, "contrast": 0.1},
    priors.wavelet_sparsity: {"wavelet": "db2", "levels": 4},
    wavelets.decomposed: {"wavelet": "db2", "levels": 4, "border": "symmetric"},
    natural.natural_density: {"shrinkage": 0.05},
    natural.natural_match: {"shrinkage": 0.05},
    transforms.shake: {"pad": 0, "jitter": 0, "scale": (1.0, 1.0), "rotate": 0.0, "border": "grey"},
    transforms.crop: {"spread": 0.15},
    transforms.over_noise: {"contrast": 1.0, "decay": 1.0},
    # lucid `param/spatial.py`; Ulyanov et al. 2018 made smaller
    made_of.Fourier: {"decay": 1.0, "deviation": 0.01},
    made_of.Laplacian: {"levels": 4, "deviation": 0.01},
    made_of.Shared: {"factor": 8, "decay": 1.0, "deviation": 0.01},
    made_of.Transparent: {"opacity": 0.5, "decay": 1.0},
    made_of.DeepPrior: {"scales": 4, "channels": 32, "skip": 4},
    made_of.Phase: {"magnitude": None},
}
EVERY = {"seed", "start", "dtype", "device", "watched"}
"""What all parameterizations take, and what is no number."""


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__qualname__)
def test_a_noun_of_which_nothing_is_said_has_these_numbers(noun):
    given = inspect.signature(noun).parameters.values()
    found = {one.name: one.default for one in given if one.default is not one.empty and one.name not in EVERY}
    assert found == NOUNS[noun]
