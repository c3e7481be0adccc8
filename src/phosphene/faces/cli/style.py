"""`phosphene train-style`: a network that paints in a style in one pass, or makes pictures larger."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.options import Bounds
from phosphene.core.units.squares import apart, read_pictures
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import Options, session, tool
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.cli.training import Files, train
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named
from phosphene.models.headers import header, header_in
from phosphene.style.feed_forward import HEADER, loaded
from phosphene.style.style_net import Shape
from phosphene.style.training import Course, StyleTraining
from phosphene.style.training_measures import card
from phosphene.style.training_recipe import MEASURED, SHAPES, course, look, net_file, preview

STORED = 320
"""Pixels: the side at which pictures are kept; squares are cut out of them at random."""


@tool(
    cli.argument("styles", list[str], [], "one or several pictures in the style; none with --upscale"),
    cli.option("data", str, cli.Parameter.empty, "a folder of photographs, in folders or not"),
    cli.option("without", list[str], [], "a folder in it that is left out; repeatable"),
    cli.option("upscale", int, 1, f"make pictures so many times as large instead: {', '.join(map(str, SHAPES))}",
               bounds=Bounds(1, max(SHAPES))),
    *cli.NETWORK[:4],
    cli.option("start", str | None, None, "a style network to begin with, which is much quicker; by default a new one"),
    cli.option("content_layer", str | None, None, "whose activations say what is where; by default one of the middle"),
    cli.option("layer", list[str], [], "a layer of the style; repeatable; by default up to five, from fine to coarse"),
    cli.option("content_weight", float | None, None, f"of the content beside the style [default: "
               f"{Course.content_weight}]", bounds=Bounds(0, 1000)),
    cli.option("tv", float | None, None, f"weight of the total variation [default: {Course.tv}]",
               bounds=Bounds(0, 1000)),
    cli.option("style_size", int, 384, "the longer side of the style in px: the smaller, the finer its strokes",
               bounds=Bounds(16, 4096)),
    cli.option("share", list[str], [], "of several styles, how much each counts; repeatable, in their order"),
    cli.option("size", int, 160, "side of the squares that are painted in training, in px", bounds=Bounds(16, 1024)),
    cli.option("epochs", int | None, None, "how often every picture is seen; by default some 8,000 in all",
               bounds=Bounds(1, 10_000)),
    cli.option("rate", float, Course.peak, "the highest learning rate", bounds=Bounds(1e-6, 10)),
    cli.option("batch", int, 2, "pictures at a time", bounds=Bounds(1, 4096)),
    cli.option("flip", bool, True, "mirror half of the photographs"),
    cli.option("measured", int, 16, "photographs on which it is measured in the end", bounds=Bounds(1, 512)),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str, "style.safetensors", "the file of the network; beside it NAME.md says what it is worth, and "
               "NAME.png shows it"),
    cli.option("checkpoint", str | None, None, "what an interrupted training goes on from; by default beside --out"),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.option("quiet", bool, False, "say nothing but where the network is"),
    cli.JSON,
)  # fmt: skip
def train_style(**options: Any) -> None:
    """Train a network that paints photographs in STYLE in one pass (Johnson et al. 2016).

    `phosphene stylize PHOTO --with FILE` takes it. With --upscale it learns to make pictures larger instead, by
    features rather than pixels. A part of the photographs is held out, and the weights that were best there are kept.
    """
    files, quiet = Files.of(options), options["quiet"]
    beside, shown = files.weights.with_suffix(".md"), files.weights.with_suffix(".png")
    if not files.goes_on:
        check_new([beside, shown], force=options["force"])
    with Claims() as claims:
        claims.hold([files.weights, files.checkpoint, beside, shown])
        training, refused = _begun(options)
        note("\n".join(refused), quiet=quiet or not refused)
        photos = training.held.part(torch.arange(min(options["measured"], len(training.held.labels))))

        def made() -> dict[Path, bytes]:
            ended = len(training.epochs) == len(training.sides)
            found = net_file(training, photos if ended else None, _about(options))
            text = {beside: card(header_in(found, HEADER), files.weights.name).encode()} if ended else {}
            return {files.weights: found, shown: preview(training)} | text

        train(training, files, made, quiet=quiet)
    _tell_done(training, files.weights, options)


def _about(options: Options) -> str:
    if options["upscale"] > 1:
        return f"Pictures {options['upscale']} times as large"
    return f"The style of {' and '.join(Path(one).stem for one in options['styles'])}"


def _begun(options: Options) -> tuple[StyleTraining, list[str]]:
    """The training, and a sentence for each picture that is left out."""
    upscale, styles = options["upscale"], options["styles"]
    if upscale not in SHAPES:
        raise Mistake(f"pictures become {', '.join(map(str, SHAPES))} times as large, not {upscale} times")
    if upscale > 1 and styles:
        raise Mistake(f"--upscale makes pictures larger and knows no style; leave {styles[0]} out, or --upscale")
    if upscale == 1 and not styles:
        raise Mistake("a picture in the style is missing; give one: phosphene train-style STYLE --data FOLDER")
    network = session(dict(options) | {"head": None, "plan": None, "no_plan": False}).network
    with named(network.name):
        seen = look(
            network, styles, options["style_size"], _shares(options["share"], len(styles)), options["content_layer"],
            options["layer"],
        )  # fmt: skip
        with bars(quiet=options["quiet"]) as progress:
            found, refused = read_pictures(
                options["data"], max(STORED, options["size"]), options["without"],
                lambda every: progress.track(every, description="read the pictures"),
            )  # fmt: skip
        learned, held = apart(found, options["seed"])
        how = course(
            network, len(learned.labels), found.pictures.shape[-1], upscale=upscale, side=options["size"],
            epochs=options["epochs"], rate=options["rate"], content_weight=options["content_weight"],
            tv=options["tv"], flip=options["flip"], batch=options["batch"],
        )  # fmt: skip
        few = held.part(torch.arange(min(max(MEASURED, options["measured"]), len(held.labels))))
        begun = _start(options["start"], SHAPES[upscale])
        return StyleTraining(seen, learned, few, how, SHAPES[upscale], options["seed"], begun), refused


def _start(file: str | None, shape: Shape) -> dict[str, Tensor] | None:
    """The weights to begin with.

    Raises:
        Mistake: they are of another kind of network.
    """
    if file is None:
        return None
    found = loaded(file)
    if found.net.shape != shape:
        raise Mistake(f"{Path(file).name} makes pictures {found.net.shape.upscale} times as large, and is of another "
                      f"shape than what is trained here; leave --start out")  # fmt: skip
    return found.net.state_dict()


def _shares(words: list[str], many: int) -> list[float]:
    """How much each of several styles counts; nothing said, all the same.

    Raises:
        Mistake: they are no numbers, or not as many as there are styles.
    """
    if words and len(words) != many:
        raise Mistake(f"{len(words)} shares are given for {many} styles; give --share once for each")
    shares = [float(cli.read_number(word, "share", Bounds(0, 1e6))) for word in words]
    if shares and not sum(shares):
        raise Mistake("all shares are 0, so no style counts; one of them has to be above")
    return shares


def _tell_done(training: StyleTraining, weights: Path, options: Options) -> None:
    record = header(weights, HEADER)
    assert record is not None
    usage = f"phosphene stylize PHOTO --with {shlex.quote(str(weights))}"
    if options["json"]:
        epochs = [asdict(one) for one in training.epochs]
        tell(json.dumps({"model": str(weights), "use": usage} | record | {"epochs": epochs}, indent=1))
        return
    ways = record["measured"]
    keys = ("psnr", "ssim", "content") if "bicubic" in ways else ("content", "style")
    said = [f"{way}: " + ", ".join(f"{key} {one[key]:.4g}" for key in keys) for way, one in ways.items()]
    words = f"on {record['measured on']} photographs that were held out: {'; '.join(said)}"
    console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
    console.print(f"{escape(words)}\nuse: {escape(usage)}", highlight=False)
    tell(weights)
