"""`phosphene map`: the images of an index on a map, as a page that zooms and as pictures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.core.errors import exit_code, unless_interrupted
from phosphene.core.index.index import Index
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path, shortened
from phosphene.core.units.embedding import PERPLEXITY, Metric
from phosphene.core.units.photographs import photo_name
from phosphene.dataset.layouts import Layout, Method
from phosphene.dataset.map_folder import check_folder, write, write_placed
from phosphene.dataset.maps import Map, Report, check_same, chosen, is_map, laid_out, question, read_map, with_photos
from phosphene.dataset.photo_codes import photo_codes, small_picture
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.indexed import NETWORK, layer_of, network_of
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS

SMALL = 128  # px of a photograph that was placed, on the page


@tool(
    cli.argument("index", str, cli.Parameter.empty, "a folder that `phosphene index` wrote"),
    *NETWORK,
    cli.option("layer", str | None, None, "whose codes are laid out; by default the last one of the index"),
    cli.option("method", Method, "tsne", "t-SNE, UMAP, or the two main axes"),
    cli.option("metric", Metric, "cosine", "how far apart two codes are"),
    cli.option("perplexity", float, PERPLEXITY, "about how many neighbours an image has; UMAP takes half as many",
               bounds=Bounds(2, 1000)),
    cli.option("limit", int | None, None, "so many images, drawn by the seed", bounds=Bounds(1, 10**9)),
    cli.option("photo", list[str], [], "a photograph that is placed on the map, a finished one, too, and moves no "
               "other; may be given several times"),
    cli.option("side", int, 64, "of an image in the grid in pixels", bounds=Bounds(8, 512)),
    cli.option("tile", int, 256, "of the page's tiles in pixels, about", bounds=Bounds(64, 2048)),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**31 - 1)),
    cli.option("out", str | None, None, "the map's folder, by default map-INDEX-LAYER"),
    cli.option("force", bool, False, "make it anew, over a map that is there"),
    cli.option("quiet", bool, False, "say nothing but where the page is"),
    cli.JSON,
)  # fmt: skip
def map_index(**options: Any) -> None:
    """Lay the images of an index out on a map by what a layer says: a page that zooms, a grid, a scatter, numbers."""
    index = Index.open(options["index"])
    layer = layer_of(index, options["layer"])
    folder = given_path(options["out"] or _usual(index, layer), "map")
    layout = Layout(options["method"], options["metric"], options["perplexity"], options["seed"])
    photos, network = options["photo"], None
    finished = bool(photos) and is_map(folder) and not options["force"]
    if not finished:
        check_folder(folder, force=options["force"])
    if photos:
        network = network_of(index, options)
    with Claims() as claims:
        claims.hold([folder])
        new, small = None, []
        if network is not None:  # now, so that a broken one is told at once
            new = photo_codes(index, network, layer, photos)
            small = [small_picture(index, network, one, SMALL) for one in photos]
        with _watched(index.network_name, quiet=options["quiet"]) as report:
            if finished:
                shown = _known(index, layer, layout, folder, options)
            else:
                shown = laid_out(index, layer, layout, options["limit"], report)
                shown = replace(shown, side=options["side"], tile=options["tile"])
            if new is not None:
                shown = with_photos(shown, index, layout, [photo_name(one) for one in photos], new)
            page = write_placed(shown, folder, small) if finished else write(shown, index, folder, small, report)
    _tell(shown, page, quiet=options["quiet"], as_json=options["json"])


def _usual(index: Index, layer: str) -> Path:
    spelled = "".join(c if c.isalnum() or c in "._-" else "-" for c in layer)
    return Path(shortened(f"map-{index.folder.stem}-{spelled}"))


def _known(index: Index, layer: str, layout: Layout, folder: Path, options: dict[str, Any]) -> Map:
    """The map that is there.

    Raises:
        Mistake: it is another one.
    """
    known, images = read_map(folder), chosen(index, options["limit"], layout.seed)
    check_same(known, question(index, layer, layout, images, index.codes(layer)[images]), folder)
    return known


@contextmanager
def _watched(network: str, *, quiet: bool) -> Iterator[Report]:
    """Bars for what is being done; whatever ends it, nothing but whole maps is there."""
    tasks: dict[str, Any] = {}
    with bars(quiet=quiet) as progress:

        def report(doing: str, done: int, total: int | None) -> None:
            if doing not in tasks:
                tasks[doing] = progress.add_task(doing, total=total)
            progress.update(tasks[doing], completed=done, total=total)

        try:
            yield report
        except ENDS as stopped:
            if not isinstance(stopped, KeyboardInterrupt):
                raise unless_interrupted(network, stopped) from stopped
            progress.stop()
            note("interrupted: nothing of the map was written; what was there before still is, and so is the index")
            raise Ended(exit_code(stopped)) from stopped


def _tell(shown: Map, page: Path, *, quiet: bool, as_json: bool) -> None:
    record = shown.record()
    if as_json:
        keys = ("title", "words", "asked", "facts", "quality", "grid", "placed")
        tell(json.dumps({key: record[key] for key in keys} | {"page": str(page)}, indent=1))
        return
    console = Console(file=results(), quiet=quiet, soft_wrap=True)
    console.print(escape(f"{shown.title}: {shown.words}"), highlight=False)
    for one in shown.placed:
        near = ", ".join(shown.ids[i] for i in one.near[:3])
        console.print(escape(f"{one.name} is nearest to {near}"), highlight=False)
    tell(page)
