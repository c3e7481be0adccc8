"""Goals of attacks: losses whose signs are right, margins, and who knows whose label is whose."""

import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from phosphene.adversarial.goals import below_top, confident, like, misclassified, target
from phosphene.adversarial.problems import problems
from phosphene.core.errors import Mistake
from phosphene.core.networks.head import SOFTMAX, Head
from tests.small import convnet, noise, normal

LABELS = torch.tensor([1, 0, 2, 2])
ROWS = torch.tensor([3, 0, 1])
GOALS = {False: misclassified, True: target}


@pytest.mark.parametrize("targeted", [False, True])
def test_the_loss_is_the_cross_entropy_towards_the_labels_or_away_from_them(targeted):
    logits = normal(3, 4)
    expected = F.cross_entropy(logits, LABELS[ROWS], reduction="none") * (1 if targeted else -1)
    torch.testing.assert_close(GOALS[targeted](LABELS).loss(logits, ROWS, SOFTMAX), expected)


@pytest.mark.parametrize("targeted", [False, True])
def test_the_margin_is_the_logit_minus_the_largest_other_one(targeted):
    logits, margins = normal(3, 4), []
    for z, row in zip(logits, ROWS, strict=True):
        y = int(LABELS[row])
        margins.append(z[y] - max(z[j] for j in range(4) if j != y))
    expected = torch.stack(margins) * (-1 if targeted else 1)
    found = GOALS[targeted](LABELS)
    torch.testing.assert_close(found.margin(logits, ROWS, SOFTMAX), expected)
    assert torch.equal(found.reached(logits, ROWS, SOFTMAX), expected < 0)


def test_fooled_is_taken_for_the_target_or_for_anything_but_the_label():
    logits = F.one_hot(torch.tensor([1, 1, 2, 0]), 3).double()
    assert target(LABELS).reached(logits, torch.arange(4), SOFTMAX).tolist() == [True, False, True, False]
    assert misclassified(LABELS).reached(logits, torch.arange(4), SOFTMAX).tolist() == [False, True, False, True]


@pytest.mark.parametrize("p", [0.2, 0.5, 0.996])
def test_confident_is_reached_at_the_probability_and_its_margin_is_the_log_odds_that_are_missing(p):
    logits = 4 * normal(200, 5)
    labels, rows = torch.arange(200) % 5, torch.arange(200)
    own = logits.softmax(1)[rows, labels]
    found = confident(labels, p)
    wanted = torch.tensor(p, dtype=torch.float64).logit()
    torch.testing.assert_close(found.margin(logits, rows, SOFTMAX), wanted - own.logit())
    assert torch.equal(found.reached(logits, rows, SOFTMAX), own >= p) and 0 < (own >= p).sum() < 200


@pytest.mark.parametrize("k", [1, 2, 3])
def test_below_the_top_k_is_reached_where_k_others_are_higher(k):
    logits = normal(100, 5)
    labels, rows = torch.arange(100) % 5, torch.arange(100)
    found = below_top(labels, k)
    higher = (logits > logits[rows, labels][:, None]).sum(1)
    assert torch.equal(found.reached(logits, rows, SOFTMAX), higher >= k)
    assert torch.equal(found.margin(logits, rows, SOFTMAX) < 0, higher >= k)


def test_like_a_guide_is_reached_where_the_code_is_so_near():
    code, codes = normal(1, 3, 2, 2, seed=1), normal(4, 3, 2, 2)
    apart = (codes - code).flatten(1).norm(dim=1) / code.norm()
    found, rows = like(code, within=apart.median().item() + 1e-9), torch.arange(4)
    torch.testing.assert_close(found.loss(codes, rows, SOFTMAX), apart.square())
    torch.testing.assert_close(found.margin(codes, rows, SOFTMAX), apart - apart.median() - 1e-9)
    assert found.reached(codes, rows, SOFTMAX).sum() == 2


def test_each_problem_may_have_a_guide_of_its_own():
    codes = normal(4, 6)
    found = like(codes, within=1e-9).among(torch.tensor([2, 0]))
    assert found.reached(codes[[2, 0, 1]], torch.tensor([0, 1, 1]), SOFTMAX).tolist() == [True, True, False]


def test_some_of_the_problems_keep_their_labels():
    logits = F.one_hot(torch.tensor([2, 0]), 3).double()
    some = target(LABELS).among(torch.tensor([3, 0]))
    assert some.labels.tolist() == [2, 1]
    assert some.reached(logits, torch.tensor([0, 1]), SOFTMAX).tolist() == [True, False]


def test_labels_may_be_a_list_and_a_callable_may_be_attacked():
    given = problems(lambda pictures: pictures.mean((2, 3)), noise(2, 3, 4, 4), [2, 0], eps=0.1)
    assert given.goal.labels.tolist() == [2, 0] and given.victim.forwards.tolist() == []


