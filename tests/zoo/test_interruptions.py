"""Whatever stops a recipe, and wherever, the model comes back as it was, bit by bit.

Every recipe of the catalogue is stopped again and again: by an exception that is thrown into its steps, by Ctrl-C and
by an error in a random pass of the model, by an error in a random pass back.
"""

import warnings
from contextlib import suppress
from functools import cache
from random import Random

import pytest
import torch
from torch import nn

from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.results.signature import Input
from tests.small import levels
from tests.zoo.case import Net, conv, linear, mean, stirred
from tests.zoo.layers import Transformer
from tests.zoo.plain import unchanged

KINDS = ("step", "pass", "interrupt", "back")
FEW, MANY = 1, 100
NEEDED = {"units": ["body.b:0", "body.b:1"], "unit": "body.b:1", "class_name": 1, "paper": "olah",
          "layer": "body.b", "only": "ours"}  # fmt: skip
"""What some recipes can't do without."""
SHORT = {"steps": 2, "samples": 2, "masks": 4, "octaves": 2, "cells": 2, "count": 2, "starts": 2, "others": 1,
         "window": 8, "stride": 8, "size": 16, "least": 1, "jitter": 2, "cell": 8, "each": 1,
         "queries": 20, "rounds": 2}  # fmt: skip
"""What keeps them short, where they have it; a fraction's bounds are kept."""
FAMILIES = {"captum:NAME": "captum:DeepLift"}
"""One of a family of recipes."""

RECIPES = [FAMILIES.get(name, name) for name in catalogue.recipes()]
QUICK = RECIPES[::4]
"""Stopped once every time; all of them are stopped often with the slow tests."""


class Stopped(Exception):
    """An error in the user's code."""


class Trap:
    """Counts passes and passes back; springs in one of them."""

    def __init__(self):
        self.set()

    def set(self, kind="", at=0, error=Stopped):
        self.kind, self.at, self.error = kind, at, error
        self.counts = dict.fromkeys(("pass", "back"), 0)

    def met(self, kind):
        self.counts[kind] += 1
        if (self.kind, self.at) == (kind, self.counts[kind]):
            raise self.error("stop")


def convolutions():
    return Net(
        lambda m, x: m.fc(mean(m.b(m.n(m.a(x)).relu()).relu())),
        a=conv(), n=nn.BatchNorm2d(4), b=conv(4, 4, stride=2), fc=linear(),
    )  # fmt: skip


def transformer():
    model = Transformer()
    model.b = model.block
    return model


@cache
def trapped(make):
    """A model in train mode that springs when it is told to."""
    torch.manual_seed(0)
    trap, body = Trap(), stirred(make())
    body.b.register_forward_hook(lambda *_: trap.met("pass"))
    body.b.register_full_backward_hook(lambda *_: trap.met("back"))
    model = Net(lambda m, x: m.body(x), body=body).train()
    model.decoders = decoders()
    return trap, model


def decoders():
    """From what the second convolution says back to pictures, for the recipes that put a style into features."""
    return {"body.b": nn.Sequential(nn.Conv2d(4, 3, 1), nn.Upsample(scale_factor=2))}


def network_of(model):
    """A network about which nothing is known yet, so that what is found out at first is interrupted too."""
    return Network(model, size=24, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def arguments(recipe):
    """What a recipe is given: a photograph, what it needs, and what keeps it short."""
    photos = [(levels(24, 24, 3, seed=seed) * 255).byte().numpy() for seed in range(3)]
    given = {}
    for one in recipe.arguments:
        if isinstance(one, Input):
            if one.required:
                given[one.name] = photos if not one.one else photos[0]
        elif one.required or one.name == "units" or (one.name == "only" and "paper" in given):
            given[one.name] = NEEDED[one.name]
        elif one.name in SHORT and not one.setting:
            given[one.name] = SHORT[one.name] if one.bounds.high > 1 else one.bounds.high
        elif one.name == "steps":
            given["steps"] = SHORT["steps"]
    return given


def watched(recipe, network, seconds):
    """Run it, and throw into it behind a step; how many steps it took."""
    made, taken = recipe(network, **arguments(recipe)), 0
    if not recipe.takes_steps:
        return taken
    steps = iter(made)
    for _ in steps:
        taken += 1
        if taken == seconds:
            steps.throw(Stopped("stop"))
    _ = made.result
    return taken


@cache
def whole(name):
    """The network that a recipe runs on, and how many steps, passes, and passes back it takes in all."""
    recipe = catalogue.recipe(name)
    for make in (convolutions, transformer):
        trap, model = trapped(make)
        trap.set()
        try:
            taken = watched(recipe, network_of(model), None)
        except Mistake:
            if make is transformer:
                raise
            continue
        return make, {"step": taken, "interrupt": trap.counts["pass"], **trap.counts}
    raise AssertionError


def interrupted(name, random):
    """Stop it somewhere."""
    make, counts = whole(name)
    trap, model = trapped(make)
    kind = random.choice([kind for kind in KINDS if counts[kind]] or ["none"])
    if kind == "none":
        return
    at = random.randint(1, counts[kind])
    error = KeyboardInterrupt if kind == "interrupt" else Stopped
    trap.set("pass" if kind == "interrupt" else kind, at, error)
    with unchanged(model):
        with suppress(Stopped, KeyboardInterrupt, Mistake):
            watched(catalogue.recipe(name), network_of(model), at if kind == "step" else None)
        if kind != "step":
            assert trap.counts[trap.kind] >= at
    trap.set()


@pytest.mark.parametrize(
    ("times", "name"),
    [(FEW, name) for name in RECIPES if name in QUICK]
    + [pytest.param(MANY, name, marks=pytest.mark.slow) for name in RECIPES],
)
def test_a_recipe_that_is_stopped_gives_the_model_back_as_it_was(name, times):
    random = Random(f"{name} {times}")
    with warnings.catch_warnings(action="ignore"):
        for _ in range(times):
            interrupted(name, random)


def test_a_trap_springs_where_it_is_set():
    trap, model = trapped(convolutions)
    network = network_of(model)
    x = levels(1, 3, 24, 24)
    assert network.read(x, ["logits"])["logits"].shape == (1, 5)  # and everything is found out
    for kind in ("pass", "back"):
        trap.set(kind, 1)
        with pytest.raises((Stopped, Mistake), match="stop"):
            torch.autograd.grad(network.read(x.requires_grad_(), ["logits"])["logits"].sum(), x)
        trap.set()
