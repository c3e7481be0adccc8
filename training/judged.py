"""Who recognizes whose class images: `python -m training.judged [SPEC ...]`, for the embedded networks' cards.

Every class of `embedded:photo` and of `embedded:photo-robust` is painted with the same settings; each picture is then
shown, rounded to 8 bits and at 64 px, to both networks and to the given others. A hit is a top-1 of the right name.
"""

import sys

import torch

import phosphene
from phosphene.features.judge import verdicts

PAINTERS = ("embedded:photo", "embedded:photo-robust")
SIZE, STEPS, BATCH = 96, 192, 20
SHAKEN = {"largest": 1.2, "border": "grey"}  # as the cards' figures were measured


def painted(network: phosphene.Network) -> torch.Tensor:
    """(classes, 3, h, w): one picture for each class."""
    parts = [range(i, min(i + BATCH, network.classes)) for i in range(0, network.classes, BATCH)]
    runs = [
        phosphene.visualize(network, [f"logits:{c}" for c in part], size=SIZE, steps=STEPS, **SHAKEN) for part in parts
    ]
    return torch.cat([run.image for run in runs])


def hits(judge: phosphene.Network, painter: phosphene.Network, pictures: torch.Tensor) -> tuple[int, int]:
    """How many pictures the judge calls by their class, and how many of the classes it knows."""
    found = [one["right"] for one in verdicts(judge, painter, pictures, range(len(pictures)))]
    known = [right for right in found if right is not None]
    return sum(known), len(known)


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
