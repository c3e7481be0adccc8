"""`phosphene index`: what units answer to in a data set, in one pass, into a folder."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from phosphene.core.errors import Mistake, exit_code, failed, unless_interrupted
from phosphene.core.index.index import Index
from phosphene.core.index.layout import BROKEN, FACTS
from phosphene.core.networks.network import Network
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path, shortened
from phosphene.core.pictures.samples import bare_name
from phosphene.core.units.network_input import Fit
from phosphene.dataset.building import Engine, Folder, in_process, run
from phosphene.dataset.decoding import decoder
from phosphene.dataset.index import default_layers
from phosphene.dataset.listing import Listing
from phosphene.dataset.merging import merge
from phosphene.dataset.question import Loading, Question, ask
from phosphene.dataset.ray_engine import on_ray
from phosphene.dataset.shards import finished
from phosphene.dataset.sources import listed
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import error, escape, note, results, tell
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS
from phosphene.faces.running.session import Session, named

FEW = 10_000
"""So many pictures are decoded by a thread: a process takes seconds to begin."""

MOST_WORKERS = 4
"""Processes that decode where nobody says how many; one keeps up with a network on two cores."""

TOLD = 5
"""Broken files that are told; the others are in a table."""


@tool(
    cli.argument("data", list[str], cli.Parameter.empty, "a folder of pictures, in folders of their classes or not; "
                 "webdataset's tar archives; a list, one path a line; or a .npz file with X and y"),
    *cli.NETWORK,
    cli.option("layer", list[str], [], "a layer; may be given several times; by default the ends of four blocks"),
    cli.option("fit", Fit, "crop", "how a photograph becomes the network's input"),
    cli.option("limit", int | None, None, "so many pictures, evenly spaced", bounds=Bounds(1, 10**12)),
    cli.option("count", int, 20, "so many images for each band of a unit", bounds=Bounds(1, 1000)),
    cli.option("threshold", float, 0.0, "above which a unit counts as answering", bounds=Bounds(-1e30, 1e30)),
    cli.option("batch", int | None, None, "pictures in one forward pass, by default 32, or 8 of more than 96 x 96 px",
               bounds=Bounds(1, 4096)),
    cli.option("shard", int, 1024, "pictures in one file, which stays when the work is stopped",
               bounds=Bounds(1, 10**6)),
    cli.option("thumbnails", int, 64, "the longer side of an image's thumbnail in pixels", bounds=Bounds(8, 512)),
    cli.option("draft", bool, False, "decode large JPEGs smaller, several times as fast; values differ a little"),
    cli.option("workers", int | None, None, "processes that decode, 0 for a thread; of ray: that read whole shards",
               bounds=Bounds(0, 4096)),
    cli.option("engine", Literal["process", "ray"], "process", "this process, or a cluster: the same bytes"),
    cli.option("address", str | None, None, "of --engine ray: the cluster's HOST:PORT, or auto; by default a new one"),
    cli.option("out", str | None, None, "the index's folder, by default DATA.index; an unfinished index goes on"),
    cli.option("force", bool, False, "begin anew, over an index that is there"),
    cli.option("quiet", bool, False, "say nothing but where the index is"),
    cli.JSON,
)  # fmt: skip
def index_data(**options: Any) -> None:
    """Find what every unit of a layer answers to in a data set, in one pass: an index, which other commands read."""
    asked, quiet = dict(options), options["quiet"]
    opened = session(options)
    network = opened.network
    data = asked["data"]
    folder = given_path(asked["out"] or shortened(f"{bare_name(os.path.abspath(data[0]))}.index"), "index")
    with Claims() as claims:
        with named(network.name):
            listing = listed(data, network).evenly(asked["limit"])
            question = ask(
                network, listing, asked["layer"] or default_layers(network), fit=asked["fit"], draft=asked["draft"],
                thumbnails=asked["thumbnails"], batch=asked["batch"], shard=asked["shard"], count=asked["count"],
                threshold=asked["threshold"], loading=_loading(opened),
            )  # fmt: skip
        claims.hold([folder / FACTS])
        begun = Folder.begun(folder, question, force=asked["force"])
        if begun.there:
            note(f"{begun.pictures_there} of {len(listing)} pictures are in {folder} already; going on", quiet=quiet)
        began = time.perf_counter()
        with _ending(begun, network.name), bars(quiet=quiet) as progress:
            with _watched(progress, begun) as seen, _engine(asked, question, network, seen) as engine:
                for _ in run(begun, engine):
                    pass
            seconds = time.perf_counter() - began
            task = progress.add_task("merge", total=1 + len(question.layers))
            merge(question, folder, network, lambda: progress.advance(task))
    _tell(
        Index.open(folder), question, len(listing) - begun.pictures_there, seconds, quiet=quiet, as_json=asked["json"]
    )


def _loading(opened: Session) -> Loading:
    """How another process loads the same network."""
    plan = "none" if opened.no_plan else opened.plan or "auto"
    return Loading(opened.net, opened.weights_file, opened.device, opened.precision, plan, opened.head)


@contextmanager
def _engine(
    asked: dict[str, Any], question: Question, network: Network, seen: Callable[[int], None]
) -> Iterator[Engine]:
    """What computes the shards."""
    if asked["engine"] == "ray":
        with on_ray(question, asked["workers"] or os.cpu_count() or 1, asked["address"], seen) as engine:
            yield engine
        return
    if asked["address"] is not None:
        raise Mistake("--address is of a cluster; give --engine ray as well")
    with decoder(question.door, _workers(asked["workers"], question.listing)) as decoding:
        yield in_process(question, network, decoding, seen)


def _workers(asked: int | None, listing: Listing) -> int:
    """How many processes decode; for a few pictures, and for pixels that are there already, a thread does."""
    if listing.kind == "arrays":
        return 0
    if asked is not None:
        return asked
    return 0 if len(listing) <= FEW else max(1, min(MOST_WORKERS, (os.cpu_count() or 2) - 1))


@contextmanager
def _watched(progress: Any, begun: Folder) -> Iterator[Callable[[int], None]]:
    """A bar of pictures, with how many a second."""
    total, there, began = len(begun.question.listing), begun.pictures_there, time.perf_counter()
    task = progress.add_task("index", total=total, completed=there)
    done = 0

    def seen(many: int) -> None:
        nonlocal done
        done += many
        rate = done / max(time.perf_counter() - began, 1e-9)
        progress.update(task, completed=there + done, description=f"index, {rate:.3g} images/s")

    yield seen


@contextmanager
def _ending(begun: Folder, name: str) -> Iterator[None]:
    """However it ends, it is told what is there, and how to go on."""
    try:
        with begun.kept_if_begun():
            yield
    except ENDS as stopped:
        there = replace(begun, there=tuple(finished(begun.path, begun.question)))
        if not there.there:
            raise unless_interrupted(name, stopped) from stopped
        words = (
            f"{there.pictures_there} of {len(begun.question.listing)} pictures are in {begun.path}; the same command "
            "goes on from there"
        )
        if isinstance(stopped, KeyboardInterrupt):
            note(f"interrupted: {words}")
        else:
            error(f"{failed(name, stopped)}; {words}")
        raise Ended(exit_code(stopped)) from stopped


def _tell(index: Index, question: Question, new: int, seconds: float, *, quiet: bool, as_json: bool) -> None:
    layers, counts = index.facts["layers"], index.facts["counts"]
    size = sum(file.stat().st_size for file in index.folder.rglob("*") if file.is_file())
    rate = new / max(seconds, 1e-9)
    broken = index.broken
    if as_json:
        summary = {
            "index": str(index.folder), **counts, "layers": layers, "bytes": size, "seconds": round(seconds, 3),
            "images/s": round(rate, 1), "not read": [{"id": one.id, "why": one.why} for one in broken],
        }  # fmt: skip
        tell(json.dumps(summary, indent=1))
        return
    for one in broken[:TOLD]:
        note(f"not read: {one.why}", quiet=quiet)
    if len(broken) > TOLD:
        note(f"and {len(broken) - TOLD} more, which are in {index.folder / BROKEN}", quiet=quiet)
    units, dead = (sum(one[what] for one in layers.values()) for what in ("units", "dead"))
    images, files = _many(counts["images"], "image"), _many(len(broken), "file")
    words = (
        f"{images}, {_many(len(layers), 'layer')}, {units} units, {dead} of them dead; {files} not read; "
        f"{size / 1e6:.3g} MB, {seconds:.3g} s, {rate:.3g} images/s"
    )
    Console(file=results(), quiet=quiet, soft_wrap=True).print(escape(words), highlight=False)
    tell(Path(index.folder))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
