"""`phosphene tune`: the fastest way to run a network on this machine, as a file for --plan."""

from typing import Any

from phosphene.core.options import Bounds
from phosphene.core.paths import given_path, shortened
from phosphene.faces.cli import options as cli
from phosphene.faces.cli import show
from phosphene.faces.cli.commands import session, tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import note, tell
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.destination import json_bytes, put
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named
from phosphene.models.tuning import candidates, chosen, measure, measured


@tool(
    *cli.NETWORK[:5],
    cli.option(
        "size", int | None, None, "side of the pictures in pixels; by default the network's own",
        bounds=Bounds(8, 10_000),
    ),
    cli.option("batch", int, 1, "pictures at a time", bounds=Bounds(1, 1024)),
    cli.option("repeats", int, 7, "how many turns each way has", bounds=Bounds(2, 1000)),
    cli.option("out", str | None, None, "the file; by default plan-NETWORK.json"),
    cli.FORCE, cli.QUIET,
)  # fmt: skip
def tune_network(**options: Any) -> None:
    """Measure every way to run a network on this machine, and write the fastest into a file for --plan."""
    network = session(options | {"plan": None, "no_plan": False}).network
    spelled = "".join(c if c.isalnum() else "-" for c in network.name).strip("-")
    file = given_path(options["out"] or f"{shortened(f'plan-{spelled}')}.json", "plan")
    check_new([file], force=options["force"])
    repeats = options["repeats"]
    with Claims() as claims, named(network.name), bars(quiet=options["quiet"]) as progress:
        claims.hold([] if options["force"] else [file])
        every = candidates(network)
        task = progress.add_task(f"tune {network.name}", total=repeats * len(every))
        for _ in measure(network, every, size=options["size"], batch=options["batch"], repeats=repeats):
            progress.advance(task)
        found = json_bytes(measured(network, every))
        folder, elsewhere = put({file: found}, force=options["force"])
    if not options["quiet"]:
        show.plans(every, chosen(every))
    tell(folder / file.name)
    if elsewhere:
        note(elsewhere)
        raise Ended(2)
