"""The recipe of a decoder: its pictures, its course, and its file."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples, held_rows, resized
from phosphene.core.paths import given_path, is_folder
from phosphene.core.units.photographs import pictures_in
from phosphene.core.units.squares import Watched, read_squares
from phosphene.inversion.decoder_measures import measured_record
from phosphene.inversion.decoder_training import Course, DecoderTraining
from phosphene.models.decoder import Decoder
from phosphene.models.decoder_files import decoder_bytes, identity

LEAST = 4
"""Pictures: half to train on, of which a batch is two, and some that are held out."""

SEEN, EPOCHS = 50_000, (2, 200)
"""Pictures in all, and from how many to how many epochs they may take."""


def read_pictures(
    folder: str | Path, side: int, without: Sequence[str] = (), watched: Watched = lambda files: files
) -> tuple[Examples, list[str]]:
    """All pictures in a folder and in its folders, as squares of this side, and a sentence for each that is left out.

    Args:
        without: folders in it, by name, whose pictures are left out.
    Raises:
        Mistake: it is no folder, has no such folder in it, or too few pictures.
    """
    path = given_path(folder, "data")
    if not is_folder(path):
        raise Mistake(f"{path} is not a folder; give one with pictures in it")
    files = pictures_in([path])
    parts = {file: Path(file).relative_to(path).parts[:-1] for file in files}
    for name in without:
        there = {part for every in parts.values() for part in every}
        if name not in there:
            raise Mistake(f"there is no folder '{name}' with pictures in {path}{did_you_mean(name, sorted(there))}")
    kept = [file for file in files if not set(parts[file]) & set(without)]
    pictures, _, refused = read_squares(kept, side, watched)
    if len(pictures) < LEAST:
        why = f": {refused[0]}" if refused else ""
        raise Mistake(f"{path} has {len(pictures)} pictures that can be used, and {LEAST} or more are needed{why}")
    return Examples(pictures, torch.zeros(len(pictures)).long()), refused


def apart(examples: Examples, seed: int = 0) -> tuple[Examples, Examples]:
    """Those to train on, and those that are held out: a tenth, from 64 to 512 (of few, a quarter)."""
    held = torch.zeros(len(examples.labels), dtype=torch.bool)
    held[held_rows(torch.zeros_like(examples.labels), seed)] = True
    return examples.part((~held).nonzero()[:, 0]), examples.part(held.nonzero()[:, 0])


def decoder_course(
    network: Network, layer: str, many: int, own: int, *, epochs: int | None = None, rate: float = Course.peak,
    code_weight: float = Course.code_weight, flip: bool = True, batch: int = Course.batch,
) -> Course:  # fmt: skip
    """How a decoder is trained.

    Args:
        many: pictures of an epoch.
        own: the side of the pictures as they come.
    """
    side = max(network.size)
    if epochs is None:
        epochs = min(max(round(SEEN / many), EPOCHS[0]), EPOCHS[1])
    grows = not network.fixed and len(network.layer(layer).shape) == 3
    steps = max(epochs * many // batch, 1)
    return Course(
        (side,) * epochs, crops=(own // 2, own), larger=1.5 if grows else 1.0, peak=rate, code_weight=code_weight,
        flip=flip, batch=batch, decay=max(1 - 20 / steps, 0.5) if steps < 2000 else 0.99,
    )  # fmt: skip


def decoder_file(training: DecoderTraining, photos: Examples | None = None, about: str = "", **more: Any) -> bytes:
    """The best decoder so far as a file, whose header says what it belongs to, how it was made and what it is worth.

    Args:
        photos: to measure it on; those that it was not trained on. None leaves the measurement out.
        more: for the record of the training.
    """
    record = decoder_record(training, about, **more)
    with torch.random.fork_rng(devices=[]):
        decoder = Decoder(training.geometry)
    decoder.load_state_dict({name: value.half().float() for name, value in training.best[1].items()})
    if photos is not None:
        network = training.network
        there = decoder.eval().to(network.device)
        record |= measured_record(network, training.layer, there, resized(photos.pictures, max(network.size)))
    return decoder_bytes(decoder, record)


def decoder_record(training: DecoderTraining, about: str = "", **more: Any) -> dict[str, Any]:
    """What stands in the header."""
    network, best, course = training.network, training.best_epoch, training.course
    assert best is not None
    made = {
        "pictures": len(training.examples.labels), "held out": len(training.held.labels), "seed": training.seed,
        "size": course.sides[-1], "epochs": len(training.epochs), "kept epoch": best.number, "rate": course.peak,
        "batch": course.batch, "code weight": course.code_weight, "held-out rms": round(best.pixels, 5),
        "held-out code error": round(best.code, 5), "phosphene": version("phosphene"),
    }  # fmt: skip
    about = about or f"a decoder of {training.layer} of {network.name}"
    return {**identity(network, training.layer), "about": about, "training": made | more}
