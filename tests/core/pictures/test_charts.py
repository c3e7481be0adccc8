"""Lines lie where their numbers are."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.pictures import charts
from phosphene.core.pictures.charts import Curve, Ticks, chart

ACROSS, UP = Ticks((0, 1), [(0, "0"), (1, "1")]), Ticks((0, 1), [(0, "0"), (1, "1")])
RED = (255, 0, 0)


def places(picture, colour=RED):
    """(rows, columns) of the pixels of a colour."""
    far = (picture[0] - torch.tensor(colour).view(3, 1, 1) / 255).abs().amax(0)
    return (far < 0.02).nonzero().T


def test_a_chart_is_twice_a_figures_panel_on_white():
    picture = chart([], ACROSS, UP)
    assert picture.shape == (1, 3, 640, 640)
    assert (picture[0, :, 0, -1] == 1).all() and picture.min() >= 0 and picture.max() <= 1


@pytest.mark.parametrize("height", [0.0, 0.3, 1.0])
def test_a_level_line_lies_at_its_height(height):
    def row(y):
        rows, columns = places(chart([Curve("", [(0, y), (1, y)], RED)], ACROSS, UP))
        assert rows.max() - rows.min() <= 4 and columns.max() - columns.min() > 500
        return rows.double().mean().item()

    assert row(height) == pytest.approx(row(0.0) + height * (row(1.0) - row(0.0)), abs=1)


def test_what_is_beyond_the_axis_is_drawn_at_its_end():
    for beyond, end in ((-0.5, 0.0), (7.0, 1.0)):
        a, b = (chart([Curve("", [(0, y), (1, y)], RED)], ACROSS, UP) for y in (beyond, end))
        assert torch.equal(a, b)


def test_the_first_curve_lies_on_top():
    red, blue = Curve("", [(0, 0.5), (1, 0.5)], RED), Curve("", [(0, 0.5), (1, 0.5)], (0, 0, 255))
    assert places(chart([red, blue], ACROSS, UP)).numel() and not places(chart([blue, red], ACROSS, UP)).numel()


def test_a_dashed_line_has_gaps_and_a_dotted_one_dots():
    line = [(0.0, 0.5), (1.0, 0.5)]
    whole, dashed, dotted = (
        places(chart([Curve("", line, RED, **style)], ACROSS, UP)) for style in ({}, {"dashed": True}, {"dots": True})
    )
    assert 0.4 < dashed.shape[1] / whole.shape[1] < 0.75
    assert dotted[0].max() - dotted[0].min() > whole[0].max() - whole[0].min() + 6


def test_names_make_a_legend_above_and_a_long_one_takes_two_rows():
    def top(curves):
        return places(chart(curves, ACROSS, UP), (0, 0, 255))[0].max().item()

    low = Curve("", [(0, 1), (1, 1)], (0, 0, 255))
    names = [Curve(f"a rather long name {i}", [], RED) for i in range(4)]
    assert top([low]) < top([low, names[0]]) < top([low, *names])


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300)), min_size=2, max_size=6),
    st.floats(2, 20),
    st.floats(2, 20),
)
def test_dashes_are_together_as_long_as_their_part_of_the_line(points, on, off):
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    dashes = charts._dashes(points, on, off)
    drawn = sum(math.dist(*piece) for piece in dashes)
    periods = length // (on + off)
    assert periods * on - 1e-3 <= drawn <= (periods + 1) * on + 1e-3


def test_numbers_that_are_none_and_axes_without_length_are_mistakes():
    with pytest.raises(Mistake, match="finite"):
        chart([Curve("", [(0, math.nan)], RED)], ACROSS, UP)
    with pytest.raises(Mistake, match="from a lower to a higher"):
        chart([], Ticks((1, 1), []), UP)
