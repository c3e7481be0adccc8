"""A trial about classes: what a photograph shows, out of a few classes; the network answers the same."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image

from phosphene.core.errors import Mistake
from phosphene.core.index.classes import numbers_of
from phosphene.core.index.index import Index
from phosphene.core.index.layout import FACTS
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.network import Network
from phosphene.core.pictures.sheets import panel
from phosphene.core.units.inputs import logits
from phosphene.core.units.labels import class_names, counterpart, label
from phosphene.core.units.network_input import feed, fitted
from phosphene.dataset.trial.groups import grouped, named, readout
from phosphene.dataset.trial.questions import drawn, question

SIDE = 384
"""Of the picture that is shown, px."""


def index_digest(index: Index) -> str:
    """Of what is in an index, by which it is known again wherever it is."""
    return hashlib.sha256((index.folder / FACTS).read_bytes()).hexdigest()


class ClassTrial:
    """What is it? Questions about the photographs of an index.

    Args:
        index: of this network.
        choices: classes to choose from.
        seed: of the photographs and the choices.
    Raises:
        Mistake: the network has no classes, or the index's are not the network's.
    """

    def __init__(self, index: Index, network: Network, *, choices: int = 5, seed: int = 0) -> None:
        if network.classes < 2 or not network.head.has_probabilities:
            raise Mistake(f"{network.name} tells no classes apart; --units asks about units")
        self.index, self.network, self.seed = index, network, seed
        self.choices = min(choices, network.classes)
        self._number = numbers_of(index, network)
        self.of = {
            "kind": "classes", "network": network.name, "weights": network_sha256(network), "seed": seed,
            "choices": self.choices, "index": index_digest(index),
        }  # fmt: skip

    @cached_property
    def about(self) -> dict[str, Any]:
        """What results need beside the questions: the groups of classes."""
        known = sorted(set(self._number.values()))
        groups = grouped(known, readout(self.network))
        group = {number: place for place, each in enumerate(groups) for number in each}
        return {"group": group, "groups": named(groups, dict(zip(known, told_apart(self.network, known), strict=True)))}

    def questions(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` questions, one by one: the network answers each as it comes.

        Raises:
            Mistake: there are not so many photographs with a class; one is gone.
        """
        among = sorted(set(self._number.values()))
        for image in drawn(self.index.labels, count, self.seed):
            said = logits(self.network, feed(self.network, self.index.photo(image), self.index.fit))
            scores = self.network.head.scores(said.cpu().double(), "logit")[0].numpy()
            truth = self._number[int(self.index.labels[image])]
            yield question(image, truth, scores, self.choices, self.seed, among).record()

    def prepare(self, questions: Sequence[Mapping[str, Any]]) -> None:
        """Nothing has to be made before these are asked."""

    def ask(self, question: Mapping[str, Any]) -> str:
        """The question in words."""
        return "What is it?"

    def options(self, question: Mapping[str, Any]) -> list[str]:
        """Its answers in words; of classes with the same first name the whole names."""
        return told_apart(self.network, question["choices"])

    def picture(self, question: Mapping[str, Any]) -> Image.Image:
        """The photograph as the network is fed it, enlarged."""
        return panel(fitted(self.network, self.index.photo(question["image"]), self.index.fit)[:, :3], SIDE)

    def preview(self, question: Mapping[str, Any]) -> Image.Image:
        """What is shown in a terminal: the same."""
        return self.picture(question)

    def feedback(self, question: Mapping[str, Any], choice: int) -> str:
        """What is said after an answer: the truth, and what the network takes it for."""
        words = self.options(question)
        truth, given = question["choices"].index(question["truth"]), question["choices"].index(question["chosen"])
        free = label(self.network, question["free"])
        network = "right" if given == truth else f"wrong: {words[given]}"
        beyond = "" if question["free"] == question["chosen"] else f"; of all classes it says {free}"
        return f"{'right' if choice == truth else 'wrong'}: {words[truth]}. The network is {network}{beyond}."

    @torch.no_grad()
    def machine(self, judge: Network, questions: Sequence[Mapping[str, Any]]) -> Iterator[int | None]:
        """What another network answers, one by one; None where it has none of the classes."""
        for one in questions:
            own = [counterpart(judge, self.network, number) for number in one["choices"]]
            said = logits(judge, feed(judge, self.index.photo(one["image"]), self.index.fit))
            scores = judge.head.scores(said.cpu().double(), "logit")[0]
            known = [(float(scores[number]), -place) for place, number in enumerate(own) if number is not None]
            yield -max(known)[1] if known else None


def told_apart(network: Network, numbers: Sequence[int]) -> list[str]:
    """The first names of classes; of those that share theirs the whole names."""
    short, whole = [label(network, one) for one in numbers], dict(enumerate(class_names(network)))
    return [whole[number] if short.count(name) > 1 else name for number, name in zip(numbers, short, strict=True)]
