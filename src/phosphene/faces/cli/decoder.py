"""`phosphene train-decoder`: a network from a layer's code back to pictures, from pictures of one's own."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from phosphene.core.options import Bounds
from phosphene.core.units.squares import apart, read_pictures
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import Options, session, tool
from phosphene.faces.cli.output import escape, note, results, tell
from phosphene.faces.cli.training import Files, train
from phosphene.faces.running.claims import Claims, check_new
from phosphene.faces.running.progress import bars
from phosphene.faces.running.session import named
from phosphene.inversion.decoder_measures import card
from phosphene.inversion.decoder_recipe import decoder_course, decoder_file
from phosphene.inversion.decoder_training import Course, DecoderTraining
from phosphene.models.decoder import geometry
from phosphene.models.decoder_files import record_in, record_of


@tool(
    cli.option("layer", str, cli.Parameter.empty, "whose codes are decoded"),
    cli.option("data", str, cli.Parameter.empty, "a folder of pictures, in folders or not"),
    cli.option("without", list[str], [], "a folder in it that is left out; repeatable"),
    *cli.NETWORK[:4],
    cli.option("epochs", int | None, None, "how often every picture is seen; by default some 50,000 in all",
               bounds=Bounds(1, 10_000)),
    cli.option("rate", float, Course.peak, "the highest learning rate", bounds=Bounds(1e-6, 10)),
    cli.option("batch", int, Course.batch, "pictures at a time", bounds=Bounds(2, 4096)),
    cli.option("code_weight", float, Course.code_weight, "of the code's normalized error beside the pixels'",
               bounds=Bounds(0, 1000)),
    cli.option("flip", bool, True, "mirror half of the pictures"),
    cli.option("measured", int, 16, "pictures on which it is measured in the end", bounds=Bounds(1, 512)),
    cli.option("seed", int, 0, "of all random numbers", bounds=Bounds(0, 2**32 - 1)),
    cli.option("out", str, "decoder.safetensors", "the file of the decoder; beside it NAME.md says what it is worth"),
    cli.option("checkpoint", str | None, None, "what an interrupted training goes on from; by default beside --out"),
    cli.option("force", bool, False, "begin anew, over what is there"),
    cli.option("quiet", bool, False, "say nothing but where the decoder is"),
    cli.JSON,
)  # fmt: skip
def train_decoder(**options: Any) -> None:
    """Train a decoder: a network that makes pictures of what LAYER says about them (Dosovitskiy & Brox 2016).

    `phosphene invert --decoder FILE` takes it. A part of the pictures is held out, and the weights that were best there
    are kept. It paints what it was trained on, whether it was in a photograph or not.
    """
    files, quiet = Files.of(options), options["quiet"]
    beside = files.weights.with_suffix(".md")
    if not files.goes_on:
        check_new([beside], force=options["force"])
    with Claims() as claims:
        claims.hold([files.weights, files.checkpoint, beside])
        training, refused = _begun(options)
        note("\n".join(refused), quiet=quiet or not refused)
        photos = training.held.part(torch.arange(min(options["measured"], len(training.held.labels))))

        def made() -> dict[Path, bytes]:
            ended = len(training.epochs) == len(training.sides)
            found = decoder_file(training, photos if ended else None)
            return {files.weights: found} | ({beside: card(record_in(found)).encode()} if ended else {})

        train(training, files, made, quiet=quiet)
    _tell_done(training, files.weights, options)


def _begun(options: Options) -> tuple[DecoderTraining, list[str]]:
    """The training, and a sentence for each picture that is left out."""
    network = session(dict(options) | {"head": None, "plan": None, "no_plan": False}).network
    layer = network.layer(options["layer"]).name
    with named(network.name):
        geometry(network, layer)  # before all pictures are read
        with bars(quiet=options["quiet"]) as progress:
            found, refused = read_pictures(
                options["data"], max(network.size), options["without"],
                lambda every: progress.track(every, description="read the pictures"),
            )  # fmt: skip
        learned, held = apart(found, options["seed"])
        course = decoder_course(
            network, layer, len(learned.labels), max(network.size), epochs=options["epochs"], rate=options["rate"],
            code_weight=options["code_weight"], flip=options["flip"], batch=options["batch"],
        )  # fmt: skip
        return DecoderTraining(network, layer, learned, held, course, options["seed"]), refused


def _tell_done(training: DecoderTraining, weights: Path, options: Options) -> None:
    record = record_of(weights)
    assert record is not None
    net, name = options["net"], shlex.quote(str(weights))
    usage = f"--net {shlex.quote(net)} " if net != "embedded:photo" else ""
    usage += f"--layer {training.layer} --decoder {name}"
    if options["json"]:
        epochs = [asdict(one) for one in training.epochs]
        tell(json.dumps({"decoder": str(weights), "use": usage} | record | {"epochs": epochs}, indent=1))
        return
    alone = record["measured"]["decoder alone"]
    words = (
        f"of {record['measured on']} pictures that were held out: SSIM {alone['ssim']:.3f}, "
        f"PSNR {alone['psnr']:.1f} dB, error of the code {alone['error']:.3f}"
    )
    console = Console(file=results(), quiet=options["quiet"], soft_wrap=True)
    console.print(f"{escape(words)}\nuse: phosphene invert PHOTO {escape(usage)}", highlight=False)
    tell(weights)