PICTURES = noise(2, 3, 16, 16)
NONSENSE = {
    "3 labels": ({"wanted": [0, 1, 2]}, r"2 pictures need 2 labels, whole numbers \(2,\), not int64 \(3,\)"),
    "labels of two axes": ({"wanted": torch.zeros(2, 1).long()}, "2 pictures need 2 labels"),
    "parts of classes": ({"wanted": [0.5, 1.0]}, "2 pictures need 2 labels, whole numbers"),
    "names": ({"wanted": ["tabby", "zebra"]}, "labels are the numbers of classes, one for each picture"),
    "one label": ({"wanted": 3}, "2 pictures need 2 labels"),
    "a class that there is not": ({"wanted": [0, 2000]}, "there is no class 2000; there are 0 to 3"),
    "a class below 0": ({"wanted": [-1, 0]}, "there is no class -1"),
    "a radius below 0": ({"eps": -1.0}, "-1 is not a valid value for eps: it must be at least 0"),
    "a radius that is no number": ({"eps": float("nan")}, "nan is not a valid value for eps"),
    "values to 255": ({"x": 255 * PICTURES}, "the pictures have values from .*; an attack takes 0 to 1"),
    "values that are not finite": ({"x": PICTURES * float("nan")}, "an attack takes 0 to 1"),
    "one picture without its batch": ({"x": PICTURES[0]}, "3 pictures need 3 labels"),
    "whole numbers": ({"x": torch.zeros(2, 3, 16, 16).byte()}, "a tensor of floats .*, not torch.uint8"),
    "an array": ({"x": np.zeros((2, 3, 16, 16))}, "a tensor of floats .*, not ndarray"),
    "no pictures": ({"x": PICTURES[:0]}, "an attack takes a batch of pictures"),
    "a name": ({"victim": "embedded:photo"}, "a victim is a network, or a function from pictures to logits, not str"),
}


