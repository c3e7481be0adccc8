"""`phosphene train-dream`: the embedded network, trained further on an album, so that dreams show what is in it."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from phosphene.adversarial.robust import weights_file
from phosphene.adversarial.training import Course, Training
from phosphene.adversarial.training_steps import accuracy
from phosphene.core.optimization.training.pictures import Examples, held_out
from phosphene.core.options import Bounds
from phosphene.dreaming import album
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import Options, tool
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.cli.training import Files, train
from phosphene.faces.running.claims import Claims
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named


@tool(
    cli.argument("folder", str, cli.Parameter.empty, "a folder of pictures, or of one folder of pictures a class"),
    cli.option(
        "clusters", int | None, None,
        "have the pictures told apart by so many clusters, whatever their folders; by default where there are none",
        bounds=Bounds(2, 1000),
    ),
    *cli.NETWORK[2:4],
    cli.option(
        "epochs", int | None, None, "how often every picture is seen; by default 10 times of 2,000, and 60 of few",
        bounds=Bounds(1, 10_000),
    ),
    cli.option("rate", float, album.RATE, "the highest learning rate; more changes more", bounds=Bounds(1e-6, 10)),
    cli.option("batch", int, album.BATCH, "pictures at a time", bounds=Bounds(2, 4096)),
    cli.option("flip", bool, True, "mirror half of the pictures"),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str, "album.safetensors", "the file of the weights"),
    cli.option("checkpoint", str | None, None, "what an interrupted training goes on from; by default beside --out"),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.option("quiet", bool, False, "say nothing but where the weights are"),
    cli.JSON,
)  # fmt: skip
def train_dream(**options: Any) -> None:
    """Train the embedded network further on the pictures in FOLDER, so that dreams with it show what is in them.

    Each folder in FOLDER is a class; where there are none, clusters of the network's own codes are. A tenth of the
    pictures is held out, and counted before and after. All layers are trained, and the weights of the last epoch are
    kept, as the album has come the furthest into them.
    """
    files, quiet = Files.of(options), options["quiet"]
    with Claims() as claims:
        claims.hold([files.weights, files.checkpoint])
        with bars(quiet=quiet) as progress:
            found = album.read_album(
                options["folder"], options["clusters"], options["seed"],
                lambda every: progress.track(every, description="read the album"),
            )  # fmt: skip
        if not quiet:
            for words in [*found.notes, *album.remarks(found)]:
                note(words)
        with named("the album's network"):
            training, facts = _begun(found, options)
        about = "embedded:photo trained further on an album"

        def made() -> dict[Path, bytes]:
            return {files.weights: weights_file(training, found.classes, None, about, **facts)}

        train(training, files, made, quiet=quiet)
    _tell_done(training, found, facts, files.weights, options)


def _begun(found: album.Album, options: Options) -> tuple[Training, dict[str, Any]]:
    """The training, and what is known before it."""
    learned, held = held_out(Examples(found.pictures, found.labels), found.classes, options["seed"])
    network = album.beginning(learned.pictures, learned.labels, found.classes, options["device"], options["precision"])
    before, _ = accuracy(network.planned("search"), held, 0.0, side=network.size[0])
    largest = int(held.labels.bincount().max()) / len(held.labels)
    shown = learned.part(album.evened(learned.labels))
    course = Course(
        radius=0.0, peak=options["rate"], flip=options["flip"], last=True,
        **album.course(len(shown.labels), options["epochs"], options["batch"], network.size[0]),
    )  # fmt: skip
    facts = {
        "before": before, "always the largest class": largest, "clusters": found.clusters,
        "pictures": len(learned.labels),
    }  # fmt: skip
    return Training(network, shown, held, course, options["seed"]), facts


def _tell_done(training: Training, found: album.Album, facts: dict[str, Any], weights: Path, options: Options) -> None:
    ended, held = training.epochs[-1], len(training.held.labels)
    usage = f"--net {shlex.quote(str(weights))}"
    if options["json"]:
        many = dict(zip(found.classes, found.labels.bincount().tolist(), strict=True))
        members: dict[str, list[str]] = {name: [] for name in found.classes}
        for file, label in zip(found.files, found.labels.tolist(), strict=True):
            members[found.classes[label]].append(file)
        said = {"weights": str(weights), "use": usage, "classes": many, "held out": held} | facts
        said |= {"after": ended.clean, "left out": found.notes} | ({"files": members} if found.clusters else {})
        tell(json.dumps(said | {"epochs": [asdict(one) for one in training.epochs]}, indent=1))
        return
    words = (
        f"of {held} pictures that were held out, {100 * ended.clean:.1f} % are named rightly; before the training "
        f"{100 * facts['before']:.1f} %, and {100 * facts['always the largest class']:.1f} % by always saying the "
        "largest class"
    )
    console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
    console.print(
        f"{escape(words)}\nuse: phosphene dream PHOTO --layer {album.BEST_LAYER} {escape(usage)}", highlight=False
    )
    tell(weights)
