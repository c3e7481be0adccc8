"""Points in two dimensions whose neighbours are neighbours in many: t-SNE (van der Maaten & Hinton 2008).

By openTSNE (Policar et al. 2024, doi:10.18637/jss.v109.i03), started from the two main axes and in one thread, so that
the same numbers give the same map.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from phosphene.core.extras import needed

Metric = Literal["cosine", "euclidean"]
"""How far apart two codes are: by their angle (1 - cosine), or as points."""

PERPLEXITY = 30.0
"""About how many neighbours a point has; openTSNE's default, too."""

EXACT = 10_000
"""Points up to which neighbours and forces are exact; above, both are approached (Annoy, FIt-SNE)."""

MOVES = 750
"""Of a fit: 250 with exaggerated forces, and 500."""

EVERY = 10
"""Moves between two reports."""

Moved = Callable[[int], None]
"""Is told how many moves are done."""


def tsne(
    codes: Float[np.ndarray, "n channels"],
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
    metric: Metric = "cosine",
    moved: Moved | None = None,
    what: str = "t-SNE",
) -> Float[np.ndarray, "n 2"]:
    """Where each code is on the map, in its own units.

    Args:
        perplexity: of few points, a third of them at most.
        moved: is called every `EVERY` moves.
        what: can't be done without openTSNE, for messages.
    Raises:
        Mistake: openTSNE is not installed.
    """
    fitted = needed("openTSNE", what, "openTSNE", "maps").TSNE(
        perplexity=_perplexity(perplexity, len(codes)), metric=metric, initialization="pca", n_jobs=1,
        neighbors=_neighbors(len(codes)), negative_gradient_method="bh" if len(codes) <= EXACT else "fft",
        random_state=seed, callbacks=_reports(moved), callbacks_every_iters=EVERY,
    )  # fmt: skip
    points = codes.astype(np.float64)
    return np.array(fitted.fit(np.pad(points, ((0, 0), (0, 1))) if points.shape[1] == 1 else points))


def placed_by_tsne(
    new: Float[np.ndarray, "m channels"],
    codes: Float[np.ndarray, "n channels"],
    points: Float[np.ndarray, "n 2"],
    *,
    seed: int = 0,
    perplexity: float = PERPLEXITY,
    metric: Metric = "cosine",
    what: str = "t-SNE",
) -> Float[np.ndarray, "m 2"]:
    """Where new codes are on a map of others, which stay where they are; each is moved among them alone.

    Args:
        codes, points: those of the map, as `tsne` laid them out.
    Raises:
        Mistake: openTSNE is not installed.
    """
    opened = needed("openTSNE", what, "openTSNE", "maps")
    affinities = opened.affinity.PerplexityBasedNN(
        codes.astype(np.float64), perplexity=_perplexity(perplexity, len(codes)), metric=metric, n_jobs=1,
        method=_neighbors(len(codes)), random_state=seed,
    )  # fmt: skip
    known = opened.TSNEEmbedding(
        np.array(points, dtype=np.float64), affinities, n_jobs=1, random_state=seed, negative_gradient_method="bh"
    )
    near = min(25, len(codes) - 1)  # openTSNE's own number of those that a new point starts in the middle of
    found = known.transform(new.astype(np.float64), perplexity=min(5, (len(codes) - 1) / 3), k=near)
    return np.array(found)


def _perplexity(wanted: float, count: int) -> float:
    return min(wanted, (count - 1) / 3)


def _neighbors(count: int) -> str:
    return "exact" if count <= EXACT else "annoy"


def _reports(moved: Moved | None) -> Any:
    """What openTSNE calls; it counts anew when the forces are exaggerated no longer."""
    if moved is None:
        return None
    done = 0

    def called(iteration: int, error: float, embedding: Any) -> None:
        nonlocal done
        done += EVERY
        moved(done)

    return called


def in_unit_square(points: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
    """The same map with each axis stretched to [0, 1]."""
    low, high = points.min(0), points.max(0)
    return (points - low) / np.maximum(high - low, np.finfo(float).tiny)
