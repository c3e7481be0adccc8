"""Goals of attacks: a loss whose sign is right, and a stop that knows whose label is whose."""

import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from phosphene.adversarial.goals import fooled, loss, prepared, when_fooled
from phosphene.core.errors import Mistake
from phosphene.core.optimization.engine import Evaluation
from phosphene.core.optimization.terms import Reading
from tests.small import convnet, noise, normal

LABELS = torch.tensor([1, 0, 2, 2])


def test_the_loss_is_the_cross_entropy_towards_the_labels_or_away_from_them():
    x, at, logits = noise(3, 3, 4, 4), torch.arange(3), normal(3, 4)
    rows = torch.tensor([3, 0, 1])
    expected = F.cross_entropy(logits, LABELS[rows], reduction="none")
    for targeted, sign in ((True, 1), (False, -1)):
        found = loss(LABELS, targeted).of(Reading(x, rows, x, at, {"logits": logits}))
        torch.testing.assert_close(found, sign * expected)


def test_fooled_is_taken_for_the_target_or_for_anything_but_the_label():
    logits = F.one_hot(torch.tensor([1, 1, 2, 0]), 3).double()
    assert fooled(logits, LABELS, targeted=True).tolist() == [True, False, True, False]
    assert fooled(logits, LABELS, targeted=False).tolist() == [False, True, False, True]


def test_a_picture_stops_by_the_label_of_its_own_problem():
    logits = F.one_hot(torch.tensor([2, 0]), 3).double()
    seen = Evaluation(torch.zeros(2), torch.zeros(2, 3, 1, 1), {"logits": logits})
    assert when_fooled(LABELS, True)(seen.gradients, torch.tensor([3, 0]), seen).tolist() == [True, False]


def test_labels_may_be_a_list_and_a_callable_may_be_attacked():
    victim, labels = prepared(lambda pictures: pictures.mean((2, 3)), noise(2, 3, 4, 4), [2, 0], 0.1)
    assert labels.tolist() == [2, 0] and victim.forwards.tolist() == []


PICTURES = noise(2, 3, 16, 16)
NONSENSE = {
    "3 labels": ({"labels": [0, 1, 2]}, r"2 pictures need 2 labels, whole numbers \(2,\), not int64 \(3,\)"),
    "labels of two axes": ({"labels": torch.zeros(2, 1).long()}, "2 pictures need 2 labels"),
    "parts of classes": ({"labels": [0.5, 1.0]}, "2 pictures need 2 labels, whole numbers"),
    "names": ({"labels": ["tabby", "zebra"]}, "labels are the numbers of classes, one for each picture"),
    "one label": ({"labels": 3}, "2 pictures need 2 labels"),
    "a class that there is not": ({"labels": [0, 2000]}, "there is no class 2000; there are 0 to 3"),
    "a class below 0": ({"labels": [-1, 0]}, "there is no class -1"),
    "a radius below 0": ({"radius": -1.0}, "-1 is not a valid value for radius: it must be at least 0"),
    "a radius that is no number": ({"radius": float("nan")}, "nan is not a valid value for radius"),
    "values to 255": ({"x": 255 * PICTURES}, "the pictures have values from .*; an attack takes 0 to 1"),
    "values that are not finite": ({"x": PICTURES * float("nan")}, "an attack takes 0 to 1"),
    "one picture without its batch": ({"x": PICTURES[0]}, r"floats \(n, c, h, w\), not torch.float64 \(3, 16, 16\)"),
    "whole numbers": ({"x": torch.zeros(2, 3, 16, 16).byte()}, "a tensor of floats .*, not torch.uint8"),
    "an array": ({"x": np.zeros((2, 3, 16, 16))}, "a tensor of floats .*, not ndarray"),
    "no pictures": ({"x": PICTURES[:0]}, "an attack takes a batch of pictures"),
    "a name": ({"victim": "embedded:photo"}, "a victim is a network, or a function from pictures to logits, not str"),
}


@pytest.mark.parametrize(("change", "words"), NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(change, words):
    given = {"victim": convnet(), "x": PICTURES, "labels": [0, 1], "radius": 0.1} | change
    with pytest.raises(Mistake, match=words):
        inspect.unwrap(prepared)(**given)
