"""Goals of attacks: a loss whose sign is right, and a stop that knows whose label is whose."""

import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from phosphene.adversarial.goals import fooled, loss, prepared, when_fooled
from phosphene.core.errors import Mistake
from phosphene.core.networks.head import Head
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


SENTENCES = {
    "no pictures": (
        {"x": PICTURES[:0], "labels": []},
        "an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not torch.float64 (0, 3, 16, 16)",
    ),
    "one picture": (
        {"x": PICTURES[0]},
        "an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not torch.float64 (3, 16, 16)",
    ),
    "whole numbers": (
        {"x": torch.zeros(2, 3, 16, 16).byte()},
        "an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not torch.uint8 (2, 3, 16, 16)",
    ),
    "a little below 0": (
        {"x": PICTURES - PICTURES.min() - 0.25},
        "the pictures have values from -0.25 to .*; an attack takes 0 to 1",
    ),
    "a little above 1": (
        {"x": PICTURES - PICTURES.max() + 1.25},
        "the pictures have values from .* to 1.25; an attack takes 0 to 1",
    ),
    "no end": ({"radius": float("inf")}, "inf is not a valid value for radius: it must be at least 0"),
    "truths": ({"labels": [True, False]}, "2 pictures need 2 labels, whole numbers (2,), not bool (2,)"),
    "one class too far": ({"labels": [4, 0]}, "there is no class 4; there are 0 to 3"),
    "one below 0 and one too far": ({"labels": [-1, 4]}, "there is no class -1; there are 0 to 3"),
    "one below 0 of a callable": (
        {"victim": lambda x: x.mean((2, 3)), "labels": [3, -2]},
        "there is no class -2",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_what_makes_no_sense_is_said_in_a_sentence(change, sentence):
    given = {"victim": convnet(), "x": PICTURES, "labels": [0, 1], "radius": 0.1} | change
    sentence = sentence.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(Mistake, match=f"^{sentence}$"):
        prepared(**given)


def test_what_is_just_in_its_bounds_may_be_attacked():
    ends = PICTURES.clone()
    ends[0, 0, 0, 0], ends[1, 0, 0, 0] = 0, 1
    network = convnet()
    victim, labels = prepared(network, ends, [3, 0], 0)
    assert victim.classifier is network and labels.tolist() == [3, 0] and prepared(victim, ends, labels, 5)[0] is victim
    assert prepared(lambda x: x.mean((2, 3)), ends, [2000, 0], 0.1)[1].tolist() == [2000, 0]


def test_of_plain_numbers_the_loss_is_the_number_itself_and_nothing_is_ever_fooled():
    x, at, numbers, head = noise(3, 3, 4, 4), torch.arange(3), normal(3, 4), Head("numbers")
    rows = torch.tensor([3, 0, 1])
    own = numbers[at, LABELS[rows]]
    for targeted, sign in ((True, -1), (False, 1)):
        found = loss(LABELS, targeted, head).of(Reading(x, rows, x, at, {"logits": numbers}))
        torch.testing.assert_close(found, sign * own)
        never = fooled(numbers, LABELS[rows], targeted, head)
        assert never.dtype == torch.bool and never.tolist() == [False] * 3


def test_of_independent_classes_a_picture_is_taken_for_each_that_is_more_likely_than_not():
    logits, head = torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), Head("sigmoid")
    seen = Evaluation(torch.zeros(2), torch.zeros(2, 3, 1, 1), {"logits": logits})
    for targeted in (True, False):
        expected = [targeted, not targeted]
        assert fooled(logits, torch.zeros(2).long(), targeted, head).tolist() == expected
        stop = when_fooled(torch.zeros(2).long(), targeted, head)
        assert stop(seen.gradients, torch.arange(2), seen).tolist() == expected
