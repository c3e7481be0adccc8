"""A climb at which nothing pulled says so: its problems are those whose gradient was always zero."""

import pytest
import torch

import phosphene
from phosphene.core.optimization.engine import Evaluation
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.stillness import Stillness
from tests.small import convnet, levels


def test_a_problem_is_still_until_its_gradient_is_not_zero():
    still = Stillness(3)
    watched = still.watching(lambda x, rows, key: Evaluation(x.sum((1, 2, 3)), x), [2, 0])
    pictures = torch.zeros(2, 3, 4, 4)
    watched(pictures, torch.tensor([0, 1]), Key())
    assert still.problems.tolist() == [True, True, True]
    pictures[1, 0, 0, 0] = 1e-30
    watched(pictures, torch.tensor([0, 1]), Key())
    assert still.problems.tolist() == [False, True, True]
    watched(pictures[1:], torch.tensor([0]), Key())
    assert still.problems.tolist() == [False, True, False]
    step = next(still.noted(iter([Step(0, pictures, torch.zeros(2), torch.ones(2, dtype=torch.bool))])))
    assert step.still.tolist() == [False, True, False]


def dead():
    """Channel 2 of its second layer is closed whatever the picture."""
    network = convnet(torch.float32)
    with torch.no_grad():
        network.model.conv2.bias[2] = -1e6
    return network


WORDS = "nothing was climbed: the gradient is zero from the first step to the last"


def test_a_unit_that_no_picture_excites_is_said_to_have_been_climbed_for_nothing():
    found = phosphene.visualize(dead(), ["relu2:2-3"], size=16, steps=3).result
    assert [one.get("nothing") for one in found.numbers] == [WORDS, None]
    assert found.title.endswith(f"{WORDS}, of 1 of 2")
    alone = phosphene.visualize(dead(), ["relu2:2"], size=16, steps=3).result
    assert alone.title.endswith(WORDS)
    assert "nothing" not in phosphene.visualize(dead(), ["relu2:2"], size=16, steps=0).result.numbers[0]


def test_a_dream_of_it_too_over_all_octaves():
    photo = levels(3, 48, 48)
    found = phosphene.dream(dead(), photo, layer="relu2:2", steps=2, octaves=2).result
    assert found.numbers[0]["nothing"] == WORDS
    assert "nothing" not in phosphene.dream(dead(), photo, layer="relu2:3", steps=2, octaves=2).result.numbers[0]


@pytest.mark.parametrize("tv", [0.0, 0.02])
def test_a_prior_alone_is_no_climb(tv):
    network = convnet(torch.float32)
    with torch.no_grad():
        network.model.conv1.weight.zero_()
    found = phosphene.invert(network, levels(3, 16, 16), layer="conv1", steps=3, tv=tv).result
    assert found.numbers[0]["nothing"] == WORDS
    assert found.title.endswith(WORDS)
