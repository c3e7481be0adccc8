import numpy as np


def test_duplicates_are_units_whose_correlation_is_above_the_limit(small):
    _, index = small
    seen = index.statistics("relu2")
    assert not seen.duplicates.any() and seen.duplicates.shape == (8,)
    assert np.array_equal(seen.duplicates, seen.correlation > 0.999)
    assert seen.correlation.max() == np.delete(index.correlations("relu2").ravel(), np.arange(0, 64, 9)).max()
