"""Evaluations that take a moment: a linear network, some of whose labels are wrong, and few steps."""

from dataclasses import replace

import torch

from phosphene.adversarial.evaluation.ensembles import Entry
from phosphene.adversarial.evaluation.evaluate import Evaluation
from phosphene.core.units.labelled import LabelledPictures
from tests.small import levels, linear, noise

MANY = 10
RADII = (0.002, 0.01, 0.05)

PGD = Entry("pgd", "pgd", {"steps": 4}, 5)
TARGETS = Entry("targets", "a3", {"steps": 3, "tries": 2, "hopeless": 1.0}, 30)


def network(dtype=torch.float64):
    """Four classes of pictures of 8 px."""
    return linear(noise(4, 3, 8, 8) - 0.5, [0.0, 0, 0, 0], precision=str(dtype).removeprefix("torch."))


def data(wrong=(3, 7)):
    """Labelled pictures, of which the network is wrong about these."""
    pictures = (levels(MANY, 3, 8, 8, low=60, high=190) * 255).round().byte()
    said = network().model(pictures.double() / 255).argmax(1)
    labels = said.clone()
    labels[list(wrong)] = (said[list(wrong)] + 1) % 4
    return LabelledPictures([f"picture {i}" for i in range(MANY)], pictures, labels, dict.fromkeys(range(4), ""))


def evaluation(**options):
    """An evaluation that has not begun."""
    usual = {"norm": "linf", "radii": RADII, "entries": (PGD, TARGETS), "batch": 4, "seed": 1}
    return Evaluation(options.pop("network", None) or network(), data(), **(usual | options))


def finished(**options):
    """An evaluation whose work is done."""
    found = evaluation(**options)
    for _ in found:
        pass
    return found


def renamed(entry, name):
    """The same attack under another name."""
    return replace(entry, name=name)
