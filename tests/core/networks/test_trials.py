"""One watched pass, and when two answers are the same."""

import pytest
import torch
from torch import nn

from phosphene.core.networks.calling import PLAINLY
from phosphene.core.networks.trials import alike, watched
from tests.core.networks.models import Around, conv, mean
from tests.small import noise


def made_by(last):
    model = Around(last, a=conv()).double().eval()
    return watched(model, noise(2, 3, 8, 8), PLAINLY, lambda out: out).maker


@pytest.mark.parametrize(
    ("last", "maker"),
    [
        (lambda m, x: mean(m.a(x)).softmax(1), "softmax"),
        (lambda m, x: torch.sigmoid(mean(m.a(x))).view(2, 2, 2).flatten(1), "sigmoid"),
        (lambda m, x: torch.sigmoid(m.a(x)).squeeze(-1)[:, 0], "sigmoid"),
        (lambda m, x: mean(torch.sigmoid(m.a(x))), "mean"),
    ],
)
def test_the_function_that_made_the_numbers_is_seen_through_views(last, maker):
    assert made_by(last) == maker


def test_a_pass_keeps_why_there_are_no_logits():
    def refuse(output):
        raise KeyError("logits")

    seen = watched(nn.Sequential(conv()).double().eval(), noise(2, 3, 8, 8), PLAINLY, refuse)
    assert isinstance(seen.returned, KeyError) and seen.pictures == 2 and seen.layers


def test_answers_are_alike_but_for_rounding():
    x = noise(3, 4)
    assert alike(x, x * (1 + 1e-12), torch.float64) and not alike(x, x * (1 + 1e-6), torch.float64)
    assert alike(x, x * (1 + 1e-6), torch.float32) and alike(x, x * 1.005, torch.float16)
    assert not alike(x, x[:2], torch.float32)
    endless = torch.where(x > 0.5, torch.inf, x)
    assert alike(endless, endless, torch.float32) and not alike(endless, x, torch.float32)
