"""What a unit says over all images: bands, distribution, classes, and which other units say the same.

Everything is computed in float64 from what was kept of each image, one block of units or one shard of images at a time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from phosphene.core.index.layout import BINS, QUANTILES
from phosphene.core.units.exemplars import Band


def smallest(keys: Float[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " k"]:
    """The `count` smallest, smallest first; of equals the smaller index. What is infinite is left out.

    Without sorting everything: all below the count-th, and as many of those that equal it as are wanted.
    """
    finite = np.flatnonzero(np.isfinite(keys))
    count = min(count, len(finite))
    if count == 0:
        return np.zeros(0, np.int64)
    kept = keys[finite]
    bound = np.partition(kept, count - 1)[count - 1]
    below, equal = np.flatnonzero(kept < bound), np.flatnonzero(kept == bound)
    chosen = np.concatenate([below, equal[: count - len(below)]])
    return finite[chosen[np.lexsort((chosen, kept[chosen]))]]


def bands(
    peaks: Float32[np.ndarray, " n"], lows: Float32[np.ndarray, " n"], threshold: float, count: int
) -> dict[Band, Int64[np.ndarray, " _"]]:
    """The images of each band of a unit, in order; of equals the smaller number.

    Args:
        peaks, lows: its largest and smallest activation in each image.
    """
    exact, below = peaks.astype(np.float64), goes_below(lows)
    return {
        "strongest": smallest(-exact, count),
        "weakest": smallest(lows.astype(np.float64) if below else exact, count),
        "median": smallest(np.abs(exact - np.median(exact)), count),
        "threshold": smallest(np.where(exact > threshold, exact, np.inf), count),
    }


def goes_below(lows: Float32[np.ndarray, " n"]) -> bool:
    """Whether a unit says anything below zero, so that its weakest images are those where it says least anywhere."""
    return bool((lows < 0).any())


@dataclass(frozen=True)
class Distribution:
    """Of a unit's peaks: see `Statistics`."""

    mean: float
    deviation: float
    quantiles: Float[np.ndarray, " levels"]
    histogram: Int64[np.ndarray, " bins"]
    share: float
    dead: bool


def distribution(peaks: Float32[np.ndarray, " n"], threshold: float) -> Distribution:
    """Of a unit's peaks; a unit that always says the same is in the first bin."""
    exact = peaks.astype(np.float64)
    quantiles = np.quantile(exact, QUANTILES)
    least, most = quantiles[0], quantiles[-1]
    if most > least:
        histogram = np.histogram(exact, BINS, (least, most))[0].astype(np.int64)
    else:
        histogram = np.array([len(exact)] + [0] * (BINS - 1), np.int64)
    share = float((exact > threshold).mean())
    return Distribution(
        float(exact.mean()), float(exact.std()), quantiles, histogram, share, bool(share == 0 or most == least)
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ classes


class ClassMeans:
    """Each class's mean of what units say, summed shard by shard; below zero counts as zero."""

    def __init__(self) -> None:
        self._sums: dict[int, Float[np.ndarray, " units"]] = {}
        self._counts: dict[int, int] = {}

    def add(self, codes: Float[np.ndarray, "n units"], labels: Int64[np.ndarray, " n"]) -> None:
        """The next images; those without a label don't count."""
        exact = np.maximum(codes.astype(np.float64), 0)
        for label in np.unique(labels[labels >= 0]).tolist():
            own = exact[labels == label]
            self._sums[label] = self._sums.get(label, 0) + own.sum(0)
            self._counts[label] = self._counts.get(label, 0) + len(own)

    def selectivity(self, units: int) -> tuple[Float[np.ndarray, " units"], Int64[np.ndarray, " units"]]:
        """Each unit's selectivity (see `Statistics`) and best class; nan and -1 with fewer than two classes."""
        if len(self._sums) < 2:
            return np.full(units, np.nan), np.full(units, -1)
        classes = sorted(self._sums)
        means = np.stack([self._sums[c] / self._counts[c] for c in classes])
        return selectivity(means, classes)


def selectivity(
    means: Float[np.ndarray, "classes units"], classes: Sequence[int]
) -> tuple[Float[np.ndarray, " units"], Int64[np.ndarray, " units"]]:
    """(m - rest) / (m + rest), m being the largest mean of a class and rest the mean of the others' means.

    Morcos et al. 2018 (arXiv:1803.06959, section 2.2), for activations that are not negative. 0 where a unit says
    nothing, whose best class is -1.
    """
    best = means.argmax(0)
    top = means.max(0)
    rest = (means.sum(0) - top) / (len(means) - 1)
    silent = top <= 0
    index = (top - rest) / np.where(silent, 1, top + rest)
    return np.where(silent, 0, index), np.where(silent, -1, np.asarray(classes)[best])


# ------------------------------------------------------------------------------------------------------- correlations


def correlations(
    shards: Iterable[Float32[np.ndarray, "n units"]], mean: Float[np.ndarray, " units"]
) -> Float32[np.ndarray, "units units"]:
    """Of units over images, summed shard by shard about their means; 0 for a unit that always says the same."""
    total = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    middle = torch.from_numpy(np.asarray(mean, np.float64))
    for peaks in shards:
        centred = torch.from_numpy(peaks.astype(np.float64)) - middle
        total += centred.T @ centred
    spread = total.diagonal().sqrt()
    constant = spread <= 1e-9 * (1 + middle.abs())  # what is left of rounding
    scale = torch.where(constant, 0.0, 1 / spread)
    found = (total * scale[:, None] * scale[None]).clamp(-1, 1)
    found.diagonal().copy_(torch.where(constant, 0.0, 1.0))
    return found.float().numpy()


def nearest_units(
    found: Float32[np.ndarray, "units units"],
) -> tuple[Int64[np.ndarray, " units"], Float32[np.ndarray, " units"]]:
    """For each unit the other one whose correlation with it is largest, and that; -1 and 0 where there is none."""
    units = len(found)
    if units == 1:
        return np.full(1, -1), np.zeros(1, np.float32)
    others = found - 3 * np.eye(units, dtype=np.float32)
    nearest = others.argmax(1)
    return nearest, found[np.arange(units), nearest]
