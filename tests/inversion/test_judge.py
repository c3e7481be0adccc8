"""How far pictures are apart to a network of the package that had no part in making them."""

import torch

from phosphene.inversion.judge import apart, judge_of
from phosphene.models.specs import load
from tests.small import convnet, noise


def test_the_judge_is_another_network_than_the_one_that_is_inverted():
    judge = judge_of(convnet())
    assert judge.name == "embedded:photo-robust" and judge_of(judge).name == "embedded:photo"


def test_a_photograph_is_nothing_apart_from_itself_and_a_little_from_a_fainter_one():
    x = noise(1, 3, 64, 64, dtype=torch.float32)
    three = torch.cat([x, 0.9 * x, noise(1, 3, 64, 64, seed=1).float()])
    same, near, other = apart(load("embedded:photo"), three, x)
    assert same == 0 and 0 < near < other
