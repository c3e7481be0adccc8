"""From numbers to sentences: each limit decides what it says it decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.attribution.checks.verdicts import (
    ADDS_UP,
    ALIKE,
    MARGIN,
    OTHER,
    SAME,
    on_completeness,
    on_deletion,
    on_insertion,
    on_pointing,
    on_randomization,
    on_shift,
    percent,
    short,
)


@pytest.mark.parametrize(
    ("counts", "ssim", "rank", "said"),
    [
        ([1, 5, 9], [0.95, 0.86, 0.5], [0.99, 0.95, 0.6],
         "nearly unchanged when the top 5 layers are randomized (SSIM .86): shows the image, not the class"),
        ([1, 9], [0.9, 0.2], [0.9, 0.2],
         "nearly unchanged when the top layer is randomized (SSIM .90): shows the image, not the class"),
        ([1, 9], [1.0, 0.99], [1.0, 1.0],
         "nearly unchanged when all 9 layers are randomized (SSIM .99): shows the image, not the network"),
        ([1], [1.0], [1.0],
         "nearly unchanged when the top layer is randomized (SSIM 1.00): shows the image, not the class"),
        ([1, 9], [0.31, 0.1], [0.6, 0.1],
         "changes when the top layer is randomized (SSIM .31, rank .60): shows what was learnt about the class"),
        ([1, 9], [0.9, 0.1], [-0.12, 0.1],
         "changes when the top layer is randomized (SSIM .90, rank -.12): shows what was learnt about the class"),
        ([1, 9], [0.7, 0.1], [0.7, 0.1],
         "changes only in part when the top layer is randomized (SSIM .70, rank .70)"),
    ],
)  # fmt: skip
def test_what_randomization_says(counts, ssim, rank, said):
    assert on_randomization(counts, ssim, rank, 9, "class") == said


def test_of_a_single_layer_it_is_the_only_one_and_a_unit_is_called_one():
    assert "the only layer is randomized" in on_randomization([1], [1.0], [1.0], 1, "class")
    assert on_randomization([1], [0.9], [0.9], 3, "unit").endswith("not the unit")


def test_being_like_itself_again_further_down_does_not_count():
    said = on_randomization([1, 3, 5], [0.9, 0.3, 0.95], [0.9, 0.3, 0.95], 9, "class")
    assert "the top layer is" in said


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_nearly_unchanged_needs_both(ssim, rank):
    said = on_randomization([1], [ssim], [rank], 9, "class")
    assert said.startswith("nearly unchanged") == (min(ssim, rank) >= ALIKE)
    assert said.startswith("changes when") == (min(ssim, rank) < OTHER)


@pytest.mark.parametrize(
    ("own", "than", "more"),
    [(0.1, "edges or random pixels", True), (0.3, "edges", False), (0.6, "edges or random pixels", False)],
)
def test_deletion_is_better_the_smaller_its_area(own, than, more):
    said = on_deletion(own, {"edges": 0.2, "random": 0.5}, whole=1.0)
    assert f"costs {'more' if more else 'no more'} than {than} would (area {short(own)}, edges .20, random .50)" in said


def test_insertion_is_better_the_larger_its_area():
    assert "gains more than edges or random pixels would" in on_insertion(0.6, {"edges": 0.2, "random": 0.5}, 1.0)
    assert "gains no more than random pixels would" in on_insertion(0.4, {"edges": 0.2, "random": 0.5}, 1.0)
    assert on_insertion(0.4, {}, 1.0) == "giving its pixels back gains (area .40)"


def test_areas_are_told_apart_as_a_share_of_what_the_network_says_of_the_photograph():
    near = {"random": 0.1 + 0.9 * MARGIN}
    assert "no more" in on_deletion(0.1, near, whole=1.0)
    assert "no more" not in on_deletion(0.1, near, whole=0.5)
    assert "no more" in on_deletion(0.0, {"random": 0.0}, whole=0.0)


@pytest.mark.parametrize(("hits", "points"), [(4, True), (3, True), (2, False), (0, False)])
def test_a_map_points_with_three_of_four(hits, points):
    said = on_pointing(hits, 4, 0.412)
    assert said.startswith("points at" if points else "does not point reliably at")
    assert f"{hits} of 4, 41 % of it there" in said


def test_shift_and_completeness():
    assert on_shift(SAME / 2).startswith("not changed")
    assert on_shift(0.34).startswith("changes by 34 % under a constant shift")
    assert on_completeness(ADDS_UP) == "adds up to within 5 %"
    assert on_completeness(0.004) == "adds up to within 0.4 %"
    assert on_completeness(0.5) == "adds up only to within 50 %"


@pytest.mark.parametrize(
    ("number", "written"),
    [(0.856, ".86"), (1, "1.00"), (-0.12, "-.12"), (0.999, "1.00"), (0, ".00"), (-1, "-1.00"), (-0.004, ".00")],
)
def test_numbers_are_written_short(number, written):
    assert short(number) == written


def test_small_shares_are_not_rounded_to_nothing():
    assert (percent(0.5), percent(0.0042), percent(0.00042)) == ("50 %", "0.4 %", "0.04 %")
