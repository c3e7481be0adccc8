"""The recipe of a decoder: its pictures, its course, and its file."""

from importlib.metadata import version
from typing import Any

import torch

from phosphene.core.networks.network import Network
from phosphene.core.optimization.training.pictures import Examples, resized
from phosphene.inversion.decoder_measures import measured_record
from phosphene.inversion.decoder_training import Course, DecoderTraining
from phosphene.models.decoder import Decoder
from phosphene.models.decoder_files import decoder_bytes, identity

SEEN, EPOCHS = 50_000, (2, 200)
"""Pictures in all, and from how many to how many epochs they may take."""


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
