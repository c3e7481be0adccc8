"""`phosphene report`: a page of every unit of a layer, out of an index."""

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from phosphene import catalogue
from phosphene.core.errors import Mistake, exit_code, unless_interrupted
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path, is_file, is_folder, shortened
from phosphene.core.pictures.files import LEAST_SIDE, stored
from phosphene.core.saving import save
from phosphene.core.units.units import Unit, stems
from phosphene.dataset.unit_crops import Crops, crops
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import OF_INDEX, Options, session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import error, note, tell
from phosphene.faces.report.page import PAGE, page
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.indexes import usual_net
from phosphene.faces.running.progress import bars
from phosphene.faces.running.runner import ENDS
from phosphene.faces.running.session import named
from phosphene.faces.running.sweep import Sweep

FEW = 128
"""Units that are painted unless somebody says otherwise: some minutes."""

PICTURES = "pictures"
"""The folder of what is painted, beside the page."""

SIDE = 112
"""Of what is painted, in pixels, on networks that take any."""


@tool(
    cli.argument("index", str, cli.Parameter.empty, "an index that `phosphene index` made"),
    cli.option("layer", str, cli.Parameter.empty, "a layer of the index"),
    *OF_INDEX,
    cli.option("pictures", str | None, None, "of the units: paint, none, or a folder that `visualize LAYER:all` wrote; "
               f"by default they are painted where there are at most {FEW} units"),
    cli.option("steps", int, 64, "of what is painted", bounds=Bounds(1, 100_000)),
    cli.option("size", int | None, None, "side of what is painted in pixels; by default 112, or the network's",
               bounds=Bounds(LEAST_SIDE, 2000)),
    cli.option("count", int, 10, "photographs of each unit", bounds=Bounds(1, 100)),
    cli.option("side", int, 56, "side of a photograph's part on the page in pixels", bounds=Bounds(16, 256)),
    cli.option("out", str | None, None, "the folder, by default report-LAYER; what is painted in it already stays"),
    cli.option("force", bool, False, "write over a page that is there, and paint anew"),
    cli.option("quiet", bool, False, "say nothing but where the page is"),
    cli.JSON,
)  # fmt: skip
def report_layer(**options: Any) -> None:
    """Show every unit of a layer on one page: what excites it, how often, for which class, and who says the same.

    The page needs nothing else: it opens from a disk, can be sorted and filtered, and works on a phone. Painting can be
    interrupted, and goes on with the same command.
    """
    asked = dict(options)
    index = Index.open(asked["index"])
    options["net"] = options["net"] or usual_net([asked["index"]])
    network, quiet = session(options).network, asked["quiet"]
    Index.open(index.folder, network)
    layer = network.layer(asked["layer"]).name if asked["layer"] in network.layers else asked["layer"]
    many = index.units(layer)
    if asked["count"] > index.facts["k"]:
        raise Mistake(f"the index keeps {index.facts['k']} photographs of each unit, not {asked['count']}; give a "
                      f"smaller --count, or index again with --count {asked['count']}")  # fmt: skip
    units = [Unit(layer, i) for i in range(many)]
    out = given_path(asked["out"] or shortened(f"report-{Unit(layer, None).stem}"), "folder")
    with Claims() as claims, named(network.name):
        check_new([out / PAGE], force=asked["force"])
        claims.hold([out / PAGE])
        painted = _pictures(network, units, out, asked)
        cut = _cut(index, network, layer, asked, quiet=quiet)
        made = page(index, network, layer, cut, painted, again=_again(asked))
        save({out / PAGE: made.encode(errors="backslashreplace")})
    facts = {
        "page": str(out / PAGE), "layer": layer, "units": many, "painted": len(painted), "gone": len(cut.gone),
        "dead": int(index.statistics(layer).dead.sum()), "bytes": len(made),
    }  # fmt: skip
    tell(json.dumps(facts, indent=1) if asked["json"] else out / PAGE)


