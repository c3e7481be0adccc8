"""Maps: what t-SNE keeps of five thousand digits by code and by pixels, and what a grid costs beside the optimum.

The digits are the first of MNIST's test images, which `embedded:digits` was not trained on. Grids are of clouds of
points as maps have them; the time and memory of ten thousand are those of a process of its own: `python -m
benchmarks.maps COUNT`.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from benchmarks.cache import DATA
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.embedding import in_unit_square
from phosphene.dataset.answers import said
from phosphene.dataset.grids import assigned, assignments, centres, shape_for, total
from phosphene.dataset.layouts import Layout
from phosphene.dataset.map_drawing import scatter
from phosphene.dataset.map_quality import quality
from phosphene.dataset.maps import Map
from phosphene.models.specs import load

FOLDER = Path(__file__).with_name("cache") / "maps"
LAYER = "relu"  # the last one before the classes
SLOWEST, WORST = 120.0, 0.02  # seconds of ten thousand; how much above the optimum


def cloud(count: int, seed: int = 0) -> np.ndarray:
    """Twelve groups of points in the unit square."""
    generator = np.random.default_rng(seed)
    middles, sizes = generator.random((12, 2)), generator.uniform(0.02, 0.1, 12)
    of = generator.integers(0, 12, count)
    return in_unit_square(middles[of] + generator.normal(size=(count, 2)) * sizes[of, None])


def _gap(count: int, seed: int) -> tuple[float, float, float]:
    """How much above the optimum, in parts of it; seconds of ours and of lap."""
    import lap

    points, shape = cloud(count, seed), shape_for(count)
    begin = time.perf_counter()
    ours = total(points, assigned(points, shape), shape)
    between = time.perf_counter()
    costs = np.square(points[:, None] - centres(shape)[None]).sum(2)
    _, columns, _ = lap.lapjv(costs, extend_cost=shape.cells > count)
    best = float(costs[np.arange(count), columns].sum())
    return ours / best - 1, between - begin, time.perf_counter() - between


def _alone(count: int) -> tuple[float, float]:
    """Seconds, and the peak of the process in MB."""
    command = [sys.executable, "-m", "benchmarks.maps", str(count)]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(words[0]), float(words[1])


def _digits(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels in [0, 1], codes and classes."""
    with np.load(DATA / "mnist.npz") as file:
        pixels, labels = file["X_test"][:count].astype(np.float32) / 255, file["y_test"][:count].astype(np.int64)
    network = load("embedded:digits", device="cpu").planned("reading")
    pictures = torch.from_numpy(pixels)[:, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        codes = torch.cat([said(network.read(some, [LAYER])[LAYER]).code for some in pictures.split(256)])
    return pixels.reshape(count, -1), codes.half().numpy(), labels


def _laid_out(what: str, codes: np.ndarray, labels: np.ndarray, layout: Layout) -> tuple[Any, float]:
    """How good its map is, and the seconds; the picture is in `FOLDER`."""
    begin = time.perf_counter()
    points = layout.points(codes)
    seconds = time.perf_counter() - begin
    found, near = quality(codes, points, labels, layout.metric)
    facts = {"layer": what, "network": "embedded:digits", "method": layout.words}
    shape = shape_for(len(codes))
    cells = np.arange(len(codes))
    ids = [str(i) for i in range(len(codes))]
    shown = Map({}, facts, cells, ids, labels, dict.fromkeys(range(10), ""), points, cells, shape, found, near)
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_png(scatter(shown), FOLDER / f"{what}-{layout.method}.png")
    return found, seconds


def _maps(count: int) -> tuple[Rows, list[Finding]]:
    pixels, codes, labels = _digits(count)
    rows, by_code = [], {}
    for what, some, metric in (("code", codes, "cosine"), ("pixels", pixels, "euclidean")):
        for method in ("tsne", "pca"):
            found, seconds = _laid_out(what, some, labels, Layout(method, metric))
            on_map, right = f"{100 * found.on_map:.1f} %", f"{100 * found.by_code:.1f} %"
            rows.append((f"{what}, {method}", f"{found.trustworthiness:.3f}", on_map, right, f"{seconds:.1f}"))
            by_code[what, method] = found.on_map
    better = by_code["code", "tsne"], by_code["pixels", "tsne"]
    headings = ("digits by", "trustworthiness", "class right by 10 neighbours on the map", "before", "seconds")
    return Rows(f"{count} digits of MNIST's test, laid out", headings, rows), [
        Finding(
            "neighbours on the map by code are of one class at least as often as by pixels", better[0] >= better[1],
            f"{100 * better[0]:.1f} and {100 * better[1]:.1f} %",
        )
    ]  # fmt: skip


def _grids(counts: Sequence[int], seeds: int, many: int) -> tuple[Rows, list[Finding]]:
    rows, gaps = [], []
    seconds, megabytes = _alone(many)  # first: a process inherits the peak of its parent
    for count in counts:
        found = [_gap(count, seed) for seed in range(seeds)]
        gaps += [gap for gap, _, _ in found]
        above, ours, exact = (mean(column) for column in zip(*found, strict=True))
        rows.append((f"{count}", f"{100 * above:.4f} %", f"{ours:.1f}", f"{exact:.1f}", "-"))
    rows.append((f"{many}", "-", f"{seconds:.1f}", "-", f"{megabytes:.0f}"))
    headings = ("points", "above the optimum", "seconds", "seconds of lap, which is exact", "MB of the process")
    return Rows("A cell for each of many points", headings, rows), [
        Finding(f"a grid costs at most {WORST:.0%} more than the best", max(gaps) <= WORST, f"{max(gaps):.4%} at most"),
        Finding(f"{many} points have their cells in under two minutes", seconds < SLOWEST, f"{seconds:.1f} s"),
    ]


def run(*, quick: bool) -> Report:
    """Measure all of it."""
    grids, of_grids = _grids([2500] if quick else [2500, 5000], 1 if quick else 3, 2500 if quick else 10_000)
    digits, of_digits = _maps(600 if quick else 5000)
    notes = [f"t-SNE by openTSNE in one thread; the scatters are in {FOLDER}."]
    return Report([digits, grids], [*of_digits, *of_grids], notes)


def _main(count: int) -> None:
    points, shape = cloud(count), shape_for(count)
    begin = time.perf_counter()
    for _ in assignments(points, shape):
        pass
    seconds = time.perf_counter() - begin
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
