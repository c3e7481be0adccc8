"""What is it? Photographs of a data set in an order of their own, each with a few classes to choose from.

The choices are the true class, classes that the network itself finds most likely, and classes drawn from all: so the
network's own confusions are on offer, as they were to Karpathy when he took ImageNet's classes upon himself ("What I
learned from competing against a ConvNet on ImageNet", 2014), and a person need not know a thousand names.

All is keyed by (seed, image): the tenth question is the same whether ten or a thousand are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key

LIKELY = 0.5
"""Of the wrong choices, so many are those that the network finds most likely; the others are drawn."""


@dataclass(frozen=True)
class Question:
    """One photograph and its choices.

    Attributes:
        image: its number in the data set.
        truth: the number of its class.
        choices: classes, in the order in which they are shown; the truth is among them.
        chosen: which of these classes the network takes.
        free: the network's class of all.
    """

    image: int
    truth: int
    choices: tuple[int, ...]
    chosen: int
    free: int

    def record(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return {
            "image": self.image, "truth": self.truth, "choices": list(self.choices), "chosen": self.chosen,
            "free": self.free,
        }  # fmt: skip

    @property
    def right(self) -> int:
        """The place of the truth among the choices."""
        return self.choices.index(self.truth)


def drawn(labels: Int[np.ndarray, " n"], count: int, seed: int) -> list[int]:
    """The images of the first `count` questions, each at most once, in an order that the seed says.

    Args:
        labels: the class of each image, -1 for one without, which is never asked about.
    Raises:
        Mistake: no image has a class, or fewer than `count` have.
    """
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise Mistake("the index has no classes, and the question is what a picture shows; index a folder of classes")
    if count > len(known):
        raise Mistake(f"{count} pictures were asked for, and the index has {len(known)} with a class; give --count")
    places = _uniform(seed, known.tolist(), 1, stream=0)[:, 0]
    return [int(known[i]) for i in np.argsort(places, kind="stable")[:count]]


def question(
    image: int, truth: int, scores: Float[np.ndarray, " classes"], choices: int, seed: int, among: Sequence[int]
) -> Question:
    """The question about one image.

    Args:
        truth: the number of its class.
        scores: what the network says of each class; the largest is its answer.
        choices: how many classes are shown.
        among: classes that may be drawn; the network's likely ones are of all.
    """
    order = [int(one) for one in np.argsort(-scores, kind="stable")]
    wrong = [one for one in order if one != truth]
    many = min(choices, len(order)) - 1
    likely = wrong[: round(LIKELY * many + 0.25)]  # of one, that one; of three, two
    numbers = _uniform(seed, [image], len(order) + many + 1, stream=1)[0]
    pool = [one for one in dict.fromkeys([*among, *wrong]) if one != truth and one not in likely]
    first = [one for one in pool if one in set(among)]  # others only where these don't suffice
    by_chance = sorted(first, key=lambda one: numbers[one]) + [one for one in pool if one not in set(among)]
    shown = [truth, *likely, *by_chance[: many - len(likely)]]
    places = numbers[len(order) :]
    shown = [shown[i] for i in np.argsort(places[: len(shown)], kind="stable")]
    chosen = max(shown, key=lambda one: (scores[one], -one))
    return Question(image, truth, tuple(shown), int(chosen), order[0])


def _uniform(seed: int, problems: Sequence[int], many: int, stream: int) -> Float[np.ndarray, "n many"]:
    """Numbers in [0, 1) for each problem."""
    key = Key(seed, problems).child(stream)
    return key.uniform(torch.arange(len(problems)), many).numpy()
