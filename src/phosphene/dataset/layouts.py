"""Images on a map: their codes in two dimensions, by t-SNE, UMAP, or along the two main axes.

t-SNE and UMAP keep neighbourhoods and say nothing about distances between far groups; the main axes (PCA) keep the
largest distances and crush neighbourhoods. How far a map can be believed is in `map_quality`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float64

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.units.embedding import MOVES, PERPLEXITY, Metric, placed_by_tsne, tsne

Method = Literal["tsne", "umap", "pca"]

LEAST = 8
"""Images of a map; fewer have no neighbourhoods to be kept."""

WHAT = "a map"

NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}


@dataclass(frozen=True)
class Layout:
    """How codes are laid out.

    Attributes:
        method: t-SNE (van der Maaten & Hinton 2008), UMAP (McInnes et al. 2018, arXiv:1802.03426) or the two main axes.
        metric: of the codes; the main axes are those of the codes as points, whatever is said here.
        perplexity: of t-SNE, about how many neighbours a point has; of UMAP its number of neighbours, but half of it.
        seed: of what is random in the method.
    """

    method: Method = "tsne"
    metric: Metric = "cosine"
    perplexity: float = PERPLEXITY
    seed: int = 0

    @property
    def words(self) -> str:
        """For a caption."""
        if self.method == "pca":
            return "the two main axes (PCA)"
        known = f"perplexity {self.perplexity:g}" if self.method == "tsne" else f"{self.neighbours} neighbours"
        return f"{NAMES[self.method]} of {self.metric} distances, {known}, seed {self.seed}"

    @property
    def neighbours(self) -> int:
        """Of UMAP: 15, its own default, for the default perplexity."""
        return max(2, round(self.perplexity / 2))

    @property
    def total(self) -> int | None:
        """How many moves it takes, where that is known."""
        return MOVES if self.method == "tsne" else None

    def points(
        self, codes: Float[np.ndarray, "n channels"], moved: Callable[[int], None] | None = None
    ) -> Float64[np.ndarray, "n 2"]:
        """Where each code is, in the method's own units; the same codes give the same points.

        Args:
            moved: is told how many moves are done.
        Raises:
            Mistake: there are too few, they are all the same, or a package is missing.
        """
        check(codes)
        if self.method == "pca":
            mean, axes = main_axes(codes)
            return (codes.astype(np.float64) - mean) @ axes
        if self.method == "umap":
            return np.asarray(self._umap(codes).embedding_, np.float64)
        how: Any = {"seed": self.seed, "perplexity": self.perplexity, "metric": self.metric, "what": WHAT}
        return tsne(codes, moved=moved, **how)

    def placed(
        self,
        new: Float[np.ndarray, "m channels"],
        codes: Float[np.ndarray, "n channels"],
        points: Float64[np.ndarray, "n 2"],
    ) -> Float64[np.ndarray, "m 2"]:
        """Where new codes are on the map of the others, which do not move.

        Args:
            codes, points: of the map, as `points` laid them out.
        """
        if self.method == "pca":
            mean, axes = main_axes(codes)
            return (new.astype(np.float64) - mean) @ axes
        if self.method == "umap":  # which keeps what it needs in an object of its own: it is fitted again, the same
            return np.asarray(_quietly(lambda: self._umap(codes).transform(new.astype(np.float32))), np.float64)
        how: Any = {"seed": self.seed, "perplexity": self.perplexity, "metric": self.metric, "what": WHAT}
        return placed_by_tsne(new, codes, points, **how)

    def _umap(self, codes: Float[np.ndarray, "n channels"]) -> Any:
        """UMAP fitted to codes; with a seed it runs in one thread."""
        reducer = needed("umap", "a map by UMAP", "umap-learn", "umap").UMAP(
            n_neighbors=min(self.neighbours, len(codes) - 1), metric=self.metric, random_state=self.seed, n_jobs=1
        )
        return _quietly(lambda: reducer.fit(codes.astype(np.float32)))


def check(codes: Float[np.ndarray, "n channels"]) -> None:
    """Raise a Mistake where codes are no map: too few, all the same, or not finite."""
    if len(codes) < LEAST:
        raise Mistake(f"{len(codes)} images are too few for a map, it needs {LEAST}; index more of them")
    if not np.isfinite(codes).all():
        raise Mistake("there are codes that are not finite; the weights may be damaged, or float16 too small for them")
    if (codes == codes[0]).all():
        raise Mistake("the layer says the same about all of these images, so there is no map; take another layer")


def main_axes(codes: Float[np.ndarray, "n channels"]) -> tuple[Float64[np.ndarray, " channels"], Any]:
    """The mean of codes and the two directions of largest variance, (channels, 2), float64.

    An axis points to where its largest entry is positive, so that the map is the same on every machine.
    """
    points = codes.astype(np.float64)
    mean = points.mean(0)
    points -= mean
    _, vectors = np.linalg.eigh(points.T @ points)
    axes = vectors[:, : -3 if vectors.shape[1] > 2 else None : -1]
    if axes.shape[1] < 2:  # a layer of one channel
        axes = np.concatenate([axes, np.zeros_like(axes)], 1)
    largest = np.abs(axes).argmax(0)
    return mean, axes * np.where(axes[largest, [0, 1]] < 0, -1, 1)


def _quietly(call: Callable[[], Any]) -> Any:
    """Without umap's warnings for programmers, as about a seed's one thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