def _cut(index: Index, network: Network, layer: str, asked: Mapping[str, Any], *, quiet: bool) -> Crops:
    """What the units see of their photographs, under a bar."""
    with bars(quiet=quiet) as progress:

        def track(every: Sequence[int]) -> Iterable[int]:
            return progress.track(every, description="photographs")

        return crops(index, network, layer, asked["count"], asked["side"], track)


# -------------------------------------------------------------------------------------------------------- pictures


def _pictures(network: Network, units: Sequence[Unit], out: Path, asked: Options) -> dict[int, Image.Image]:
    """The synthetic pictures of units that there are to be.

    Raises:
        Mistake: a folder was named that has none.
    """
    wanted, quiet = asked["pictures"], asked["quiet"]
    if wanted is None:
        wanted = "paint" if len(units) <= FEW else "none"
        if wanted == "none" and not is_folder(out / PICTURES):
            note(f"{len(units)} units are not painted, as that takes long; give --pictures paint, or --pictures FOLDER "
                 f"with what `phosphene visualize {units[0].layer}:all --out FOLDER` wrote", quiet=quiet)  # fmt: skip
            return {}
        wanted = wanted if wanted == "paint" else str(out / PICTURES)
    if wanted == "none":
        return {}
    if wanted != "paint":
        folder = given_path(wanted, "folder")
        found = _read(folder, units)
        if not found:
            raise Mistake(f"there is no picture of a unit of {units[0].layer} in {folder}; `phosphene visualize "
                          f"{units[0].layer}:all --out {folder}` paints them")  # fmt: skip
        return found
    _paint(network, units, out / PICTURES, asked)
    return _read(out / PICTURES, units)


def _read(folder: Path, units: Sequence[Unit]) -> dict[int, Image.Image]:
    """The pictures of units in a folder, by number, as small as they are shown."""
    found = {}
    for unit, stem in zip(units, stems(list(units)), strict=True):
        file = folder / f"{stem}.png"
        if is_file(file):
            picture = stored(file).convert("RGB")
            picture.thumbnail((2 * SIDE, 2 * SIDE))
            found[unit.index or 0] = picture
    return found


def _paint(network: Network, units: Sequence[Unit], folder: Path, asked: Options) -> None:
    """Paint all of them, part by part, under a bar; what is there already stays, however it ends."""
    row = next(row for row in catalogue.CATALOGUE if row.many)
    recipe, side = catalogue.recipe(row.name), asked["size"] or (min(network.size) if network.fixed else SIDE)

    def begin(some: Sequence[str]) -> Any:
        return recipe(network, **{row.many: list(some), "steps": asked["steps"], "size": side})

    named_units = dict(zip(map(str, units), stems(list(units)), strict=True))
    sweep = Sweep(begin, named_units, folder, force=asked["force"], option=row.many)
    if sweep.done:
        note(f"{len(sweep.done)} of {len(units)} pictures are in {folder} already", quiet=asked["quiet"])
    try:
        with bars(quiet=asked["quiet"]) as progress:
            task = progress.add_task(f"paint {len(sweep.left)} units", total=sweep.total)
            for taken in sweep:
                progress.update(task, completed=taken)
    except ENDS as stopped:
        if not sweep.done:
            raise unless_interrupted(network.name, stopped) from stopped
        words = (
            f"{len(sweep.done)} of {len(units)} pictures are in {folder}; the same command goes on from there, and "
            f"with --pictures {folder} it makes the page with these"
        )
        note(f"interrupted: {words}") if isinstance(stopped, KeyboardInterrupt) else error(f"{stopped}; {words}")
        raise Ended(exit_code(stopped)) from stopped


def _again(asked: Mapping[str, Any]) -> str:
    """The line that makes it once more."""
    words = ["phosphene", "report", os.path.basename(os.path.normpath(asked["index"])), "--layer", asked["layer"]]
    usual = {"steps": 64, "count": 10, "side": 56}
    for name in ("net", "pictures", "steps", "size", "count", "side"):
        if asked[name] is not None and asked[name] != usual.get(name):
            words += [f"--{name}", str(asked[name])]
    return shlex.join(words)
