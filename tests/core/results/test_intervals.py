"""Wilson's interval, against its definition: the shares that a count is not surprising for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.results.intervals import SURE, wilson


@given(st.integers(1, 400), st.data())
def test_the_ends_are_the_shares_from_which_the_count_is_just_as_far_as_is_sure(of, data):
    hits = data.draw(st.integers(0, of))
    low, high = wilson(hits, of)
    for end in (low, high):
        assert (hits / of - end) ** 2 == pytest.approx(SURE**2 * end * (1 - end) / of, rel=1e-6, abs=1e-12)
    assert 0 <= low <= hits / of <= high <= 1


def test_half_of_two_hundred_is_known_to_seven_points_and_of_none_nothing_is():
    assert [round(100 * end, 1) for end in wilson(101, 200)] == [43.6, 57.4]
    assert wilson(0, 0) == (0, 1)
    assert wilson(0, 10)[0] == 0 and wilson(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)
