"""Accuracy over the radius, from the distances of the nearest pictures that fool."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.adversarial.evaluation.curves import accuracy_at, median, staircase


def of(*nearest):
    return torch.tensor(nearest, dtype=torch.float64)


NEAREST = of(0.0, 0.1, 0.3, 0.3, math.inf)


def test_it_falls_where_a_picture_is_fooled_and_is_flat_between():
    points = [(0.0, 0.8), (0.1, 0.8), (0.1, 0.6), (0.3, 0.6), (0.3, 0.2), (1.0, 0.2)]
    assert staircase(NEAREST, 1.0) == points
    assert [accuracy_at(NEAREST, eps) for eps in (0.05, 0.1, 0.2, 0.5)] == [0.8, 0.6, 0.6, 0.2]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=12), st.floats(0.01, 1.99))
def test_the_staircase_says_what_is_counted(nearest, eps):
    found = of(*nearest)
    below = [accuracy for radius, accuracy in staircase(found, 2.0) if radius <= eps + 1e-7]
    assert abs(below[-1] - accuracy_at(found, eps)) < 1e-12


def test_the_median_is_of_what_it_is_right_about():
    assert median(of(0.0, 0.0, 0.2, 0.4, math.inf)) == 0.4
    assert median(of(0.0, 0.2, 0.4)) == pytest.approx(0.3)
    assert median(of(0.0, 0.2, math.inf, math.inf)) is None
    assert median(of(0.0)) is None
