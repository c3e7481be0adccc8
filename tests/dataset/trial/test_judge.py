"""A machine that has seen the hint takes what is like it."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.judge import Judge, check_judge, codes, codes_of_pictures, judged_layers
from tests.small import convnet, levels


def slow_margin(values, mean, shown, positive, negative):
    """Cosine by cosine, in one layer."""

    def like(image, hint):
        a = values[image] - mean
        return np.mean([a @ (h - mean) / np.linalg.norm(a) / np.linalg.norm(h - mean) for h in hint])

    first, second = (like(i, positive) - like(i, negative) for i in shown)
    return first - second


def test_the_margin_equals_its_formula():
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=(8, 5)), "b": rng.normal(size=(8, 3))}
    judge = Judge.of(values)
    found = judge.margin((0, 1), judge.hint([2, 3, 4]), judge.hint([5, 6]))
    slow = [slow_margin(v, v.mean(0), (0, 1), v[[2, 3, 4]], v[[5, 6]]) for v in values.values()]
    assert found == pytest.approx(np.mean(slow))


def test_it_takes_what_is_like_the_positive_and_unlike_the_negative():
    values = {"a": np.array([[1.0, 0], [0, 1], [2, 0.1], [0.1, 2]])}
    judge = Judge.of(values)
    assert judge.choose((0, 1), judge.hint([2]), judge.hint([3])) == 0
    assert judge.choose((1, 0), judge.hint([2]), judge.hint([3])) == 1
    assert judge.choose((0, 1), None, judge.hint([2])) == 1
    assert judge.margin((0, 1), None, None) == 0


def test_a_code_that_is_the_mean_is_like_nothing():
    judge = Judge.of({"a": np.ones((3, 2))})
    assert judge.margin((0, 1), judge.hint([2]), None) == 0


def test_codes_are_means_over_positions():
    network, pictures = convnet(torch.float32), levels(3, 3, 16, 16)
    layers = judged_layers(network)
    found = codes(network, list(pictures), layers=layers)
    with torch.no_grad():
        said = network.planned("reading").read(pictures, layers)
    for name in layers:
        assert np.allclose(found[name], said[name].mean((2, 3)), atol=1e-6)
    again = codes_of_pictures(network, pictures, layers, batch=2)
    assert all(np.allclose(found[name], again[name], atol=1e-6) for name in layers)


def test_a_network_is_no_judge_of_itself():
    with pytest.raises(Mistake, match="is the network that is asked about; give another one as --judge"):
        check_judge(convnet(), convnet())
