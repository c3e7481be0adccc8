"""`phosphene neighbours`: the images of an index most like a photograph, or how often they are of its class."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path, is_folder, shortened
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.units.embedding import Metric
from phosphene.core.units.photographs import photo_name
from phosphene.dataset.neighbour_figure import alike, drawn
from phosphene.dataset.neighbour_statistics import same_class
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.indexed import NETWORK, layer_of, network_of
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import json_bytes, put
from phosphene.faces.running.progress import bars

COUNT = 10


@tool(
    cli.argument("index", str, cli.Parameter.empty, "a folder that `phosphene index` wrote"),
    cli.argument("photos", list[str], [], "photographs; without any, every image is compared with all others, and "
                 "what is counted is how often they are of one class"),
    *NETWORK,
    cli.option("layer", str | None, None, "whose codes are compared; by default the last one of the index"),
    cli.option("count", int, COUNT, "how many neighbours", bounds=Bounds(1, 10_000)),
    cli.option("metric", Metric, "cosine", "how far apart two codes are"),
    cli.option("limit", int | None, None, "without photographs: so many images, at equal steps",
               bounds=Bounds(1, 10**9)),
    cli.option("out", str | None, None, "NAME.png, with NAME.json beside it, or a folder; by default "
               "neighbours-PHOTO-LAYER.png; without photographs NAME.json"),
    cli.FORCE, cli.QUIET, cli.JSON,
)  # fmt: skip
def find_neighbours(**options: Any) -> None:
    """Find the images of an index most like PHOTOS, exactly; without photographs, say how often they are of one class.

    The codes of a layer are compared, all of them, from the file; above a million faiss does it, if it is installed.
    """
    index = Index.open(options["index"])
    layer = layer_of(index, options["layer"])
    if not options["photos"]:
        return _of_all(index, layer, options)
    if options["limit"] is not None:
        raise Mistake("--limit belongs to neighbours without photographs; leave it out")
    return _of_photos(index, layer, options)


def _of_photos(index: Index, layer: str, options: dict[str, Any]) -> None:
    photos, metric = options["photos"], options["metric"]
    file = _file(options["out"], f"{photo_name(photos[0])}-{layer}", ".png")
    files = [file, file.with_suffix(".json")]
    check_new(files, force=options["force"])
    with Claims() as claims:
        claims.hold([] if options["force"] else files)
        network = network_of(index, options)
        found = alike(index, network, layer, photos, options["count"], metric)
        about = {"index": index.folder.name, "network": index.network_name, "layer": layer, "metric": metric}
        record = about | {"images": index.count, "photos": [one.record(index) for one in found]}
        figure = png_bytes(drawn(index, network, layer, photos, found, metric))
        folder, elsewhere = put({files[0]: figure, files[1]: json_bytes(record)}, force=options["force"])
    if options["json"]:
        tell(json.dumps(record, indent=1))
    else:
        console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
        for one in found:
            words = one.classes(index) or ", ".join(index.ids[image] for image in one.images[:3])
            console.print(escape(f"{one.name}: {words}"), highlight=False)
        tell(folder / file.name)
    if elsewhere:
        note(elsewhere)
        raise Ended(2)


def _of_all(index: Index, layer: str, options: dict[str, Any]) -> None:
    """Say how often neighbours are of one class."""
    file = _file(options["out"], f"{index.folder.stem}-{layer}", ".json")
    check_new([file], force=options["force"])
    with Claims() as claims, bars(quiet=options["quiet"]) as progress:
        claims.hold([] if options["force"] else [file])
        task = progress.add_task("neighbours", total=None)
        found = same_class(
            index, layer, min(options["count"], max(1, index.count - 1)), options["metric"], options["limit"],
            lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
        about = {"index": index.folder.name, "network": index.network_name, "layer": layer}
        record = about | {"metric": options["metric"], "images": index.count} | asdict(found) | {"ratio": found.ratio}
        folder, elsewhere = put({file: json_bytes(record)}, force=options["force"])
    if options["json"]:
        tell(json.dumps(record, indent=1))
    else:
        console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
        console.print(escape(found.words), highlight=False)
        tell(folder / file.name)
    if elsewhere:
        note(elsewhere)
        raise Ended(2)


def _file(out: str | None, about: str, ending: str) -> Path:
    """Where a figure or a record goes: as it was named, or called after what it is about.

    Raises:
        Mistake: it was named, but not like this.
    """
    spelled = "".join(c if c.isalnum() or c in "._-" else "-" for c in about)
    usual = shortened(f"neighbours-{spelled}") + ending
    if out is None:
        return Path(usual)
    path = given_path(out, "figure" if ending == ".png" else "record")
    if out.endswith(("/", os.sep)) or is_folder(path):
        return path / usual
    if path.suffix.lower() != ending:
        raise Mistake(f"{path} does not end in {ending}; give another --out")
    return path
