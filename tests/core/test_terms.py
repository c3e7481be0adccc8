"""Terms against plain indexing, and their algebra."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.terms import (
    Reading,
    Term,
    channel,
    code_distance,
    cross_entropy,
    energy,
    neuron,
    score,
)
from tests.small import normal


def reading(y, rows=None, of=None, name="layer"):
    """A reading whose layer says y; pictures are of no matter."""
    of = torch.arange(len(y)) if of is None else torch.tensor(of)
    n = int(of.max()) + 1
    rows = torch.arange(n) if rows is None else torch.tensor(rows)
    return Reading(normal(n, 3, 2, 2), rows, normal(len(y), 3, 2, 2), of, {name: y})


VIEWS = {"rows": [4, 1], "of": [1, 0, 1, 1, 0]}
"""Five views of two pictures, which belong to problems 4 and 1."""


def expected(numbers):
    """From a number for each of the five views to one for each picture, by hand."""
    a, b, c, d, e = numbers
    return torch.stack([(b + e) / 2, (a + c + d) / 3])


def test_a_channel_is_the_mean_over_its_positions_of_each_problems_own_unit():
    y, units = normal(5, 7, 3, 4), [0, 1, 2, 3, 6]
    problems = [1, 4, 1, 1, 4]
    hand = [sum(y[v, units[p], i, j] for i in range(3) for j in range(4)) / 12 for v, p in enumerate(problems)]
    torch.testing.assert_close(channel("layer", units).of(reading(y, **VIEWS)), expected(hand))
    flat = y[..., 0, 0]
    hand = [flat[v, units[p]] for v, p in enumerate(problems)]
    torch.testing.assert_close(channel("layer", units).of(reading(flat, **VIEWS)), expected(hand))


def test_a_neuron_is_one_position_and_the_middle_by_default():
    y, units, places = normal(5, 7, 3, 4), [0, 1, 2, 3, 6], [None, (2, 3), None, None, None]
    hand = [y[0, 1, 2, 3], y[1, 6, 1, 2], y[2, 1, 2, 3], y[3, 1, 2, 3], y[4, 6, 1, 2]]
    torch.testing.assert_close(neuron("layer", units, places).of(reading(y, **VIEWS)), expected(hand))


def test_scores_are_the_logit_its_log_probability_and_its_probability():
    y, classes = normal(5, 7), [0, 1, 2, 3, 6]
    r = reading(y, **VIEWS, name="logits")
    problems = [1, 4, 1, 1, 4]
    logit = torch.stack([y[v, classes[p]] for v, p in enumerate(problems)])
    p = logit.exp() / torch.stack([sum(y[v, c].exp() for c in range(7)) for v in range(5)])
    torch.testing.assert_close(score(classes).of(r), expected(logit))
    torch.testing.assert_close(score(classes, "log-p").of(r), expected(p.log()))
    torch.testing.assert_close(score(classes, "p").of(r), expected(p))
    torch.testing.assert_close(cross_entropy(classes).of(r), -expected(p.log()))


def test_the_logits_of_a_fully_convolutional_network_are_averaged_over_positions():
    y = normal(2, 7, 3, 4)
    r = reading(y, name="logits")
    torch.testing.assert_close(score([1, 2]).of(r), torch.stack([y[0, 1].mean(), y[1, 2].mean()]))


def test_log_p_of_an_impossible_class_is_finite():
    y = torch.tensor([[0.0, 2000.0]], dtype=torch.float64)
    assert score([0], "log-p").of(reading(y, name="logits")).item() == -2000


def test_the_slope_of_energy_at_the_layer_is_the_activation():
    y = normal(2, 4, 3, 3).requires_grad_()
    value = energy("layer").of(reading(y))
    torch.testing.assert_close(value, (y**2).mean((1, 2, 3)) / 2)
    torch.testing.assert_close(torch.autograd.grad(value.sum(), y)[0], y / 36)


def test_the_distance_to_a_code_is_relative_and_per_problem():
    code = normal(5, 4, 3, 3, seed=1)
    at = code_distance("layer", code)
    assert at.of(reading(code[[1, 4, 1, 1, 4]], **VIEWS)).tolist() == [0, 0]
    torch.testing.assert_close(at.of(reading(torch.zeros(5, 4, 3, 3).double(), **VIEWS)), torch.ones(2).double())
    doubled = at.of(reading(3 * code[[1, 4, 1, 1, 4]], **VIEWS))
    torch.testing.assert_close(doubled, torch.full((2,), 4.0, dtype=torch.float64))


A = Term(lambda r: r.pictures.sum((1, 2, 3)), frozenset(["a"]), "a")
B = Term(lambda r: r.pictures.square().sum((1, 2, 3)), frozenset(["b"]), "b")
C = Term(lambda r: r.pictures.exp().sum((1, 2, 3)), frozenset(["b", "c"]), "c")


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_terms_form_a_linear_space(s, t):
    r = reading(normal(3, 2))
    a, b, c = (term.of(r) for term in (A, B, C))
    torch.testing.assert_close((s * A + t * (B - C)).of(r), s * a + t * b - t * c)
    torch.testing.assert_close((-(A - s * (B - C))).of(r), -a + s * b - s * c)
    torch.testing.assert_close((s * (t * A)).of(r), s * t * a)


def test_a_sum_reads_the_layers_of_its_parts_and_remembers_them():
    term = 2 * (A - 3 * B) + C
    assert term.layers == {"a", "b", "c"}
    assert [part.name for part in term.leaves] == ["2 a", "2 -1 3 b", "c"]
    r = reading(normal(3, 2))
    torch.testing.assert_close(sum(part.of(r) for part in term.leaves), term.of(r))


def test_operands_are_left_alone():
    r = reading(normal(3, 2))
    before = A.of(r)
    _ = 2 * A + B - A
    torch.testing.assert_close(A.of(r), before)
    assert A.layers == {"a"} and A.leaves == (A,)


def test_a_mean_over_views_reaches_every_view_with_its_share():
    numbers = normal(5).requires_grad_()
    r = reading(normal(5, 2), **VIEWS)
    assert r.problems.tolist() == [1, 4, 1, 1, 4]
    torch.testing.assert_close(r.mean(numbers), expected(numbers))
    (slope,) = torch.autograd.grad(r.mean(numbers).sum(), numbers)
    assert slope.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2])
