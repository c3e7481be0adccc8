"""`phosphene train-robust`: a network that is hard to fool, from pictures of one's own."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.adversarial import robust
from phosphene.adversarial.training import Training
from phosphene.adversarial.training_parts import read_part
from phosphene.core.errors import Mistake
from phosphene.core.optimization.training.pictures import held_out
from phosphene.core.options import Bounds, shown
from phosphene.core.units.labelled import read_labelled
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import Options, session, tool
from phosphene.faces.cli.output import escape, results, tell
from phosphene.faces.cli.training import Files, train
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.session import named
from phosphene.models.files import without_folders


@tool(
    cli.argument("data", str, cli.Parameter.empty, "a folder of one folder a class, or a .npz file with X and y"),
    cli.option("net", str | None, None, "a network to train further, one output a class; by default a new one"),
    *cli.NETWORK[1:4],
    cli.option("eps", float, 4 / 255, "how far a pixel may move, in [0, 1]; 0 trains plainly", bounds=Bounds(0, 1)),
    cli.option("epochs", int, 10, "how often every picture is seen", bounds=Bounds(1, 10_000)),
    cli.option(
        "size", int | None, None, "side of the pictures in px; by default 64, or with --net the network's own",
        bounds=Bounds(8, 1024),
    ),
    cli.option(
        "rate", float | None, None, f"the highest learning rate; by default {robust.FRESH}, with --net {robust.TUNED}",
        bounds=Bounds(1e-6, 10),
    ),
    cli.option("batch", int, 128, "pictures at a time", bounds=Bounds(2, 4096)),
    cli.option("flip", bool, True, "mirror half of the pictures"),
    cli.option(
        "part", str | None, None,
        "train on part K of N, as 1/2, disjoint and with each class in equal shares; all with the same --seed",
    ),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str, "robust.safetensors", "the file of the weights"),
    cli.option("checkpoint", str | None, None, "what an interrupted training goes on from; by default beside --out"),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.option("quiet", bool, False, "say nothing but where the weights are"),
    cli.JSON,
)  # fmt: skip
def train_robust(**options: Any) -> None:
    """Train a network on DATA whose answers small changes of the pixels do not change.

    It sees pictures that were changed by one step of the gradient's sign from a random start (Wong et al. 2020,
    arXiv:2001.03994). After every epoch 20 such steps (PGD) are tried on a part of DATA that is held out, and the
    weights that stand them best are kept.
    """
    files = Files.of(options)
    with Claims() as claims:
        claims.hold([files.weights, files.checkpoint])
        training, names, net = _begun(options)

        def made() -> dict[Path, bytes]:
            return {files.weights: robust.weights_file(training, names, net)}

        train(training, files, made, quiet=options["quiet"])
    _tell_done(training, _usage(files.weights, options), files.weights, options)


def _begun(options: Options) -> tuple[Training, list[str], str | None]:
    """The training, what the classes are called, and the spec of somebody's network that is trained."""
    net, size, seed = options["net"], options["size"], options["seed"]
    if net is None and options["weights_file"] is not None:
        raise Mistake("--weights are those of a network, and none is given; give --net, or leave --weights out")
    given = None if net is None else session(dict(options) | {"head": None, "plan": None, "no_plan": False}).network
    part = None if options["part"] is None else read_part(options["part"])
    side = size or (64 if given is None else given.size[0])
    with named("the new network" if given is None else given.name):
        data = read_labelled(options["data"], given, size=(side, side))
        examples, names = robust.numbered(data, given)
        chosen = part.among(examples, names, seed) if part else examples
        learned, held = held_out(chosen, names, seed)
        start = part.start(seed) if part else seed
        network = given or robust.untrained(learned, names, side, start, options["device"], options["precision"])
        course = robust.robust_course(
            learned, epochs=options["epochs"], eps=options["eps"], size=side, grows=not network.fixed,
            rate=options["rate"] or (robust.FRESH if net is None else robust.TUNED), flip=options["flip"],
            batch=options["batch"],
        )  # fmt: skip
        return Training(network, learned, held, course, seed, part), names, net and without_folders(net)


def _usage(weights: Path, options: Options) -> str:
    """How the weights are given to another command."""
    name, net = shlex.quote(str(weights)), options["net"]
    return f"--net {name}" if net is None else f"--net {shlex.quote(net)} --weights {name}"


def _tell_done(training: Training, usage: str, weights: Path, options: Options) -> None:
    best, held = training.best_epoch, len(training.held.labels)
    assert best is not None
    if options["json"]:
        many, part = len(training.examples.labels), training.part and str(training.part)
        facts = {
            "weights": str(weights), "use": usage, "eps": training.course.radius, "part": part, "pictures": many,
            "held out": held,
        }  # fmt: skip
        tell(
            json.dumps(
                facts | {"kept epoch": best.number, "epochs": [asdict(one) for one in training.epochs]}, indent=1
            )
        )
        return
    words = (
        f"kept: epoch {best.number}; of {held} pictures that were held out, {100 * best.clean:.1f} % are named rightly"
    )
    if training.course.radius:
        words += f", and {100 * best.robust:.1f} % under PGD-20 at {shown(training.course.radius)}"
    console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
    console.print(f"{escape(words)}\nuse: phosphene predict PHOTO {escape(usage)}", highlight=False)
    tell(weights)
