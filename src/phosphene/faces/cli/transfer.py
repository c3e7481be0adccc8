"""`phosphene transfer`: examples made on each of several networks, tried on all the others."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.options import Bounds
from phosphene.core.paths import given_path
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.units.labelled import read_labelled
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import note, results, tell
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
    from phosphene.adversarial.tensors import attacks
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
    attack = attacks.named(options["method"])
    data = read_labelled(options["data"], networks[0])
    rows = slice(options["limit"])
    made = partial(_made, attack, options["norm"], options["eps"])
    with Claims() as claims, bars(quiet=options["quiet"]) as progress:
        claims.hold([] if options["force"] else files)
        task = progress.add_task("transfer", total=len(networks) * -(-len(data.labels[rows]) // options["batch"]))
        table: Any = None
        for done in transferred(
            networks, data.pixels(rows), data.labels[rows], made, options["batch"], _key(options["seed"])
        ):
            progress.advance(task)
            table = done
        record = table.record() | {"method": options["method"], "eps": options["eps"], "norm": options["norm"]}
        title = f"{options['method']}: who fools whom, {table.right.shape[1]} pictures"
        folder, elsewhere = put(
            {files[0]: png_bytes(drawn(table, title)), files[1]: json_bytes(record)}, force=options["force"]
        )
    if options["json"]:
        tell(json.dumps(record, indent=1))
    elif not options["quiet"]:
        _tell(record)
    tell(folder / Path(file.name))
    if elsewhere:
        note(elsewhere)
        raise Ended(2)


def _network(spec: str, device: str) -> Any:
    usual = dict.fromkeys(cli.names(cli.NETWORK))
    return session(usual | {"net": spec, "device": device, "precision": "auto", "no_plan": False}).network


def _key(seed: int) -> Any:
    from phosphene.core.optimization.keys import Key

    return Key(seed)


def _made(attack: Any, norm: str | None, eps: float | None, network: Any, pictures: Any, labels: Any, key: Any) -> Any:
    """The attack on pictures; one of a fixed radius goes on to its end, as what fools by far fools others too."""
    more = {} if eps is None else {"eps": eps}
    return attack(network.planned("search"), pictures, labels, norm=norm, until_fooled=False, key=key, **more)


def _tell(record: dict[str, Any]) -> None:
    console = Console(file=results(), soft_wrap=True)
    for name, right, row in zip(record["networks"], record["accuracies"], record["fooled"], strict=True):
        rates = ", ".join(
            f"{other} {100 * rate:.1f} %" if rate is not None else f"{other} -"
            for other, rate in zip(record["networks"], row, strict=True)
        )
        console.print(f"made on {name} (right about {100 * right:.1f} %), they fool: {rates}", highlight=False)
