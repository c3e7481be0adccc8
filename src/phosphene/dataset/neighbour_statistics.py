"""How often neighbours are of one class, over a whole index, and how much more often than chance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.results.intervals import wilson
from phosphene.core.units.embedding import Metric
from phosphene.dataset.map_quality import knn_accuracy, sample
from phosphene.dataset.neighbours import Codes


@dataclass(frozen=True)
class SameClass:
    """How often neighbours are of one class.

    Attributes:
        neighbours: so many of each image count.
        asked: images whose neighbours were looked at: those that another one of their class is among.
        first: how often the nearest image is of the same class, and the 95 % interval of that.
        share: of all neighbours, those of the image's class.
        chance: what `share` would be if neighbours were drawn by chance: the mean of (m - 1) / (n - 1), of n images m
            in the image's class.
        majority: how often the class that most neighbours have is the image's own.
    """

    neighbours: int
    asked: int
    first: float
    interval: tuple[float, float]
    share: float
    chance: float
    majority: float

    @property
    def ratio(self) -> float:
        """How many times as often as by chance a neighbour is of the same class."""
        return self.share / self.chance

    @property
    def words(self) -> str:
        """In a sentence."""
        low, high = self.interval
        return (
            f"Of the {self.neighbours} nearest of {self.asked} images, {100 * self.share:.1f} % are of the image's "
            f"class; by chance it would be {100 * self.chance:.2f} %, so that is {self.ratio:.1f} times as often. The "
            f"nearest one is in {100 * self.first:.1f} % [{100 * low:.1f}, {100 * high:.1f}], and the class that most "
            f"of them have is right for {100 * self.majority:.1f} %."
        )


def same_class(
    index: Index,
    layer: str,
    count: int,
    metric: Metric = "cosine",
    limit: int | None = None,
    done: Callable[[int, int], None] | None = None,
) -> SameClass:
    """Look up the neighbours of every image among the others, and count.

    Args:
        count: neighbours of each.
        limit: so many images, at equal steps.
        done: is told how many images were looked up, and of how many.
    Raises:
        Mistake: there are no classes, or none with two images; more neighbours than images.
    """
    labels = index.labels
    if not (labels >= 0).any():
        raise Mistake(f"the images of {index.folder} have no classes; index a folder of one folder for each class")
    sizes = dict(zip(*np.unique(labels[labels >= 0], return_counts=True), strict=True))
    able = np.array([i for i, label in enumerate(labels.tolist()) if sizes.get(label, 0) > 1], np.int64)
    if not len(able):
        raise Mistake(f"no class of {index.folder} has two images, so none can have a neighbour of its own")
    check_count(count, index.count - 1)
    asked = able[sample(len(able), limit or len(able))]
    codes = index.codes(layer)
    told = None if done is None else lambda many: done(many, len(asked))
    near = Codes(codes, metric).nearest(codes[asked], count, skip=asked, done=told).images
    return counted(labels, asked, near)


def counted(
    labels: Int64[np.ndarray, " n"], asked: Int64[np.ndarray, " m"], near: Int64[np.ndarray, "m count"]
) -> SameClass:
    """The same, of neighbours that are known.

    Args:
        labels: -1 for none.
        asked: images of classes of two and more.
        near: their neighbours, nearest first.
    """
    same = labels[near] == labels[asked][:, None]
    known, many = np.unique(labels[labels >= 0], return_counts=True)
    sizes = many[np.searchsorted(known, labels[asked])]
    hits = int(same[:, 0].sum())
    return SameClass(
        near.shape[1], len(asked), hits / len(asked), wilson(hits, len(asked)), float(same.mean()),
        float(((sizes - 1) / (len(labels) - 1)).mean()), knn_accuracy(labels, asked, near),
    )  # fmt: skip


def check_count(count: int, room: int) -> None:
    """Raise a Mistake where more neighbours are asked for than there are."""
    if count > room:
        raise Mistake(f"{count} neighbours were asked for, and the index has {room} that could be; give --count {room}")
