"""`phosphene transfer`: examples made on each of several networks, tried on all the others."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene import catalogue
from phosphene.core.errors import Mistake, check_choice
from phosphene.core.options import Bounds, shown
from phosphene.core.paths import given_path
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.units.labelled import read_labelled
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import json_bytes, put
from phosphene.faces.running.progress import bars


@tool(
    cli.option("net", list[str], [], "a network, as of other commands; give it twice or more"),
    cli.option("data", str | None, None, "a folder of one folder for each class, or a .npz file with X and y"),
    cli.option("method", str, catalogue.commands()["attack"][0].method, "an attack, one of `phosphene attack`"),
    cli.option("norm", str | None, None, "how the size of a change is measured; by default as the attack does"),
    cli.option("eps", float | None, None, "the radius; by default what is usual", bounds=Bounds(1e-6, 1e6)),
    cli.option("limit", int | None, None, "the first so many pictures", bounds=Bounds(1, 10**9)),
    cli.option("batch", int, 50, "pictures at a time", bounds=Bounds(1, 1024)),
    cli.option("device", str, "auto", "auto, cpu, cuda or mps"),
    cli.option("seed", int, 0, "of what is random", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str, "transfer.png", "the table's file; its numbers stand in a .json beside it"),
    cli.FORCE, cli.QUIET, cli.JSON,
)  # fmt: skip
def transfer(**options: Any) -> None:
    """Make examples on each network and try them on all the others."""
    from phosphene.adversarial.transfer import check_classes, transferred
    from phosphene.adversarial.transfer_table import drawn

    if options["data"] is None:
        raise Mistake("pictures with their classes are needed: --data FOLDER, or --data FILE.npz")
    file = given_path(options["out"], "table")
    if file.suffix.lower() != ".png":
        raise Mistake(f"{file} does not end in .png")
    files = [file, file.with_suffix(".json")]
    check_new(files, force=options["force"])
    networks = [_network(spec, options["device"]) for spec in options["net"]]
    check_classes(networks)
    data = read_labelled(options["data"], networks[0])
    rows = slice(options["limit"])
    attack, norm, eps = _asked(options, data.pictures[0].numel())
    made = partial(_made, attack, norm, eps)
    with Claims() as claims, bars(quiet=options["quiet"]) as progress:
        claims.hold([] if options["force"] else files)
        task = progress.add_task("transfer", total=len(networks) * -(-len(data.labels[rows]) // options["batch"]))
        table: Any = None
        for done in transferred(
            networks, data.pixels(rows), data.labels[rows], made, options["batch"], _key(options["seed"])
        ):
            progress.advance(task)
            table = done
        record = table.record() | {"method": options["method"], "eps": eps, "norm": norm}
        size = "the smallest change" if eps is None else f"{norm} {shown(eps)}"
        title = f"{options['method']}, {size}: who fools whom, {table.right.shape[1]} pictures"
        folder, elsewhere = put(
            {files[0]: png_bytes(drawn(table, title)), files[1]: json_bytes(record)}, force=options["force"]
        )
    if options["json"]:
        tell(json.dumps(record, indent=1))
    elif not options["quiet"]:
        _tell(table)
    tell(folder / Path(file.name))
    if elsewhere:
        note(elsewhere)
        raise Ended(2)


def _network(spec: str, device: str) -> Any:
    usual = dict.fromkeys(cli.names(cli.NETWORK))
    return session(usual | {"net": spec, "device": device, "precision": "auto", "no_plan": False}).network


def _asked(options: dict[str, Any], values: int) -> tuple[Any, str, float | None]:
    """The attack, its norm, and its radius on pictures of so many values, None where it looks for the smallest change.

    Raises:
        Mistake: there is no such attack, or it does not know the norm.
    """
    from phosphene.adversarial import tensors
    from phosphene.adversarial.norms import usual_radius

    attack: Any = tensors.attacks.named(options["method"])
    recipe, eps = tensors.recipe(attack.__name__), options["eps"]
    norm = options["norm"] or recipe.norms[0]
    check_choice(f"norm of {options['method']}", norm, recipe.norms)
    if eps is None and not recipe.minimal:
        eps = usual_radius(norm, values)
    return attack, norm, eps


def _key(seed: int) -> Any:
    from phosphene.core.optimization.keys import Key

    return Key(seed)


def _made(attack: Any, norm: str | None, eps: float | None, network: Any, pictures: Any, labels: Any, key: Any) -> Any:
    """The attack on pictures; one of a fixed radius goes on to its end, as what fools by far fools others too."""
    from phosphene.adversarial.victims import Victim
    from phosphene.core.pictures.eight_bit import nearest_levels

    # the smallest change ends just beyond the boundary, and rounding would take it back
    victim = Victim(network.planned("search"), through=nearest_levels if eps is None else None)
    more = {} if eps is None else {"eps": eps}
    return attack(victim, pictures, labels, norm=norm, until_fooled=False, key=key, **more)


def _tell(table: Any) -> None:
    """Network by network: how right it is, whom its examples fool, and whom noise of their size; 95 % intervals."""
    console = Console(file=results(), soft_wrap=True)
    longest = max(map(len, table.names))
    for name, own, row, noise in zip(table.names, table.own, table.pairs, table.controls, strict=True):
        lines = [f"made on {name}, which is right about {own.percent} {own.brackets} of {own.of}:"]
        for other, one, same in zip(table.names, row, noise, strict=True):
            share = "nothing that both are right about"
            if one.of:
                share = f"{one.percent:>7} {one.brackets} of {one.of}, noise of their size {same.percent}"
            lines.append(f"  fool {other:{longest}} {share}")
        console.print("\n".join(map(escape, lines)), highlight=False)
