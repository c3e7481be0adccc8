"""Who recognizes whose class images: `python -m training.judged [SPEC ...]`, for the embedded networks' cards.

Every class of `embedded:photo` and of `embedded:photo-robust` is painted with the same settings; each picture is then
shown, rounded to 8 bits and at 64 px, to both networks and to the given others. A hit is a top-1 of the right name.
"""

import sys

import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.feeding import logits
from phosphene.core.pictures import fit
from phosphene.core.units import class_index, label

PAINTERS = ("embedded:photo", "embedded:photo-robust")
SIZE, STEPS, BATCH = 96, 192, 20


def painted(network: phosphene.Network) -> torch.Tensor:
    """(classes, 3, h, w): one picture for each class."""
    parts = [range(i, min(i + BATCH, network.classes)) for i in range(0, network.classes, BATCH)]
    runs = [phosphene.visualize(network, [f"logits:{c}" for c in part], size=SIZE, steps=STEPS) for part in parts]
    return torch.cat([run.image for run in runs])


def hits(judge: phosphene.Network, painter: phosphene.Network, pictures: torch.Tensor) -> tuple[int, int]:
    """How many pictures the judge calls by their class, and how many of the classes it knows."""
    known, right = 0, 0
    for index, picture in enumerate(pictures):
        try:
            wanted = class_index(judge, label(painter, index))
        except Mistake:
            continue  # it has no such class
        shown = fit((picture[None] * 255).round() / 255, judge.size, "squash").to(judge.device, judge.dtype)
        known += 1
        right += int(logits(judge, shown)[0].argmax()) == wanted
    return right, known


def main() -> None:
    painters = [phosphene.load(spec) for spec in PAINTERS]
    judges = [*painters, *(phosphene.load(spec) for spec in sys.argv[1:])]
    print("| painted by | " + " | ".join(f"judged by {judge.name}" for judge in judges) + " |")
    print("|---" * (len(judges) + 1) + "|")
    for painter in painters:
        pictures = painted(painter)
        found = [hits(judge, painter, pictures) for judge in judges]
        print(f"| {painter.name} | " + " | ".join(f"{right} of {known}" for right, known in found) + " |", flush=True)


if __name__ == "__main__":
    main()
