"""Agreement beyond chance: against loops, and where it can be told in one's head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.dataset.trial.agreement import Share, confusion, error_consistency, kappa, right


def slow_kappa(first, second):
    """Cohen 1960, cell by cell of the table of both."""
    n, kinds = len(first), sorted({*first, *second})
    table = {(a, b): 0 for a in kinds for b in kinds}
    for a, b in zip(first, second, strict=True):
        table[a, b] += 1
    observed = sum(table[a, a] for a in kinds) / n
    expected = sum(sum(table[a, b] for b in kinds) * sum(table[b, a] for b in kinds) for a in kinds) / n**2
    return (observed - expected) / (1 - expected)


ANSWERS = [0, 1, 2, 0, 1, 2, 0, 0], [0, 2, 2, 0, 1, 1, 1, 0]


def test_kappa_equals_its_formula():
    assert kappa(*ANSWERS) == pytest.approx(slow_kappa(*ANSWERS))


@pytest.mark.slow
def test_kappa_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    assert kappa(*ANSWERS) == pytest.approx(metrics.cohen_kappa_score(*ANSWERS))


def test_of_a_hundred_the_textbook_says_two_fifths():
    """20 times both say yes, 15 times both no, 5 and 10 one of them: p_o = .7, p_e = .5."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4)


def test_error_consistency_of_independent_mistakes_is_none_at_all():
    """Right 3 times in 4 each, wrong about different pictures as often as chance has it: 9, 3, 3 and 1 of 16."""
    first = [True] * 12 + [False] * 4
    second = [True] * 9 + [False] * 3 + [True] * 3 + [False]
    assert error_consistency(first, second) == pytest.approx(0)
    assert error_consistency(first, first) == 1
    assert error_consistency([True, False], [False, True]) == -1


def test_where_nothing_is_left_to_agree_about_there_is_no_number():
    assert kappa([], []) is None and error_consistency([], []) is None
    assert kappa([3, 3], [3, 3]) is None and error_consistency([True, True], [True, True]) is None
    assert Share(0, 0).value is None and str(Share(0, 0)) == "none"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30))
def test_agreement_is_symmetric_and_at_most_one(both):
    first, second = (list(side) for side in zip(*both, strict=True))
    found = kappa(first, second)
    assert found == kappa(second, first)
    if found is not None:
        assert found <= 1 and (found == 1) == (first == second)


def test_shares_say_their_interval():
    share = right([1, 2, 3, 3], [1, 2, 3, 0])
    assert (share.hits, share.of, share.value) == (3, 4, 0.75)
    assert str(share) == "3 of 4, 75 % [30, 95]"
    assert share.record() == {"right": 3, "of": 4, "accuracy": 0.75, "interval": list(share.interval)}


def test_confusions_are_counted_in_their_cells():
    table = confusion([5, 5, 7, 7], [5, 7, 9, 7], [5, 7])
    assert table.tolist() == [[1, 1, 0], [0, 1, 1]]
