"""What the tests of attacks that look for the smallest change have in common: two small networks."""

import torch
from torch import nn

from phosphene.adversarial.victims import Victim
from tests.small import levels, normal

X = levels(4, 3, 8, 8, low=40, high=210).double()


def network():
    """Of pictures of 8 px, four classes."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Tanh(), nn.Linear(12, 4)).double()


def labels():
    """What it says of X."""
    return network()(X).argmax(1)


VECTORS = normal(3, 6)
AWAY = (-50.0, 50.0)
"""Bounds far away from them."""


def vectors():
    """Of six numbers, two classes."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def margin_and_gradient(model, x, label):
    """Of one input of two classes."""
    leaf = x.clone().requires_grad_()
    logits = model(leaf[None])[0]
    v = logits[label] - logits[1 - label]
    return v.detach(), torch.autograd.grad(v, leaf)[0]


def watched(attack, **options):
    """(every batch of VECTORS that the attack asks about, its outcome)."""
    asked = []

    def model(pictures):
        asked.append(pictures.detach().clone())
        return vectors()(pictures)

    outcome = attack(Victim(model), VECTORS, vectors()(VECTORS).argmax(1), bounds=AWAY, **options).outcome
    return asked, outcome
