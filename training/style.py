"""Train the style network that comes with phosphene: `python -m training.style [larger]`.

The style is The Starry Night (Vincent van Gogh, 1889; out of copyright), the pictures are crops of 150 photographs, 50
others are held out, and features are those of a VGG-19 that was compressed 16 times; by the recipe of `phosphene
train-style`, in about half an hour of one core's time. None of these pictures is part of this repository. After
an interruption the same command goes on where it was. `larger` trains the network that makes pictures four times as
large, for docs/feed_forward.md, and writes it into the cache.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import phosphene
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.saving import save
from phosphene.core.units.squares import apart, read_pictures
from phosphene.models.headers import header_in
from phosphene.style.feed_forward import HEADER, SHIPPED
from phosphene.style.style_net import Shape
from phosphene.style.training import Course, Look, StyleTraining
from phosphene.style.training_measures import card
from phosphene.style.training_recipe import MEASURED, SHAPES, look, net_file, preview
from training.tiny_imagenet import CACHE

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
VGG = f"{DATA / 'models' / 'vgg19_16x.py'}:build_encoder?level=5"
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SIDE = 320
"""Pixels at which the photographs are kept."""

STARRY = (
    Course((128,) * 48 + (192,) * 24 + (256,) * 8, crops=(192, SIDE), content_weight=0.5, tv=0.3, peak=2e-3, batch=2),
    Course((192,) * 20 + (256,) * 10, crops=(192, SIDE), content_weight=0.1, tv=0.15, peak=2e-3, batch=2),
)
LARGER = (Course((96,) * 4, crops=(192, SIDE), content_weight=1.0, tv=0.0, peak=3e-3, batch=2),)
"""One cycle of the learning rate after the other."""

SOURCE = (
    "The Starry Night, oil on canvas, Vincent van Gogh, 1889, Museum of Modern Art, New York; out of copyright. The "
    "painting itself is no part of this file."
)


def trained(
    seen: Look, cycles: Sequence[Course], shape: Shape, data: tuple[Examples, Examples], out: Path, about: str,
    **more: object,
) -> None:  # fmt: skip
    """Train a network and write it, with what it is worth."""
    learned, held = data
    few, start = held.part(torch.arange(MEASURED)), None
    for number, how in enumerate(cycles, 1):
        training = StyleTraining(seen, learned, few, how, shape, start=start)
        run(training, CACHE / f"{out.stem}-{number}.checkpoint")
        start = training.best[1]
        made = net_file(training, few, about, **more, cycles=number)
        record = header_in(made, HEADER)
        words = card(record, out.name)
        words = words.replace(f"--with {out.name}", "--method feed-forward") if out == SHIPPED else words
        save({out: made, out.with_suffix(".md"): words.encode()})
        print(json.dumps(record, indent=1), f"{out}: {len(made)} bytes", sep="\n", flush=True)


def run(training: StyleTraining, checkpoint: Path) -> None:
    """To the end, from the checkpoint on if there is one, with a preview of each epoch beside it."""
    if checkpoint.exists():
        training.resume(checkpoint)
    began, before = time.monotonic(), training.taken
    print(training.name, training.heads, *map(training.line, training.epochs), sep="\n", flush=True)
    for ended in training:
        if ended is not None:
            each = (time.monotonic() - began) / max(training.taken - before, 1)
            left = each * (training.total - training.taken) / 60
            print(f"{training.line(ended)}, {left:.0f} minutes left", flush=True)
            save({checkpoint: training.saved(), checkpoint.with_suffix(".png"): preview(training)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["starry", "larger"], default="starry")
    what = parser.parse_args().what
    CACHE.mkdir(exist_ok=True)
    network = phosphene.load(VGG)
    examples, _ = read_pictures(DATA / "imagenet_200", SIDE)
    data = apart(examples)
    if what == "larger":
        seen = look(network, [], SIDE, content="relu2_2")
        trained(seen, LARGER, SHAPES[4], data, CACHE / "larger.safetensors", "Pictures 4 times as large")
        return
    seen = look(network, [str(DATA / "images" / "starry_night.jpg")], 384, content="relu4_1", layers=LAYERS)
    trained(seen, STARRY, SHAPES[1], data, SHIPPED, "The style of The Starry Night", source=SOURCE)


if __name__ == "__main__":
    main()
