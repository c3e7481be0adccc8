"""Neighbours: the ten nearest of 100,000 codes, beside the bare product, scikit-learn's brute force, and faiss.

The codes are random, rectified, 512 numbers each, as float16 in a memory map, as an index has them; the others hold
them as float32 in memory. All are asked for one photograph at a time, and for 256 at once.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import Contestant, Finding, Report, Table, race
from phosphene.dataset.neighbours import Codes

CHANNELS, COUNT = 512, 10
OURS, BARE, SKLEARN, FAISS = "phosphene", "the bare product, float32", "scikit-learn, brute force", "faiss, IndexFlat"

Search = Callable[[np.ndarray], np.ndarray]


def _codes(many: int, path: Path) -> np.ndarray:
    generator = np.random.default_rng(0)
    codes = np.lib.format.open_memmap(path, "w+", np.float16, (many, CHANNELS))
    for first in range(0, many, 10_000):
        length = min(10_000, many - first)
        codes[first : first + length] = np.maximum(generator.standard_normal((length, CHANNELS)), 0)
    codes.flush()
    return np.load(path, mmap_mode="r")


def _searches(codes: np.ndarray) -> dict[str, Search]:
    """Each finds the numbers of the nearest by cosine, nearest first."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    held = np.asarray(codes, np.float32)
    held /= np.linalg.norm(held, axis=1, keepdims=True)
    ours, brute = Codes(codes), NearestNeighbors(n_neighbors=COUNT, algorithm="brute", metric="cosine").fit(held)
    flat = faiss.IndexFlatIP(CHANNELS)
    flat.add(held)

    def unit(queries: np.ndarray) -> np.ndarray:
        return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)

    def bare(queries: np.ndarray) -> np.ndarray:
        near = unit(queries) @ held.T
        some = np.argpartition(-near, COUNT, axis=1)[:, :COUNT]
        return np.take_along_axis(some, np.argsort(-np.take_along_axis(near, some, 1), axis=1), 1)

    return {
        OURS: lambda queries: ours.nearest(queries, COUNT).images,
        BARE: bare,
        SKLEARN: lambda queries: brute.kneighbors(unit(queries), return_distance=False),
        FAISS: lambda queries: flat.search(unit(queries), COUNT)[1],
    }


def _asked(search: Search, queries: np.ndarray, many: int) -> Contestant:
    def run(tick: Callable[[], None]) -> None:
        tick()
        for _ in range(many):
            search(queries)
            tick()

    return run


def run(*, quick: bool, repeats: int) -> Report:
    """Race them."""
    many = 10_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        codes = _codes(many, Path(folder) / "codes.npy")
        searches = _searches(codes)
        queries = np.asarray(codes[:256], np.float64) + np.random.default_rng(1).normal(0, 0.3, (256, CHANNELS))
        tables = []
        for some, steps in ((1, 8), (256, 2)):
            contestants = {name: _asked(one, queries[:some], steps) for name, one in searches.items()}
            title = f"The {COUNT} nearest of {many} codes, {some} at a time"
            tables.append(Table(title, race(contestants, repeats)))
        found = {name: one(queries) for name, one in searches.items()}
    same = {name: float((images == found[OURS]).mean()) for name, images in found.items()}
    words = ", ".join(f"{name} {100 * share:.2f} %" for name, share in same.items() if name != OURS)
    least = min(same.values())
    return Report(tables, [Finding("all find the same, but for what float32 can't tell apart", least > 0.99, words)])
