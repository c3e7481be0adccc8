"""How far a map can be believed: are neighbours on it neighbours among the codes, and of one class?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from phosphene.core.units.embedding import Metric
from phosphene.dataset.neighbours import Codes

NEIGHBOURS = 10
"""Of an image, that count; of few images, a third of them."""

MOST = 5000
"""Images that are asked for their neighbours; of more, as many at equal steps."""


@dataclass(frozen=True)
class Quality:
    """What is said below a map.

    Attributes:
        neighbours: so many of each image count.
        trustworthiness: 1 where all neighbours on the map are neighbours by code, too; about 1/2 at random.
        on_map, by_code: how often the class of most neighbours is the image's own; None without labels.
        chance: what that would be if neighbours were drawn by chance: the share of the largest class.
        of: so many images were asked.
    """

    neighbours: int
    trustworthiness: float
    on_map: float | None
    by_code: float | None
    chance: float | None
    of: int

    @property
    def words(self) -> str:
        """For a caption."""
        found = f"trustworthiness {self.trustworthiness:.3f}"
        if self.on_map is None or self.by_code is None or self.chance is None:
            return found
        return (
            f"{found}; class by {self.neighbours} neighbours: {100 * self.on_map:.1f} % right on the map, "
            f"{100 * self.by_code:.1f} % by code, {100 * self.chance:.1f} % by chance"
        )


def quality(
    codes: Float[np.ndarray, "n channels"],
    points: Float64[np.ndarray, "n 2"],
    labels: Int[np.ndarray, " n"],
    metric: Metric = "cosine",
    done: Callable[[int], None] | None = None,
) -> tuple[Quality, Int64[np.ndarray, "n _"]]:
    """How good a map is, and each image's nearest by code.

    Args:
        labels: -1 for an image without one.
        done: is told how many images were asked.
    """
    many = neighbours_for(len(codes))
    searched = Codes(codes, metric)
    near = searched.nearest(codes, many, skip=np.arange(len(codes)), done=done).images
    asked = sample(len(codes))
    flat = Codes(points, "euclidean").nearest(points[asked], many, skip=asked).images
    trust = trustworthiness(codes, flat, asked, metric)
    rows = asked[labels[asked] >= 0]
    if not len(rows) or np.unique(labels[labels >= 0], return_counts=True)[1].max() < 2:
        return Quality(many, trust, None, None, None, len(asked)), near
    among = np.isin(asked, rows)
    on_map, by_code = (knn_accuracy(labels, rows, some) for some in (flat[among], near[rows]))
    known = labels[labels >= 0]
    chance = float(np.unique(known, return_counts=True)[1].max() / len(known))
    return Quality(many, trust, on_map, by_code, chance, len(asked)), near


def neighbours_for(count: int) -> int:
    """How many neighbours count among so many images."""
    return max(1, min(NEIGHBOURS, (count - 1) // 3))


def sample(count: int, most: int = MOST) -> Int64[np.ndarray, " asked"]:
    """The images that are asked: all, or at equal steps."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def trustworthiness(
    codes: Float[np.ndarray, "n channels"],
    near: Int64[np.ndarray, "m k"],
    asked: Int64[np.ndarray, " m"],
    metric: Metric = "cosine",
) -> float:
    """1 - 2 / (m k (2 n - 3 k - 1)) sum over i, and over j near i on the map, of max(0, r(i, j) - k).

    r(i, j) is which neighbour of i j is by code: 1 the nearest (Venna & Kaski 2001, doi:10.1007/3-540-44668-0_68).

    Args:
        near: on the map, the k nearest of the images that are asked.
    """
    n, k = len(codes), near.shape[1]
    points = codes.astype(np.float64)
    if metric == "cosine":
        norms = np.linalg.norm(points, axis=1, keepdims=True)
        points /= np.where(norms > 0, norms, 1)
    squares = np.square(points).sum(1)
    late, step = 0.0, max(1, 2**24 // n)
    for first in range(0, len(asked), step):
        rows = asked[first : first + step]
        products = points[rows] @ points.T
        apart = -products if metric == "cosine" else squares[None] - 2 * products  # but for what a row has in common
        apart[np.arange(len(rows)), rows] = -math.inf
        own = np.take_along_axis(apart, near[first : first + step], 1)
        apart.sort(axis=1)
        for row, values in zip(apart, own, strict=True):
            ranks = np.searchsorted(row, values)  # the image itself is before them all
            late += float(np.maximum(0, ranks - k).sum())
    return 1 - 2 / (len(asked) * k * (2 * n - 3 * k - 1)) * late


def knn_accuracy(
    labels: Int[np.ndarray, " n"], asked: Int64[np.ndarray, " m"], near: Int64[np.ndarray, "m k"]
) -> float:
    """How often the class that most neighbours have is the image's own; of equally many, that of the nearest of them.

    Args:
        near: of the images that are asked, nearest first; those without a label have no say.
    """
    right = 0
    for image, some in zip(asked, labels[near], strict=True):
        known = some[some >= 0]
        if len(known):
            classes, first, many = np.unique(known, return_index=True, return_counts=True)
            best = np.lexsort((first, -many))[0]
            right += int(classes[best] == labels[image])
    return right / len(asked)
