"""Terms against plain indexing, and their algebra."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.networks.head import SOFTMAX, Head
from phosphene.core.optimization.terms import (
    Reading,
    Term,
    TokenGrid,
    channel,
    code_distance,
    cross_entropy,
    direction,
    diversity,
    energy,
    likeness,
    neuron,
    score,
    similarity,
    token,
    weighted,
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


def test_the_gradient_of_energy_at_the_layer_is_the_activation():
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


PROBLEMS = [1, 4, 1, 1, 4]
"""Of the five views."""


def test_a_token_is_one_token_of_a_channel_and_the_mean_of_a_heads_output_there():
    y, units, places = normal(5, 7, 9), [0, 1, 2, 3, 6], [0, 3, 0, 0, (1, 2)]
    grid = TokenGrid(1, 4)  # the class, and 2 rows of 4
    hand = [y[v, units[p], {1: 3, 4: 1 + 1 * 4 + 2}[p]] for v, p in enumerate(PROBLEMS)]
    torch.testing.assert_close(token("layer", units, places, grid).of(reading(y, **VIEWS)), expected(hand))
    y = normal(5, 7, 9, 3)
    hand = [sum(y[v, units[p], {1: 3, 4: 7}[p], i] for i in range(3)) / 3 for v, p in enumerate(PROBLEMS)]
    torch.testing.assert_close(token("layer", units, places, grid).of(reading(y, **VIEWS)), expected(hand))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.data())
def test_the_columns_of_patches_follow_from_the_pictures_proportions(rows, columns, prefix, data):
    row, column = data.draw(st.integers(0, rows + 1)), data.draw(st.integers(0, columns + 1))
    tokens, size = prefix + rows * columns, (8 * rows, 8 * columns)
    there = row < rows and column < columns
    at = prefix + columns * row + column if there else None
    assert TokenGrid(prefix).token((row, column), tokens, size) == at
    assert TokenGrid(prefix, columns).token((row, column), tokens, (50, 7)) == at


def test_a_token_that_is_not_there_is_a_mistake():
    r = reading(normal(1, 7, 9))
    with pytest.raises(Mistake, match="layer has 9 tokens on pictures of this size, and token 9 is none of them"):
        token("layer", [0], [9]).of(r)
    with pytest.raises(Mistake, match="and the patch at 2,0 is none of them"):
        token("layer", [0], [(2, 0)], TokenGrid(1, 4)).of(r)


def slow_dot_cosine(y, v, power):
    """dot * max(.1, cos)^power of two vectors, number by number (lucid, `objectives._dot_cossim`)."""
    dot = sum(a * b for a, b in zip(y, v, strict=True))
    length = sum(a * a for a in y) ** 0.5 * sum(b * b for b in v) ** 0.5
    return dot * torch.maximum(dot / length, torch.tensor(0.1, dtype=dot.dtype)) ** power


@pytest.mark.parametrize("power", [0, 1, 2, 0.5])
@pytest.mark.parametrize("shape", [(3, 2), (4,), ()])
def test_a_direction_is_dot_times_cosine_at_every_position(power, shape):
    y, v = normal(5, 6, *shape), normal(5, 6, seed=1)
    flat = y.reshape(5, 6, -1)
    places = range(flat.shape[2])
    hand = [sum(slow_dot_cosine(flat[i, :, j], v[p], power) for j in places) / len(places)
            for i, p in enumerate(PROBLEMS)]  # fmt: skip
    torch.testing.assert_close(direction("layer", v, power).of(reading(y, **VIEWS)), expected(hand))


@pytest.mark.parametrize("power", [0, 1, 2])
@pytest.mark.parametrize("shape", [(3, 2), (4,), ()])
def test_likeness_is_dot_times_cosine_with_the_code_at_the_same_position(power, shape):
    y, codes = normal(5, 6, *shape), normal(5, 6, *shape, seed=1)
    flat, code = y.reshape(5, 6, -1), codes.reshape(5, 6, -1)
    places = range(flat.shape[2])
    hand = [sum(slow_dot_cosine(flat[i, :, j], code[p, :, j], power) for j in places) / len(places)
            for i, p in enumerate(PROBLEMS)]  # fmt: skip
    torch.testing.assert_close(likeness("layer", codes, power).of(reading(y, **VIEWS)), expected(hand))


def test_a_direction_along_one_channel_is_that_channel_without_the_cosine():
    y = normal(3, 5, 2, 2)
    found = direction("layer", torch.eye(5, dtype=torch.float64)[:3], 0).of(reading(y))
    torch.testing.assert_close(found, channel("layer", [0, 1, 2]).of(reading(y)))


def test_a_direction_has_a_gradient_where_the_layer_is_silent_or_points_the_other_way():
    v = normal(1, 4)
    for y in (torch.zeros(1, 4, 2, 1, dtype=torch.float64), -v[..., None, None].expand(1, 4, 2, 1)):
        leaf = y.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(direction("layer", v).of(reading(leaf)).sum(), leaf)
        torch.testing.assert_close(gradient, 0.1 * v[..., None, None].expand(1, 4, 2, 1) / 2)


def test_a_direction_or_a_code_of_another_layer_is_a_mistake():
    r = reading(normal(1, 4, 3, 3))
    with pytest.raises(Mistake, match="layer has 4 channels, the direction has 5 numbers"):
        direction("layer", normal(1, 5)).of(r)
    with pytest.raises(Mistake, match="layer is 4 x 3 x 3 on pictures of this size, the code is 4 x 2 x 3"):
        likeness("layer", normal(1, 4, 2, 3)).of(r)


def slow_diversity(y, rows, of, group):
    """Olah et al. 2017: Gram matrices channel by channel, and their cosines picture by picture."""
    n = max(of) + 1
    grams = []
    for i in range(n):
        views = [y[v].reshape(y.shape[1], -1) for v in range(len(y)) if of[v] == i]
        c = range(y.shape[1])
        grams.append(torch.stack([sum((x[a] * x[b]).sum() for x in views) / len(views) for a in c for b in c]))
    found = []
    for i in range(n):
        others = [j for j in range(n) if j != i and group[rows[j]] == group[rows[i]]]
        alike = [(grams[i] * grams[j]).sum() / (grams[i].norm() * grams[j].norm()) for j in others]
        found.append(sum(alike) / len(alike) if alike else torch.tensor(0.0, dtype=y.dtype))
    return torch.stack(found)


@pytest.mark.parametrize("shape", [(3, 2), (4,), ()])
def test_diversity_is_the_mean_cosine_of_gram_matrices_within_a_group(shape):
    y, rows, group = normal(6, 3, *shape), [4, 1, 0, 2], [7, 8, 7, 0, 7]
    of = [1, 0, 3, 2, 0, 3]
    found = diversity("layer", group).of(reading(y, rows, of))
    torch.testing.assert_close(found, slow_diversity(y, rows, of, group))
    assert found[1] == 0  # alone in its group


def test_pictures_that_are_the_same_are_as_alike_as_can_be_and_orthogonal_ones_not_at_all():
    y = torch.zeros(4, 4, 2, dtype=torch.float64)
    y[0, 0], y[1, 0], y[2, 1] = 3, 0.5, 2  # the last one is silent
    found = diversity("layer", [0, 0, 0, 0]).of(reading(y))
    torch.testing.assert_close(found, torch.tensor([1 / 3, 1 / 3, 0, 0], dtype=torch.float64))


def test_weights_belong_to_problems():
    r = reading(normal(5, 7, 3, 4), **VIEWS)
    term = channel("layer", [0, 1, 2, 3, 6])
    torch.testing.assert_close(
        weighted([9, -2, 9, 9, 0.5], term).of(r), term.of(r) * torch.tensor([0.5, -2], dtype=torch.float64)
    )


SLOPES = {
    "token": token("layer", [0, 1, 2, 0, 1], [0, 3, 0, 0, (1, 1)], TokenGrid(2, 2)),
    "direction": direction("layer", normal(5, 3, seed=1), 2),
    "likeness": likeness("layer", normal(5, 3, 6, seed=1), 1),
    "diversity": diversity("layer", [0, 1, 0, 0, 1]),
    "weighted": weighted([1, 2, 3, 4, 5], channel("layer", [0, 1, 2, 0, 1])),
}


@pytest.mark.parametrize("term", SLOPES.values(), ids=SLOPES)
def test_the_gradient_of_a_term_is_that_of_finite_differences(term):
    assert torch.autograd.gradcheck(lambda y: term.of(reading(y, **VIEWS)), normal(5, 3, 6).requires_grad_())


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
    (gradient,) = torch.autograd.grad(r.mean(numbers).sum(), numbers)
    assert gradient.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2])


# -------------------------------------------------------------------------------------------- answers at several places


def answered(y, size, head=SOFTMAX):
    pictures = torch.zeros(len(y), 3, *size, dtype=y.dtype)
    rows = torch.arange(len(y))
    return Reading(pictures, rows, pictures, rows, {"logits": y}, head)


def test_a_class_of_a_map_is_asked_at_a_place_over_a_region_or_everywhere():
    y = normal(4, 3, 5, 6)
    places = [None, (2, 1), (10, 20, 20, 10), (0, 0, 1, 1)]
    values = score([1, 0, 2, 1], "logit", places).of(answered(y, (50, 60)))
    by_hand = [y[0, 1].mean(), y[1, 0, 2, 1], y[2, 2, 2:3, 1:3].mean(), y[3, 1, 0, 0]]
    torch.testing.assert_close(values, torch.stack(by_hand))
    p = score([1], "p", [(10, 20, 20, 10)]).of(answered(y[2:3], (50, 60)))
    torch.testing.assert_close(p, y[2:3, :, 2:3, 1:3].mean((2, 3)).softmax(1)[:, 1])


def test_a_place_that_is_not_in_the_answer_is_a_mistake():
    with pytest.raises(Mistake, match="5 rows and 6 columns, so \\(5, 0\\) is not in it"):
        score([0], "logit", [(5, 0)]).of(answered(normal(1, 3, 5, 6), (50, 60)))
    with pytest.raises(Mistake, match="answers once for the whole picture"):
        score([0], "logit", [(0, 0, 3, 3)]).of(answered(normal(1, 3), (50, 60)))


def test_of_boxes_the_best_is_asked_or_the_one_that_overlaps_most_with_a_region():
    head = Head("probabilities", exclusive=False, boxes=True)
    y = torch.zeros(1, 2 + 4, 3)
    y[0, 0, 0], y[0, 0, 1], y[0, 1, 2] = 0.9, 0.6, 0.5  # class 0 twice, class 1 once
    y[0, 2:] = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [0, 20, 10, 30]]).T
    for places, index, value in (([None], 0, 0.9), ([(19, 21, 10, 10)], 0, 0.6), ([(0, 18, 9, 9)], 1, 0.5)):
        assert score([index], "p", places).of(answered(y, (32, 32), head)).item() == pytest.approx(value)
    with pytest.raises(Mistake, match="a detector's answer is boxes; give a region"):
        score([0], "p", [(1, 1)]).of(answered(y, (32, 32), head))


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3), (2, 4, 3, 5)])
def test_similarity_is_the_cosine_of_the_mean_over_positions(shape):
    y, vectors = normal(*shape), normal(2, 4, seed=1)
    means = [[row.flatten().mean().item() for row in one] for one in y]
    by_hand = []
    for code, vector in zip(means, vectors.tolist(), strict=True):
        lengths = math.sqrt(sum(a * a for a in code)) * math.sqrt(sum(b * b for b in vector))
        by_hand.append(sum(a * b for a, b in zip(code, vector, strict=True)) / lengths)
    reading = answered(y, (4, 4))
    values = similarity("logits", vectors).of(reading)
    torch.testing.assert_close(values, torch.tensor(by_hand, dtype=torch.float64))
    with pytest.raises(Mistake, match="logits has 4 channels, the code has 5 numbers"):
        similarity("logits", normal(2, 5)).of(reading)
