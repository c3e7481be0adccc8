import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from phosphene.core.index.layout import BINS, QUANTILES
from phosphene.dataset.statistics import (
    ClassMeans,
    bands,
    correlations,
    distribution,
    nearest_units,
    selectivity,
    smallest,
)

TIES = arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([-1.5, 0.0, 0.5, 1.0, 3.0]))


@settings(max_examples=40)
@given(TIES, st.integers(1, 12))
def test_the_smallest_are_those_of_a_full_sort_and_equals_come_by_number(keys, count):
    order = sorted(range(len(keys)), key=lambda i: (keys[i], i))
    assert smallest(keys.astype(np.float64), count).tolist() == order[:count]


def test_what_is_infinite_is_never_chosen():
    assert smallest(np.array([np.inf, 2.0, np.inf, 1.0]), 3).tolist() == [3, 1]
    assert smallest(np.array([np.inf]), 3).tolist() == []


@settings(max_examples=40)
@given(TIES, st.integers(1, 9), st.sampled_from([0.0, 0.5, -2.0]))
def test_bands_equal_their_definitions(peaks, count, threshold):
    n, lows = range(len(peaks)), np.minimum(peaks, 0) - np.float32(0.25) * (np.arange(len(peaks)) % 3)
    lows = lows.astype(np.float32)
    found = {band: images.tolist() for band, images in bands(peaks, lows, threshold, count).items()}
    exact, median = peaks.astype(float), float(np.median(peaks.astype(float)))
    weak = lows if (lows < 0).any() else peaks
    assert found["strongest"] == sorted(n, key=lambda i: (-exact[i], i))[:count]
    assert found["weakest"] == sorted(n, key=lambda i: (float(weak[i]), i))[:count]
    assert found["median"] == sorted(n, key=lambda i: (abs(exact[i] - median), i))[:count]
    assert found["threshold"] == sorted((i for i in n if exact[i] > threshold), key=lambda i: (exact[i], i))[:count]


def test_a_unit_that_never_goes_below_zero_is_weakest_where_its_peak_is_smallest():
    peaks = np.array([3.0, 1.0, 2.0], np.float32)
    assert bands(peaks, np.zeros(3, np.float32), 0.0, 2)["weakest"].tolist() == [1, 2]


@settings(max_examples=40)
@given(TIES)
def test_a_distribution_counts_every_image_once(peaks):
    found = distribution(peaks, 0.0)
    assert found.histogram.sum() == len(peaks)
    assert len(found.histogram) == BINS
    assert found.quantiles[0] == peaks.min() and found.quantiles[-1] == peaks.max()
    assert len(found.quantiles) == len(QUANTILES)
    assert found.mean == pytest.approx(sum(map(float, peaks)) / len(peaks))
    assert found.deviation**2 == pytest.approx(sum((float(p) - found.mean) ** 2 for p in peaks) / len(peaks), abs=1e-12)
    assert found.share == sum(p > 0 for p in peaks) / len(peaks)
    assert found.dead == (max(peaks) <= 0 or len(set(peaks.tolist())) == 1)


def test_selectivity_has_its_closed_form():
    index, best = selectivity(np.array([[3.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), [2, 5, 7])
    assert index.tolist() == [pytest.approx((3 - 0.5) / (3 + 0.5)), 0, 0]
    assert best.tolist() == [2, -1, 2]  # silent; of equals the smaller


def test_class_means_are_summed_over_shards_and_leave_out_what_has_no_label():
    codes, labels = np.array([[1.0, -4.0], [3.0, 2.0], [5.0, 0.0], [9.0, 9.0]], np.float16), np.array([0, 0, 4, -1])
    parts = ClassMeans()
    for rows in (slice(0, 1), slice(1, 4)):
        parts.add(codes[rows], labels[rows])
    index, best = parts.selectivity(2)
    assert index.tolist() == [pytest.approx((5 - 2) / (5 + 2)), pytest.approx((1 - 0) / (1 + 0))]
    assert best.tolist() == [4, 0]


def test_without_two_classes_there_is_no_selectivity():
    index, best = ClassMeans().selectivity(3)
    assert np.isnan(index).all() and best.tolist() == [-1, -1, -1]


def test_correlations_equal_numpys_whatever_the_shards():
    peaks = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    peaks[:, 3] = 2 * peaks[:, 1] + 7
    peaks[:, 4] = 0.1  # constant, and no power of two
    mean = peaks.astype(np.float64).mean(0)
    found = correlations([peaks[:20], peaks[20:]], mean)
    expected = np.corrcoef(peaks[:, :4].astype(np.float64).T)
    np.testing.assert_allclose(found[:4, :4], expected, atol=1e-6)
    assert not found[4].any() and not found[:, 4].any()
    nearest, correlation = nearest_units(found)
    assert nearest[1] == 3 and nearest[3] == 1 and correlation[1] > 0.999
    assert correlation[4] == 0


def test_a_single_unit_has_no_nearest():
    nearest, correlation = nearest_units(np.ones((1, 1), np.float32))
    assert (nearest.tolist(), correlation.tolist()) == ([-1], [0.0])
