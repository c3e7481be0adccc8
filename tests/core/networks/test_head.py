"""What outputs mean: told by trying, and the same everywhere."""

import math

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.head import HEADS, SOFTMAX, Head, head_of
from tests.small import normal

Z = normal(3, 4)
P = Z.softmax(1)


def by_hand(kind, score, z):
    """Each row's score of each class, number by number."""
    rows = []
    for row in z.tolist():
        total = sum(math.exp(x) for x in row)
        p = [math.exp(x) / total for x in row] if kind == "softmax" else [1 / (1 + math.exp(-x)) for x in row]
        rows.append({"logit": row, "log-p": [math.log(q) for q in p], "p": p}[score])
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("score", ["logit", "log-p", "p"])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_scores_equal_their_formulas(kind, score):
    head = Head(kind, exclusive=kind == "softmax")
    torch.testing.assert_close(head.scores(Z, score), by_hand(kind, score, Z))


def test_probabilities_are_what_they_are_and_their_logit_is_what_their_softmax_or_sigmoid_comes_from():
    exclusive = Head("probabilities")
    torch.testing.assert_close(exclusive.scores(P, "p"), P)
    torch.testing.assert_close(exclusive.scores(P, "logit").softmax(1), P)
    torch.testing.assert_close(exclusive.scores(P, "log-p"), P.log())
    several = Head("probabilities", exclusive=False)
    torch.testing.assert_close(several.scores(Z.sigmoid(), "logit"), Z)
    assert several.scores(torch.tensor([[0.0, 1.0]]), "logit").isfinite().all()


@pytest.mark.parametrize("kind", ["sigmoid", "probabilities"])
def test_one_output_is_a_question_with_no_and_yes(kind):
    z = normal(5, 1)
    head = Head(kind, question=True, exclusive=False)
    outputs = z if kind == "sigmoid" else z.sigmoid()
    assert head.classes(1) == 2
    torch.testing.assert_close(head.scores(outputs, "p"), torch.cat([1 - z.sigmoid(), z.sigmoid()], 1))
    torch.testing.assert_close(head.scores(outputs, "logit"), torch.cat([-z, z], 1))
    assert head.decided(outputs).tolist() == (z[:, 0] > 0).long().tolist()
    assert head.holds(outputs, (z[:, 0] > 0).long()).all() and not head.holds(outputs, (z[:, 0] <= 0).long()).any()


def test_of_independent_classes_several_hold_or_none():
    head = Head("sigmoid", exclusive=False)
    z = torch.tensor([[2.0, 1.0, -1.0], [-1.0, -2.0, -3.0]])
    assert head.holds(z, torch.tensor([1, 0])).tolist() == [True, False]
    assert SOFTMAX.holds(z, torch.tensor([1, 0])).tolist() == [False, True]


def test_plain_numbers_have_no_probability():
    head = Head("numbers")
    assert head.scores(Z, "logit") is Z and not head.has_probabilities
    with pytest.raises(Mistake, match="plain numbers have no log-p; ask for the number itself: score logit"):
        head.scores(Z, "log-p")


def test_where_a_network_answers_at_several_places_the_mean_counts_and_of_boxes_the_best():
    y = normal(2, 6, 3, 5)
    torch.testing.assert_close(SOFTMAX.scores(y, "logit"), y.mean((2, 3)))
    boxes = Head("probabilities", exclusive=False, boxes=True)
    assert boxes.classes(6) == 2
    torch.testing.assert_close(boxes.flat(y.flatten(2)), y.flatten(2)[:, :2].amax(2))


# ------------------------------------------------------------------------------------------------------ found by trying


def test_what_outputs_mean_is_told_by_what_they_are():
    assert head_of(Z, None, None) == SOFTMAX
    assert head_of(P, "softmax", None) == Head("probabilities")
    assert head_of(P, None, None) == Head("probabilities"), "whoever made them: they sum to one"
    assert head_of(Z.sigmoid(), "sigmoid", None) == Head("probabilities", exclusive=False)
    assert head_of(Z.sigmoid(), "relu", None) == SOFTMAX, "numbers in [0, 1] alone are no probabilities"
    assert head_of(Z.log_softmax(1), "log_softmax", None) == SOFTMAX, "their softmax is the probability"
    assert head_of(Z[:, :1], "linear", None) == Head("sigmoid", question=True, exclusive=False)
    assert head_of(Z[:, :1].sigmoid(), "sigmoid", None) == Head("probabilities", question=True, exclusive=False)


@pytest.mark.parametrize("kind", HEADS)
def test_what_a_person_says_wins(kind):
    assert head_of(Z, "linear", kind).kind == kind
    assert head_of(Z[:, :1], "linear", kind).question == (kind in ("sigmoid", "probabilities"))


def test_an_unknown_head_is_answered_with_the_nearest():
    with pytest.raises(Mistake, match="head 'sigmoids' is not known; did you mean 'sigmoid'"):
        head_of(Z, None, "sigmoids")
