"""From noise to any class, with as much confidence as is wanted: no input has to look like anything."""

import pytest
import torch
from torch import nn

import phosphene
from phosphene.adversarial.goals import confident
from phosphene.core.optimization.keys import Key

TIGER_SHARK = 3
"""Of ImageNet's classes."""

WAYS = [("pgd", {"eps": 8 / 255, "step_size": 2 / 255}), ("lbfgs", {})]


def from_noise(victim, classes, shape, name, options):
    x = Key(0).uniform(torch.arange(len(classes)), *shape).float()
    return getattr(phosphene.attacks, name)(victim, x, confident(classes, 0.996), **options).outcome


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("pgd", {"eps": 0.5, "step_size": 0.02}), ("lbfgs", {})])
def test_noise_becomes_every_class_of_a_small_network_with_confidence(name, options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 32), nn.Tanh(), nn.Linear(32, 5))
    with torch.no_grad():
        model[3].weight.mul_(4)
    classes = torch.arange(5)
    found = from_noise(model, classes, (3, 16, 16), name, options)
    p = model(found.inputs).softmax(1)[classes, classes]
    assert found.success.all() and not found.before.any() and (p >= 0.996 - 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), WAYS)
@pytest.mark.parametrize("network", ["inception5h", "mobilenet_v2"])
def test_noise_becomes_a_tiger_shark(data, network, name, options):
    victim = phosphene.load(f"{data}/models/{network}.py:build")
    found = from_noise(victim, torch.tensor([TIGER_SHARK]), (3, 224, 224), name, options)
    p = victim.head.scores(found.answers, "p")[0, TIGER_SHARK]
    assert found.success.all() and p >= 0.996 - 1e-6
    assert (found.forwards < 50 if name == "pgd" else found.distances < 3).all()
