"""Train the decoders of `embedded:photo`: `python -m training.decoders [LAYER ...]`.

One for each of four depths, on the 50,000 training pictures of `embedded:photo`, of which 512 are held out; by the
recipe of `phosphene train-decoder`. What is told about them is measured on a hundred validation pictures, the first of
each class. After an interruption the same command goes on where it was. `--without LABEL` leaves out the pictures of
some classes, and `--out FILE` writes the decoder elsewhere, unmeasured: for the example of docs/decoders.md.
"""

import argparse
import json
import re
import time
from pathlib import Path

import torch

import phosphene
from phosphene.core.optimization.training.pictures import Examples
from phosphene.core.saving import save
from phosphene.core.units.squares import apart
from phosphene.inversion.decoder_measures import card
from phosphene.inversion.decoder_recipe import decoder_course, decoder_file
from phosphene.inversion.decoder_training import DecoderTraining
from phosphene.models.decoder_files import record_in
from training.photo import WEIGHTS
from training.tiny_imagenet import CACHE, tiny_imagenet

PICTURES = {"conv2": 12_000, "mixed3b": 12_500, "mixed4b": 14_500, "mixed5b": 50_000}
"""Of each decoder's single epoch, evenly out of all classes: what a quarter of an hour on one core allowed."""

EVERY = 200
"""Batches between two checkpoints."""


def trained(layer: str, data: Examples, out: Path, photos: Examples | None, **more: object) -> None:
    """Train a decoder and write it, with what it is worth on photographs."""
    network = phosphene.load("embedded:photo")
    learned, held = apart(data)
    course = decoder_course(network, layer, len(learned.labels), data.pictures.shape[-1], epochs=1)
    training = DecoderTraining(network, layer, learned, held, course)
    checkpoint = CACHE / f"{out.stem}.checkpoint"
    if checkpoint.exists():
        training.resume(checkpoint)
    began, before = time.monotonic(), training.taken
    print(training.name, training.heads, sep="\n", flush=True)
    for ended in training:
        if ended is not None:
            print(training.line(ended), flush=True)
        if ended is not None or training.taken % EVERY == 0:
            save({checkpoint: training.saved()})
            each = (time.monotonic() - began) / max(training.taken - before, 1)
            left = each * (training.total - training.taken) / 60
            print(f"{training.taken} of {training.total} batches, {left:.1f} minutes left", flush=True)
    made = decoder_file(training, photos, **more)
    record = record_in(made)
    save({out: made} | ({out.with_suffix(".md"): card(record).encode()} if photos else {}))
    print(json.dumps(record, indent=1), f"{out}: {len(made)} bytes", sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=[*PICTURES])
    parser.add_argument(
        "--without", action="append", default=[], help="leave out classes with this word in their label"
    )
    parser.add_argument("--pictures", type=int, help="how many are trained on, or held out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data, val, labels = tiny_imagenet()
    out = {i for i, label in enumerate(labels) if {*options.without} & {*re.findall(r"\w+", label)}}
    if options.without:
        print("left out:", *(labels[i] for i in sorted(out)), sep="\n  ")
    rows = torch.tensor([i for i, label in enumerate(data.labels.tolist()) if label not in out])
    photos = val.part(torch.stack([(val.labels == i).nonzero()[0, 0] for i in range(len(labels))]))
    without = {"without": [labels[i] for i in sorted(out)]} if out else {}
    for layer in options.layers:
        file = options.out or WEIGHTS / f"decoder-photo-{layer}.safetensors"
        many = min(options.pictures or PICTURES.get(layer, 12_000), len(rows))
        some = data.part(rows[torch.linspace(0, len(rows) - 1, many).long()])
        trained(layer, some, file, None if options.out else photos, **without)


if __name__ == "__main__":
    main()
