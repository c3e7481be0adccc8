"""`phosphene replay`: a picture again, from the recipe that it carries."""

import json
from typing import Any

from rich.console import Console

from phosphene.core.results.results import Run
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import tool
from phosphene.faces.cli.guard import Ended
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.replay import replay as replaying
from phosphene.faces.replay.record import read_record
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.destination import Destination
from phosphene.faces.running.runner import watch
from phosphene.faces.running.session import Session, named


@tool(
    cli.argument("picture", str, cli.Parameter.empty, "a PNG that this program made"),
    cli.option("input", list[str], [], "a photograph or folder that it was made from; may be given several times"),
    cli.option("net", str | None, None, "the network that made it, where it is not an embedded one"),
    cli.NETWORK[1],
    cli.option("device", str | None, None, "cpu, cuda or mps; by default where it was made"),
    cli.option("out", str | None, None, "NAME.png or a folder; by default replay-NAME.png"),
    cli.option("patient", bool, False, "let it take as long as its recipe says: read more than a million pictures"),
    cli.FORCE, cli.QUIET, cli.JSON,
)  # fmt: skip
def replay_picture(**options: Any) -> None:
    """Make PICTURE again from the recipe that it carries, and say whether every pixel is the same.

    Embedded networks and scikit-image's photographs are found by themselves; others have to be named with --net and
    --input, and must be those that made it. The exit code is 1 where pixels differ. As a recipe may come from a
    stranger, it gets no larger pictures than it shows and, without --patient, no more than a million readings of them.
    """
    picture, quiet = options["picture"], options["quiet"]
    record = read_record(picture)
    name = record.recipe.name
    with Claims() as claims, replaying.as_many_threads(record):
        to = Destination("replay", options["out"], options["force"], picture, claims=claims)
        to.check_folder()
        to.begin([name])
        network = Session(
            options["net"] or replaying.embedded_spec(record), options["weights_file"],
            options["device"] or record.device, replaying.record_precision(record), record.network.get("head"),
        ).network  # fmt: skip
        with named(network.name):
            meter = replaying.patience(options["patient"])
            made = replaying.begin(record, network, options["input"], meter)
            if isinstance(made, Run):
                watch(made, f"replay {name}", quiet=quiet)
            result = made.result
            meter.check_kept()
            again = replaying.finished(record, result)
        path, elsewhere = to.keep(again.png(), name)
    if options["json"]:
        facts = {"identical": again.same, "differing": again.differing, "largest": again.largest}
        tell(json.dumps(facts | {"changes": again.changes, "picture": str(path)}, indent=1))
    else:
        Console(file=results(), quiet=quiet, soft_wrap=True).print(escape(again.words), highlight=False)
        tell(path)
    if elsewhere:
        note(elsewhere)
    if elsewhere or not again.same:
        raise Ended(2 if elsewhere else 1)
