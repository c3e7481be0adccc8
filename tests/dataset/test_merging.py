"""Everything in an index against a twin that keeps all activations and computes each number by its definition."""

import numpy as np
import pytest
import torch

from phosphene.core.index.layout import BANDS, QUANTILES
from phosphene.core.units.inputs import feed
from tests.small_index import small_network

LAYERS = ("relu1", "relu2", "logits")


@pytest.fixture(scope="module")
def activations(small):
    """Each layer's activations of all images, (n, units, places), float64, and its width."""
    folder, index = small
    network = small_network().planned("reading")
    fed = torch.cat([feed(network, str(folder / "photos" / name)) for name in index.ids])
    with torch.no_grad():
        parts = [network.read(part, LAYERS) for part in fed.split(8)]  # as it was read
    whole = {name: torch.cat([part[name] for part in parts]).numpy() for name in LAYERS}
    return {name: y.reshape(*y.shape[:2], -1) for name, y in whole.items()}


@pytest.mark.parametrize("layer", LAYERS)
def test_bands_are_those_of_a_full_sort(small, activations, layer):
    _, index = small
    flat, k = activations[layer], index.facts["k"]
    for unit in range(flat.shape[1]):
        peaks, lows = flat[:, unit].max(1), flat[:, unit].min(1)
        weak = lows if (lows < 0).any() else peaks
        median = np.median(peaks.astype(np.float64))
        keys = {"strongest": -peaks, "weakest": weak, "median": abs(peaks.astype(np.float64) - median)}
        keys["threshold"] = np.where(peaks > 0, peaks, np.inf)
        for band in BANDS:
            order = [i for i in sorted(range(len(peaks)), key=lambda i: (keys[band][i], i)) if keys[band][i] < np.inf]
            found = index.exemplars(layer, unit, band)
            assert [one.image for one in found] == order[:k]
            for one in found:
                least = band == "weakest" and (lows < 0).any()
                at = int((flat[one.image, unit].argmin if least else flat[one.image, unit].argmax)())
                assert one.value == flat[one.image, unit, at]
                width = {"relu1": 16, "relu2": 8}.get(layer)
                assert one.position == (None if width is None else divmod(at, width))


@pytest.mark.parametrize("layer", LAYERS)
def test_arrays_and_statistics_are_those_of_numpy(small, activations, layer):
    _, index = small
    flat = activations[layer]
    peaks, lows, codes = flat.max(2), flat.min(2), flat.astype(np.float64).mean(2)
    seen, exact = index.statistics(layer), peaks.astype(np.float64)
    np.testing.assert_array_equal(index.peaks(layer), peaks)
    np.testing.assert_array_equal(index.peaks(layer, [2, 0]), peaks[:, [2, 0]])
    np.testing.assert_allclose(index.codes(layer), codes, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(seen.mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(seen.deviation, exact.std(0), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(seen.lowest, lows.min(0))
    np.testing.assert_allclose(seen.quantiles, np.quantile(exact, QUANTILES, axis=0).T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(seen.share, (peaks > 0).mean(0), rtol=1e-6)
    np.testing.assert_array_equal(seen.dead, (peaks <= 0).all(0) | (peaks == peaks[0]).all(0))
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(np.corrcoef(exact.T))
    np.testing.assert_allclose(index.correlations(layer), expected, atol=1e-6)


def test_selectivity_is_that_of_class_means(small, activations):
    _, index = small
    codes = np.maximum(activations["relu2"].astype(np.float64).mean(2), 0)
    means = [codes[index.labels == c].mean(0) for c in range(4)]
    seen = index.statistics("relu2")
    for unit in range(8):
        own = sorted((float(m[unit]), c) for c, m in enumerate(means))
        top, rest = own[-1][0], sum(value for value, _ in own[:-1]) / 3
        assert seen.best_class[unit] == own[-1][1]
        assert seen.selectivity[unit] == pytest.approx((top - rest) / (top + rest), rel=1e-2)
