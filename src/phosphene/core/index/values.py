"""What an index says: an image that excites a unit, what a unit says over all images, a picture that was not read."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from phosphene.core.index.layout import DUPLICATE
from phosphene.core.units.exemplars import Box, Position


@dataclass(frozen=True)
class NotRead:
    """A picture that could not be read.

    Attributes:
        id: what it is called.
        why: a sentence.
    """

    id: str
    why: str


@dataclass(frozen=True)
class Found:
    """An image that is in one of a unit's bands.

    Attributes:
        image: its number in the index.
        value: the activation at `position`: the largest over positions, or, in the band "weakest" of a unit that goes
            below zero, the smallest.
        position: where that is in the layer.
        box: what the unit sees from there, (top, left, bottom, right) in pixels of the network's input, ends excluded,
            clipped at the border.
        clipped: whether what it sees leaves the picture.
    """

    image: int
    value: float
    position: Position
    box: Box
    clipped: bool


@dataclass(frozen=True)
class Statistics:
    """What a layer's units say over all images; one entry a unit. A peak is the largest activation over positions.

    Attributes:
        mean, deviation: of peaks.
        lowest: the smallest activation over all images and positions.
        quantiles: of peaks, at the levels `layout.QUANTILES`; the first is the smallest, the last the largest.
        histogram: of peaks, in equal bins between these two.
        share: of the images, those whose peak is above the threshold.
        dead: no peak is above the threshold, or all are the same.
        selectivity: for the best class, (m - rest) / (m + rest), where m is the mean over its images of the mean over
            positions (below zero counted as zero), and rest the mean of the other classes' m (Morcos et al. 2018,
            arXiv:1803.06959); nan without labels.
        best_class: the class of the largest m; -1 without labels, or where all are zero.
        nearest: the other unit of the layer whose peaks are correlated most with this one's; -1 where there is none.
        correlation: with that one; 0 where a unit is constant.
    """

    mean: Float32[np.ndarray, " units"]
    deviation: Float32[np.ndarray, " units"]
    lowest: Float32[np.ndarray, " units"]
    quantiles: Float32[np.ndarray, "units levels"]
    histogram: Int64[np.ndarray, "units bins"]
    share: Float32[np.ndarray, " units"]
    dead: Bool[np.ndarray, " units"]
    selectivity: Float32[np.ndarray, " units"]
    best_class: Int64[np.ndarray, " units"]
    nearest: Int64[np.ndarray, " units"]
    correlation: Float32[np.ndarray, " units"]

    @property
    def duplicates(self) -> Bool[np.ndarray, " units"]:
        """Whether another unit says the same: a correlation above .999."""
        return self.correlation > DUPLICATE
