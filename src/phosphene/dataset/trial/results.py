"""What came of a trial: how often each person was right, and the network; whether they are wrong about the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import Int

from phosphene.core.errors import Mistake
from phosphene.dataset.trial.agreement import Share, confusion, error_consistency, kappa, right
from phosphene.dataset.trial.record import Answer, Record

CHANCE = 0.5
"""Of two photographs."""


@dataclass(frozen=True)
class Person:
    """One who answered, beside the network on the same questions.

    Attributes:
        name: of the person, or of the machine in their place.
        share: how often they were right.
        seconds: the median for an answer.
        skipped: questions.
        network: how often the network was right among the same choices, and of all classes; None about units.
        kappa, consistency: of the two's answers (`agreement.py`); None where nothing can be said, and about units.
        tables: who was taken for what, by the person and by the network, in groups of classes; empty about units.
        layers: how often they were right about units of each layer; empty about classes.
    """

    name: str
    share: Share
    seconds: float | None
    skipped: int
    network: tuple[Share, Share] | None
    kappa: float | None
    consistency: float | None
    tables: tuple[Int[np.ndarray, "k k+1"], ...]
    layers: Mapping[str, Share]

    def record(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        found: dict[str, Any] = self.share.record() | {"skipped": self.skipped, "seconds": self.seconds}
        if self.network is not None:
            own, free = self.network
            found |= {
                "network": own.record(), "network, of all classes": free.record(), "kappa": self.kappa,
                "error consistency": self.consistency,
                "confusion": {who: t.tolist() for who, t in zip(("person", "network"), self.tables, strict=True)},
            }  # fmt: skip
        if self.layers:
            found["layers"] = {name: share.record() for name, share in self.layers.items()}
        return found


@dataclass(frozen=True)
class Results:
    """What came of a trial.

    Attributes:
        of: what the trial is of.
        people: who answered.
        groups: what the rows of the matrices of confusion are called; empty about units.
    """

    of: Mapping[str, Any]
    people: Sequence[Person]
    groups: Sequence[str]

    def record(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        found: dict[str, Any] = {"trial": dict(self.of)}
        if self.groups:
            found["groups"] = list(self.groups)
        else:
            found["chance"] = CHANCE
        return found | {"people": {one.name: one.record() for one in self.people}}


def results(record: Record, only: str | None = None) -> Results:
    """The results of a record.

    Args:
        only: of this person alone.
    Raises:
        Mistake: nobody has answered anything, or this person has not.
    """
    people, of, about = record.people(), record.of() or {}, record.about()
    if only is not None and only not in people:
        there = f"; there are answers of {', '.join(people)}" if people else ""
        raise Mistake(f"{record.path} has no answers of {only}{there}")
    if not people:
        raise Mistake(f"{record.path} has no answers yet")
    questions = record.questions()
    counted = _of_units if of["kind"] == "units" else _of_classes
    names = people if only is None else [only]
    return Results(of, [counted(one, questions, record.answers(one), about) for one in names], about.get("groups", []))


def _given(answers: Sequence[Answer]) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """(question, choice) of what was answered, and what is told of all alike."""
    given = [(one.number, one.choice) for one in answers if one.choice is not None]
    seconds = [one.seconds for one in answers if one.choice is not None and one.seconds is not None]
    return given, {"skipped": len(answers) - len(given), "seconds": median(seconds) if seconds else None}


def _of_classes(
    name: str, questions: Sequence[Mapping[str, Any]], answers: Sequence[Answer], about: Mapping[str, Any]
) -> Person:
    given, common = _given(answers)
    asked = [questions[number] for number, _ in given]
    truths = [one["truth"] for one in asked]
    person = [one["choices"][choice] for one, (_, choice) in zip(asked, given, strict=True)]
    chosen, free = [one["chosen"] for one in asked], [one["free"] for one in asked]
    group = {int(number): place for number, place in about["group"].items()}
    many = len(about["groups"])
    tables = tuple(
        confusion([group[t] for t in truths], [group.get(a, many) for a in answered], range(many))
        for answered in (person, chosen)
    )
    return Person(
        name, right(person, truths), network=(right(chosen, truths), right(free, truths)),
        kappa=kappa(person, chosen), tables=tables, layers={},
        consistency=error_consistency(
            [a == t for a, t in zip(person, truths, strict=True)],
            [a == t for a, t in zip(chosen, truths, strict=True)],
        ),
        **common,
    )  # fmt: skip


def _of_units(
    name: str, questions: Sequence[Mapping[str, Any]], answers: Sequence[Answer], about: Mapping[str, Any]
) -> Person:
    given, common = _given(answers)
    hits: dict[str, list[bool]] = {}
    for number, choice in given:
        one = questions[number]
        hits.setdefault(one["layer"], []).append(choice == (0 if one["first"] else 1))
    layers = {layer: Share(sum(each), len(each)) for layer, each in hits.items()}
    every = Share(sum(one.hits for one in layers.values()), len(given))
    return Person(
        name, every, network=None, kappa=None, consistency=None, tables=(), layers=layers, **common
    )  # fmt: skip


def sentences(results: Results) -> list[str]:
    """What is told about each person, a line each."""
    found = []
    for one in results.people:
        words = f"{one.name}: right about {one.share}"
        if one.seconds is not None:
            words += f"; {one.seconds:.1f} s a picture"
        if one.skipped:
            words += f"; {one.skipped} skipped"
        found.append(words)
        if one.network is not None:
            own, free = one.network
            found.append(f"  the network, among the same choices: {own}; of all classes: {free}")
            found.append(
                f"  agreement: kappa {two_digits(one.kappa)}; error consistency {two_digits(one.consistency)} "
                "(0: by chance, 1: always)"
            )
        else:
            found += [f"  {layer}: {share}" for layer, share in one.layers.items()]
    if not results.groups:
        found.append("chance is one half")
    return found


def two_digits(value: float | None) -> str:
    """A number of agreement in words."""
    return "not defined" if value is None else f"{round(value, 2) + 0.0:.2f}"  # no -0.00
