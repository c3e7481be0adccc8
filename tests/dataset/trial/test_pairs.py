"""Pairs of photographs by rank bands: disjoint, from the ends that they are said to be from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.pairs import bin_size, drawn_units, pairs

VALUES = np.random.default_rng(0).permutation(400).astype(np.float32)  # image -> value: its rank from below


def test_the_one_asked_about_is_of_the_first_bin_and_each_reference_of_one_of_the_others():
    many = bin_size(400, 9)
    assert many == 4
    found = pairs(VALUES, "conv", 3)
    assert len(found) == many
    for one in found:
        assert VALUES[one.strong] >= 400 - many and VALUES[one.weak] < many
        for place, (high, low) in enumerate(zip(one.positive, one.negative, strict=True), 1):
            assert int(399 - VALUES[high]) // many == place == int(VALUES[low]) // many


def test_no_photograph_is_in_two_questions_about_a_unit():
    every = [i for one in pairs(VALUES, "conv", 3) for i in (one.strong, one.weak, *one.positive, *one.negative)]
    assert len(set(every)) == len(every) == 4 * 20


@pytest.mark.parametrize(("difficulty", "rank"), [("medium", 20), ("hard", 60)])
def test_harder_ones_are_further_inside_and_never_references(difficulty, rank):
    found = pairs(VALUES, "conv", 3, difficulty=difficulty)
    used = {i for one in found for i in (*one.positive, *one.negative)}
    for one in found:
        assert one.strong not in used and one.weak not in used
        assert VALUES[one.weak] < VALUES[one.strong]
    distance = [abs(399 - VALUES[one.strong] - rank) for one in found]
    assert max(distance) <= 25  # references take ranks 4 to 40 on either side
    assert [p.positive for p in found] == [p.positive for p in pairs(VALUES, "conv", 3)]


@given(st.integers(0, 1000), st.integers(0, 50))
def test_of_two_shown_the_right_one_excites_more(seed, unit):
    for one in pairs(VALUES[:100], "conv", unit, references=3, seed=seed):
        assert one.shown[one.right] == one.strong
        assert VALUES[one.shown[one.right]] > VALUES[one.shown[1 - one.right]]


def test_sides_and_seeds_change():
    sides = [one.first for unit in range(40) for one in pairs(VALUES, "conv", unit)]
    assert 50 < sum(sides) < 110  # of 160
    assert pairs(VALUES, "conv", 3, seed=1) != pairs(VALUES, "conv", 3) != pairs(VALUES, "other", 3)


def test_of_equals_the_first_is_stronger_and_a_dead_unit_is_not_asked_about():
    values = np.zeros(100, np.float32)
    assert pairs(values, "conv", 0, references=4) == []
    values[7] = 1
    assert [one.strong for one in pairs(values, "conv", 0, references=4)] == [7]


def test_too_few_photographs_are_a_mistake():
    assert bin_size(20, 9) == 1 and bin_size(100_000, 9) == 20
    with pytest.raises(Mistake, match=r"the index has 19 pictures, and 9 references on either side .* take 20"):
        pairs(np.arange(19.0, dtype=np.float32), "conv", 0)


def test_units_are_drawn_from_each_layer_in_turn_and_only_once():
    found = drawn_units({"a": 3, "b": 5}, 8, seed=0)
    assert [layer for layer, _ in found[:6]] == ["a", "b"] * 3
    assert len(set(found)) == 8 and drawn_units({"a": 3, "b": 5}, 4, seed=0) == found[:4]
