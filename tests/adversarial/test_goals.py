"""Goals of attacks: a loss whose sign is right, and a stop that knows whose label is whose."""

import torch
from torch.nn import functional as F

from phosphene.adversarial.goals import fooled, loss, when_fooled
from phosphene.core.optimization.engine import Evaluation
from phosphene.core.optimization.terms import Reading
from tests.small import noise, normal

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
