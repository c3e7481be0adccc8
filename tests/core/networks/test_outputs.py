"""From what models return to logits: which part, and which axis is which."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.outputs import axes_of, picked
from tests.small import normal

SHAPES = {
    "(n, classes)": ((2, 5), (2, 5), None, (5,)),
    "(n,)": ((2,), (2,), None, (1,)),
    "(n, 1, classes)": ((2, 1, 5), (2, 1, 5), None, (5, 1)),
    "(n, classes, 1, 1)": ((2, 5, 1, 1), (2, 5, 2, 3), None, (5, 1, 1)),
    "(n, tokens, c)": ((2, 16, 5), (2, 40, 5), None, (5, 16)),
    "(n, tokens, c) of a fixed size": ((2, 16, 5), None, None, (5, 16)),
    "(n, h, w, c)": ((2, 8, 8, 5), (2, 9, 10, 5), None, (5, 8, 8)),
    "(n, h, w, c) of a fixed size": ((2, 8, 8, 5), None, None, (5, 8, 8)),
    "(n, c, h, w) of a fixed size": ((2, 5, 8, 8), None, None, (5, 8, 8)),
    "a map": ((2, 5, 8, 8), (2, 5, 9, 10), None, (5, 8, 8)),
    "labels tell": ((2, 8, 5, 8), None, 5, (5, 8, 8)),
    "pictures last": ((5, 2), (5, 2), None, (5,)),
    "no batch at all": ((5,), (5,), None, (5,)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_pictures_are_counted_on_axis_0_and_outputs_on_axis_1(name):
    together, larger, labels, wanted = SHAPES[name]
    y = normal(*together)
    axes = axes_of(together, 2, larger, labels)
    tidy = axes.tidy(y, 2)
    many = 1 if name == "no batch at all" else 2
    assert tuple(tidy.shape) == (many, *wanted)
    assert sorted(tidy.flatten().tolist()) == sorted(y.flatten().tolist())


@pytest.mark.parametrize("shape", [(2, 5), (2,), (2, 5, 8, 8)])
def test_a_batch_axis_that_was_squeezed_away_comes_back(shape):
    y = normal(*shape)
    axes = axes_of(shape, 2, None, None)
    torch.testing.assert_close(axes.tidy(y[0], 1), axes.tidy(y, 2)[:1])
    torch.testing.assert_close(axes.tidy(y[:1], 1), axes.tidy(y, 2)[:1])


# ------------------------------------------------------------------------------------------------------- which part

Pair = namedtuple("Pair", "first second")


@dataclass
class Answer:
    loss: object
    logits: torch.Tensor


@dataclass
class Two:
    code: torch.Tensor
    classes: torch.Tensor


A, B = normal(2, 3), normal(2, 5, seed=1)


def silent(sentence):
    raise AssertionError(sentence)


@pytest.mark.parametrize(
    ("returned", "output", "wanted"),
    [
        (A, None, A), ((A, B), None, A), ([A, [B]], None, A), ({"x": A, "logits": B}, None, B),
        ({"aux": A, "out": B}, None, B), (Answer(None, B), None, B), (Pair(A, B), "second", B), (Pair(A, B), 1, B),
        ({"x": A, "y": B}, "y", B), ({0: A, 1: B}, 1, B), (Two(A, B), "classes", B),
        ({"x": {"y": B}}, lambda r: r["x"]["y"], B), (np.asarray(A), None, A),
    ],
)  # fmt: skip
def test_the_part_that_holds_the_logits_is_found(returned, output, wanted):
    torch.testing.assert_close(picked(returned, output, "net", silent), wanted)


@pytest.mark.parametrize("returned", [{"code": A, "classes": B}, Two(A, B)])
def test_the_first_of_several_is_taken_with_one_line_that_says_so(returned):
    said = []
    assert picked(returned, None, "net", said.append) is A
    assert said == ["net returns several tensors, and 'code' is taken; for another, output='classes'"]


@pytest.mark.parametrize(
    ("returned", "output", "sentence"),
    [
        ("cat", None, "net returns str, not a tensor; say which part with output="),
        ({"a": 1}, None, r"net returns dict, not a tensor; say which part with output= \(one of 'a'\)"),
        ({"logits": A}, "logit", "output 'logit' is not in what net returns, dict; did you mean 'logits'"),
        ((A, B), 2, "output 2 is not in what net returns, tuple; it has 2 parts, 0 to 1"),
        (Two(A, B), "clases", "output 'clases' is not in what net returns, Two; did you mean 'classes'"),
        (A, "logits", "output 'logits' is not in what net returns, Tensor"),
        (A, lambda out: out.nothing, "the function given as output failed on what net returns"),
        (A * 1j, None, "net returns complex numbers"),
    ],
)
def test_a_part_that_is_not_there_is_one_sentence(returned, output, sentence):
    with pytest.raises(Mistake, match=sentence):
        picked(returned, output, "net", silent)


def test_whole_numbers_become_floats():
    assert picked(torch.tensor([[1, 2]]), None, "net", silent).is_floating_point()
