"""Bars of probabilities, and a network as a funnel."""

import numpy as np
import pytest

from phosphene.core.errors import Mistake
from phosphene.features import charts
from phosphene.features.charts import bars, numbers
from tests.core.pictures.test_sheets import coloured


def test_a_bar_is_as_long_as_its_probability():
    def length(p: float) -> int:
        return coloured(bars([("cat", p)], highlight=0), (0xC8, 0x55, 0x3D))[1]

    assert length(0.5) == pytest.approx(length(1.0) / 2, abs=1)
    assert bars([("cat", 0.2), ("dog", 0.8)], width=500).width == 500


@pytest.mark.parametrize(
    ("p", "said"), [(0.0, "0.0 %"), (0.0001, "< 0.1 %"), (0.0005, "0.1 %"), (0.7314, "73.1 %"), (1.0, "100.0 %")]
)
def test_percentages_are_never_rounded_to_nothing(p, said):
    assert charts._percent(p) == said


@pytest.mark.parametrize("rows", [[], [("cat", 1.2)], [("cat", -0.1)], [("cat", float("nan"))]])
def test_bars_are_for_probabilities(rows):
    with pytest.raises(Mistake, match="bars need probabilities from 0 to 1"):
        bars(rows)


def test_a_numbers_bar_begins_at_zero_and_goes_to_the_left_where_it_is_negative():
    def bar(rows, row):
        drawn = np.asarray(numbers(rows, highlight=row))
        accent = (drawn == (0xC8, 0x55, 0x3D)).all(2).any(0).nonzero()[0]
        return int(accent[0]), int(accent[-1])

    rows = [("up", 3.0), ("down", -1.0), ("half up", 1.5)]
    (zero, end), (left, right), (from_, half) = (bar(rows, row) for row in range(3))
    assert from_ == zero == pytest.approx(right, abs=1)
    assert (end - zero) / (right - left) == pytest.approx(3, rel=0.03)
    assert half - zero == pytest.approx((end - zero) / 2, abs=1)


@pytest.mark.parametrize("value", [0.0, -2.0, 123456.0])
def test_a_single_number_is_drawn_whatever_it_is(value):
    assert numbers([("price", value)]).width == 480


@pytest.mark.parametrize("rows", [[], [("cat", float("inf"))]])
def test_numbers_that_are_not_finite_are_not_drawn(rows):
    with pytest.raises(Mistake, match="bars need finite numbers"):
        numbers(rows)


def test_a_block_is_as_wide_as_its_picture_and_as_high_as_its_channels_on_a_logarithmic_scale():
    blocks = [charts.Block("a", "kind", "words", "", 64, 4), charts.Block("b", "kind", "words", "", 8, 16)]
    drawn = np.asarray(charts.funnel(blocks))
    wide = [(drawn[24 + 84 * i + 42, :160] != drawn[0, 0]).any(1).sum() for i in (0, 1)]
    assert wide == [133, 8 + 124 // 2 + 1]  # log 8 is half of log 64; a rectangle's last pixel counts
    high = [(drawn[24 + 84 * i : 108 + 84 * i, 90] == drawn[66 + 84 * i, 90]).all(1).sum() for i in (0, 1)]
    assert high == [29, 49]  # 8 + 40 times a half, and one


def test_a_network_of_nothing_is_refused():
    with pytest.raises(Mistake, match="at least one stage"):
        charts.funnel([])
