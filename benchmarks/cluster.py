"""An index by several processes: images a second in this one and on local Ray clusters, the merge, and bytes.

What 1.3 million (ImageNet) and 100 million images take is worked out from these (docs/cluster.md): the pass is linear
in the images and is shared by workers that know nothing of one another; the merge is linear in the images and is done
by one process; so are the bytes.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from benchmarks.cache import FOLDER
from benchmarks.timing import Finding, Report, Rows, Spread
from phosphene.core.networks.network import Network
from phosphene.dataset.building import Engine, Folder, in_process
from phosphene.dataset.building import run as written
from phosphene.dataset.decoding import Decoder
from phosphene.dataset.merging import merge
from phosphene.dataset.question import Loading, Question, ask
from phosphene.dataset.ray_engine import on_ray
from phosphene.dataset.sources import listed
from phosphene.models.specs import load

WORKERS = (1, 2)
SHARDS = 20
IMAGES = 2000
"""A rate does not depend on their number; memory does not either, which the benchmark `index` shows."""

SIZES = {"1.3 million": 1_300_000, "100 million": 100_000_000}
PRICE = 0.04
"""Dollars for an hour of a core: about what clouds took for theirs in 2026; multiply by your own."""

LAYERS = {"embedded:photo": ["conv2", "mixed3a", "mixed4a", "mixed5b"]}


def _pictures() -> Path:
    from training.tiny_imagenet import ARCHIVE, tiny_imagenet

    file = FOLDER / "tiny_imagenet_val.npz"
    if not file.is_file():
        if not ARCHIVE.is_file():
            raise SystemExit(f"this benchmark needs {ARCHIVE}")
        FOLDER.mkdir(exist_ok=True)
        _, val, _ = tiny_imagenet()
        np.savez(file, X=val.pictures.numpy(), y=val.labels.numpy())
    return file


def _question(network: Network, spec: str, data: Path, many: int | None) -> Question:
    listing = listed(data, network).evenly(many)
    return ask(
        network, listing, LAYERS[spec], shard=-(-len(listing) // SHARDS), loading=Loading(spec, device="cpu")
    )  # fmt: skip


def _size(folder: Path) -> tuple[int, int]:
    """Bytes of the shards, and of all the rest."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    shards = sum(one.stat().st_size for one in files if one.parent.name == "shards")
    return shards, sum(one.stat().st_size for one in files) - shards


def _passed(
    question: Question, engine: Callable[[], AbstractContextManager[Engine]], folder: Path
) -> tuple[float, float]:
    """Seconds to begin, up to the first shard, and for all shards after it."""
    shutil.rmtree(folder, ignore_errors=True)
    begun, began = Folder.begun(folder, question), time.perf_counter()
    with engine() as one:
        done = written(begun, one)
        next(done)
        first = time.perf_counter()
        for _ in done:
            pass
        return first - began, time.perf_counter() - first


def run(quick: bool, repeats: int) -> Report:
    """The tables."""
    spec, data = "embedded:photo", _pictures()
    torch.set_num_threads(1)  # as a worker has
    network = load(spec, device="cpu")
    question = _question(network, spec, data, 200 if quick else IMAGES)
    images, units = len(question.listing), sum(network.layer(name).shape[0] for name in question.layers)
    later = images - len(question.rows(0))
    ways: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
        "this process": lambda: nullcontext(in_process(question, network, Decoder(question.door)))
    }
    for workers in WORKERS:
        ways[f"Ray, {workers} worker{'s' * (workers > 1)}"] = lambda workers=workers: on_ray(question, workers)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    starts: dict[str, list[float]] = {name: [] for name in ways}
    merging, contents = [], set()
    folder = FOLDER / "cluster.index"
    for _ in range(1 if quick else repeats):
        for name, engine in ways.items():
            start, seconds = _passed(question, engine, folder)
            rates[name].append(later / seconds)
            starts[name].append(start)
            began = time.perf_counter()
            merge(question, folder, network)
            merging.append(time.perf_counter() - began)
            contents.add(_digest(folder))
    sizes = _size(folder)
    fewer, less, least = _of_fewer(network, spec, data, images, folder)
    more, alone = images - fewer, Spread(rates["this process"])
    merge_rate = more / max(Spread(merging).median - less, 1e-9)
    each = tuple((whole - part) / more for whole, part in zip(sizes, least, strict=True))
    passes = [
        (
            name, Spread(rates[name]).written(), Spread(rates[name]).over(alone).written(2),
            f"{Spread(starts[name]).median:.1f}",
        )
        for name in ways
    ]  # fmt: skip
    heads = (
        "images", "core hours", f"dollars at {PRICE} a core hour", "hours on 2, 64, 1024 cores",
        "hours of merge, one process", "GB of shards", "GB merged",
    )  # fmt: skip
    tables = [
        Rows(
            f"{spec}, {images} images of 64 px, {units} units of {len(question.layers)} layers, one thread a worker",
            ("engine", "images/s", "times this process", "s to the first shard"), passes,
        ),
        Rows(
            "What larger data sets take, worked out: the same network and layers",
            heads, [_worked_out(name, many, alone.median, merge_rate, each) for name, many in SIZES.items()],
        ),
    ]  # fmt: skip
    claims = [Finding("all engines write the same bytes", len(contents) == 1, f"{len(contents)} kinds of bytes")]
    notes = [
        f"The merge takes {Spread(merging).written()} s, and {merge_rate:.3g} images/s beyond the first {fewer}; an "
        f"image takes {each[0]:.0f} bytes in shards and {each[1]:.0f} merged, thumbnails among them.",
        "Shards are needed until the merge is done.",
    ]
    return Report(tables, claims, notes)


def _of_fewer(network: Network, spec: str, data: Path, images: int, folder: Path) -> tuple[int, float, tuple[int, int]]:
    """A fifth of the images: how many, seconds of the merge, bytes; what is beside them does not grow with them."""
    question = _question(network, spec, data, images // 5)
    _passed(question, lambda: nullcontext(in_process(question, network, Decoder(question.door))), folder)
    began = time.perf_counter()
    merge(question, folder, network)
    seconds, sizes = time.perf_counter() - began, _size(folder)
    shutil.rmtree(folder)
    return len(question.listing), seconds, sizes


def _worked_out(name: str, many: int, rate: float, merging: float, each: tuple[float, ...]) -> tuple[str, ...]:
    hours = many / rate / 3600
    return (
        name, f"{hours:.3g}", f"{hours * PRICE:.3g}", ", ".join(f"{hours / cores:.2g}" for cores in (2, 64, 1024)),
        f"{many / merging / 3600:.2g}", *(f"{size * many / 1e9:.3g}" for size in each),
    )  # fmt: skip


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            found.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return found.hexdigest()