@pytest.mark.parametrize(("change", "words"), NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(change, words):
    given = {"victim": convnet(), "x": PICTURES, "wanted": [0, 1], "eps": 0.1} | change
    with pytest.raises(Mistake, match=words):
        inspect.unwrap(problems)(**given)


SENTENCES = {
    "no pictures": (
        {"x": PICTURES[:0], "wanted": []},
        "an attack takes a batch of pictures, a tensor of floats (n, c, h, w), not torch.float64 (0, 3, 16, 16)",
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
    "truths": ({"wanted": [True, False]}, "2 pictures need 2 labels, whole numbers (2,), not bool (2,)"),
    "one class too far": ({"wanted": [4, 0]}, "there is no class 4; there are 0 to 3"),
    "one below 0 and one too far": ({"wanted": [-1, 4]}, "there is no class -1; there are 0 to 3"),
    "one below 0 of a callable": (
        {"victim": lambda x: x.mean((2, 3)), "wanted": [3, -2]},
        "there is no class -2",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_what_makes_no_sense_is_said_in_a_sentence(change, sentence):
    given = {"victim": convnet(), "x": PICTURES, "wanted": [0, 1], "eps": 0.1} | change
    sentence = sentence.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(Mistake, match=f"^{sentence}$"):
        inspect.unwrap(problems)(**given)


def test_what_is_just_in_its_bounds_may_be_attacked():
    ends = PICTURES.clone()
    ends[0, 0, 0, 0], ends[1, 0, 0, 0] = 0, 1
    network = convnet()
    given = problems(network, ends, [3, 0], eps=0)
    assert given.victim.classifier is network and given.goal.labels.tolist() == [3, 0]
    assert problems(given.victim, ends, [3, 0], eps=5).victim is given.victim
    assert problems(lambda x: x.mean((2, 3)), ends, [2000, 0]).goal.labels.tolist() == [2000, 0]


@pytest.mark.parametrize("targeted", [False, True])
def test_of_plain_numbers_the_loss_is_the_number_itself_and_nothing_is_ever_fooled(targeted):
    numbers, head = normal(3, 4), Head("numbers")
    own = numbers[torch.arange(3), LABELS[ROWS]] * (-1 if targeted else 1)
    found = GOALS[targeted](LABELS)
    torch.testing.assert_close(found.loss(numbers, ROWS, head), own)
    torch.testing.assert_close(found.margin(numbers, ROWS, head), own)
    assert found.reached(numbers, ROWS, head).tolist() == [False] * 3


@pytest.mark.parametrize("targeted", [False, True])
def test_of_independent_classes_a_picture_is_taken_for_each_that_is_more_likely_than_not(targeted):
    logits, head, rows = torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), Head("sigmoid"), torch.arange(2)
    found = GOALS[targeted](torch.zeros(2).long())
    assert found.reached(logits, rows, head).tolist() == [targeted, not targeted]
    assert (found.margin(logits, rows, head) < 0).tolist() == [targeted, not targeted]


@pytest.mark.parametrize("p", [0.0, 1.0, -2.0, float("nan")])
def test_a_confidence_is_a_probability(p):
    with pytest.raises(Mistake, match="not a valid value for confidence: it must be between 0 and 1"):
        confident(LABELS, p)


def test_there_have_to_be_k_other_classes():
    with pytest.raises(Mistake, match="4 is not a valid value for k: of 4 classes it must be 1 to 3"):
        below_top(LABELS, 4).margin(normal(4, 4), torch.arange(4), SOFTMAX)
    with pytest.raises(Mistake, match="0 is not a valid value for k"):
        below_top(LABELS, 0)


@pytest.mark.parametrize(
    "make", [misclassified, target, lambda labels: confident(labels, 0.9), lambda y: below_top(y, 2)]
)
def test_some_of_the_problems_have_their_own_numbers_by_every_measure(make):
    logits, rows = normal(4, 5), torch.tensor([3, 0])
    whole, some = make(LABELS), make(LABELS).among(rows)
    assert (some.targeted, some.layer) == (whole.targeted, whole.layer)
    for measure in ("loss", "margin", "reached"):
        expected = getattr(whole, measure)(logits[rows], rows, SOFTMAX)
        assert torch.equal(getattr(some, measure)(logits[rows], torch.arange(2), SOFTMAX), expected)
    assert (whole.ways is None) == (some.ways is None)


@pytest.mark.parametrize("head", [Head("sigmoid"), Head("probabilities"), Head("sigmoid", question=True)])
def test_confidence_is_in_the_probability_that_the_network_means(head):
    outputs = {"sigmoid": normal(6, 3), "probabilities": normal(6, 3).softmax(1)}[head.kind]
    outputs = outputs[:, :1] if head.question else outputs
    labels, rows = torch.arange(6) % head.classes(outputs.shape[1]), torch.arange(6)
    p = head.scores(outputs, "p")[rows, labels]
    found = confident(labels, 0.4)
    torch.testing.assert_close(found.margin(outputs, rows, head), torch.tensor(0.4).double().logit() - p.logit())
    assert torch.equal(found.reached(outputs, rows, head), p >= 0.4)


@pytest.mark.parametrize("classes", [2, 5])
def test_its_ways_are_the_margins_to_each_other_class_and_its_own_is_none(classes):
    logits, labels = normal(3, classes), torch.tensor([1, 0, 1])
    found = misclassified(labels).ways(logits, torch.arange(3), SOFTMAX)
    for i, y in enumerate(labels.tolist()):
        others = [j for j in range(classes) if j != y]
        torch.testing.assert_close(found[i, others], logits[i, y] - logits[i, others])
        assert found[i, y] == torch.inf
    some = misclassified(labels).among(torch.tensor([2, 1])).ways(logits[[2, 1]], torch.arange(2), SOFTMAX)
    assert torch.equal(some, found[[2, 1]])


@pytest.mark.parametrize("head", [Head("sigmoid"), Head("numbers")])
def test_where_classes_do_not_exclude_each_other_there_is_one_way(head):
    logits, rows, found = normal(4, 3), torch.arange(4), misclassified(LABELS)
    assert torch.equal(found.ways(logits, rows, head), found.margin(logits, rows, head)[:, None])


@pytest.mark.parametrize("head", [Head("sigmoid"), Head("probabilities"), Head("sigmoid", question=True)])
@pytest.mark.parametrize("targeted", [False, True])
def test_the_loss_is_the_logarithm_of_the_probability_that_the_network_means(head, targeted):
    outputs = {"sigmoid": normal(4, 3), "probabilities": normal(4, 3).softmax(1)}[head.kind]
    outputs = outputs[:, :1] if head.question else outputs
    labels, rows = LABELS % head.classes(outputs.shape[1]), torch.arange(4)
    p = head.scores(outputs, "p")[rows, labels].log() * (-1 if targeted else 1)
    torch.testing.assert_close(GOALS[targeted](labels).loss(outputs, rows, head), p)


def test_where_two_classes_are_all_the_margin_is_their_difference():
    logits, rows, labels = normal(4, 2), torch.arange(4), torch.tensor([0, 1, 1, 0])
    expected = logits[rows, labels] - logits[rows, 1 - labels]
    torch.testing.assert_close(misclassified(labels).margin(logits, rows, SOFTMAX), expected)
    torch.testing.assert_close(misclassified(labels).loss(logits, rows, SOFTMAX), F.logsigmoid(expected))


def test_goals_say_what_they_are_about():
    sure, top, guide = confident(LABELS, 0.5), below_top(LABELS, 1), like(normal(1, 3), 0.1, layer="conv1")
    assert sure.labels is LABELS and sure.targeted and top.labels is LABELS and not top.targeted
    assert guide.labels is None and guide.layer == "conv1" and sure.layer == top.layer == "logits"
    with pytest.raises(Mistake, match="-1 is not a valid value for within"):
        like(normal(1, 3), -1.0)
