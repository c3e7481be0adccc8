"""The next weight lies between those that enclose the wanted error, whatever the curve is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.inversion.bisection import nearest, next_weight, off


def test_a_code_that_is_met_exactly_is_no_division_by_nothing():
    assert off(0.0, 0.0) == 0 and off(1.0, 0.0) > 1e20
    assert next_weight([(1.0, 0.0), (10.0, 0.5)], 0.0) > 0


@given(st.floats(-6, 6), st.floats(0.1, 3), st.floats(-6, 6))
def test_any_growing_curve_is_met_to_a_twentieth(middle, power, start):
    def error(weight):
        return 0.01 + 1 / (1 + (10**middle / weight) ** power)

    target, tried = 0.1, [(10**start, error(10**start))]
    while off(nearest(tried, target)[1], target) > 0.05 and len(tried) < 60:
        weight = next_weight(tried, target)
        tried.append((weight, error(weight)))
    assert off(nearest(tried, target)[1], target) <= 0.05


def test_a_curve_that_is_a_line_in_logarithms_is_met_at_once():
    tried = [(1.0, 0.01), (100.0, 1.0)]
    assert next_weight(tried, 0.1) == pytest.approx(10.0)


def test_while_all_errors_are_on_one_side_it_goes_on_tenfold():
    assert next_weight([(1.0, 0.2), (0.1, 0.15)], 0.1) == pytest.approx(0.01)
    assert next_weight([(1.0, 0.02), (10.0, 0.05)], 0.1) == pytest.approx(100.0)


def test_the_next_weight_is_a_tenth_of_the_way_from_an_end_at_least():
    found = next_weight([(1.0, 0.0999), (10.0, 50.0)], 0.1)
    assert found == pytest.approx(10**0.1)


def test_of_a_curve_that_falls_somewhere_the_nearest_enclosing_weights_above_are_taken():
    tried = [(1.0, 0.3), (10.0, 0.05), (100.0, 0.4)]
    assert 10 < next_weight(tried, 0.1) < 100
    assert nearest(tried, 0.25) == (1.0, 0.3)


def test_how_far_an_error_is_off_counts_alike_both_ways():
    assert off(0.11, 0.1) == pytest.approx(0.1) == off(0.1 / 1.1, 0.1)
    assert off(0.1, 0.1) == 0 and math.isfinite(off(0.0, 0.1))
