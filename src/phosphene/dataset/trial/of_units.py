"""A trial about units: which of two photographs excites a unit more, after a hint or without any."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.network import Network
from phosphene.core.pictures.sheets import Strip, beside, panel, rows
from phosphene.core.units.network_input import fitted
from phosphene.dataset.trial.judge import Codes, Judge, check_judge, codes, codes_of_pictures
from phosphene.dataset.trial.of_classes import index_digest
from phosphene.dataset.trial.pairs import Difficulty, Pair, drawn_units, pairs

Hint = Literal["exemplars", "synthetic", "none"]
USUAL: Hint = "exemplars"

SIDE = 150
"""Of each picture on the sheet that is shown, px."""

Unit = tuple[str, int]


@dataclass(frozen=True)
class Painted:
    """Synthetic pictures of units, in [0, 1].

    Attributes:
        excites: what excites each unit.
        not_excites: what excites it least; empty where there are none.
    """

    excites: Mapping[Unit, Float[Tensor, "1 3 _ _"]]
    not_excites: Mapping[Unit, Float[Tensor, "1 3 _ _"]]


Painter = Callable[[Sequence[Unit]], Painted]


class UnitTrial:
    """Which of the two excites this unit more? Questions about units of an index.

    Args:
        index: of this network.
        units: (layer, unit), asked about in turn; without any, each question is about another one that is drawn.
        hint: what is shown beforehand.
        painted: from units to their synthetic pictures, of hint "synthetic".
        references: photographs on either side, of hint "exemplars"; and what is left out of the questions anyway.
    Raises:
        Mistake: a unit is dead, or not in the index; there are too few photographs, or a picture is missing.
    """

    def __init__(
        self,
        index: Index,
        network: Network,
        *,
        units: Sequence[Unit] = (),
        hint: Hint = USUAL,
        painted: Painter | None = None,
        references: int = 9,
        difficulty: Difficulty = "easy",
        seed: int = 0,
    ) -> None:
        self.index, self.network, self.hint, self.units = index, network, hint, list(units)
        self._painter, self._painted = painted, Painted({}, {})
        self._settings: dict[str, Any] = {"references": references, "difficulty": difficulty, "seed": seed}
        self.about: dict[str, Any] = {}
        self.of = {
            "kind": "units", "network": network.name, "weights": network_sha256(network), "hint": hint,
            "units": [f"{layer}:{unit}" for layer, unit in units], **self._settings, "index": index_digest(index),
        }  # fmt: skip

    def questions(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` questions: each unit in turn, then each of them again; or each about another one.

        Raises:
            Mistake: there are not so many; a unit is dead.
        """
        every = [self._pairs(one) for one in self.units or living(self.index, count, self._settings["seed"])]
        turns = max(map(len, every)) if self.units else 1
        found = [own[turn] for turn in range(turns) for own in every if turn < len(own)]
        if count > len(found):
            many = f"{len(every)} units have {len(found)} questions between them"
            raise Mistake(f"{count} questions were asked for, and {many}; give --count {len(found)}, or more units")
        for one in found[:count]:
            yield one.record()

    def prepare(self, questions: Sequence[Mapping[str, Any]]) -> None:
        """Have the synthetic pictures of all units that are asked about, where they are the hint."""
        if self.hint == "synthetic" and self._painter is not None:
            self._painted = self._painter(list(dict.fromkeys((one["layer"], one["unit"]) for one in questions)))

    def _pairs(self, unit: Unit) -> list[Pair]:
        own = pairs(self.index.peaks(unit[0], [unit[1]])[:, 0], *unit, **self._settings)
        if not own:
            raise Mistake(f"{unit[0]}:{unit[1]} answers the same to all pictures of the index; ask about another unit")
        return own

    def ask(self, question: Mapping[str, Any]) -> str:
        """The question in words."""
        return f"Which of the two excites {question['layer']}:{question['unit']} more?"

    def options(self, question: Mapping[str, Any]) -> list[str]:
        """Its answers in words."""
        return ["the left one", "the right one"]

    def picture(self, question: Mapping[str, Any]) -> Image.Image:
        """A sheet: the hint, and below it the two photographs."""
        strips = self._hint(question)
        both = [(words, self._photo(i)) for words, i in zip(("1", "2"), _shown(question), strict=True)]
        strips.append(Strip(self.ask(question), both))
        return rows(strips, f"{question['layer']}:{question['unit']}", side=SIDE)

    def preview(self, question: Mapping[str, Any]) -> Image.Image:
        """What is shown in a terminal: the two photographs alone, as a sheet is too fine for it."""
        left, right = (panel(self._photo(i), SIDE) for i in _shown(question))
        gap = Image.new("RGB", (SIDE // 8, 1), "white")
        return beside(beside(left, gap), right)

    def feedback(self, question: Mapping[str, Any], choice: int) -> str:
        """What is said after an answer."""
        right = 0 if question["first"] else 1
        return f"{'right' if choice == right else 'wrong'}: it is {self.options(question)[right]}."

    @torch.no_grad()
    def machine(self, judge: Network, questions: Sequence[Mapping[str, Any]]) -> Iterator[int | None]:
        """What another network answers that sees the hint and the two photographs (`judge.py`), one by one.

        Raises:
            Mistake: it is the network itself.
        """
        check_judge(judge, self.network)
        shown = {i for one in questions for i in (*_shown(one), *one["positive"], *one["negative"])}
        used = sorted(shown)
        place = {image: i for i, image in enumerate(used)}
        seen = Judge.of(codes(judge, [self.index.photo(i) for i in used], self.index.fit))
        for one in questions:
            left, right = (place[i] for i in _shown(one))
            positive: Codes | None = None
            negative: Codes | None = None
            if self.hint == "exemplars":
                positive, negative = (seen.hint([place[i] for i in one[side]]) for side in ("positive", "negative"))
            elif self.hint == "synthetic":
                unit = one["layer"], one["unit"]
                positive = codes_of_pictures(judge, self._painted.excites[unit])
                against = self._painted.not_excites.get(unit)
                negative = None if against is None else codes_of_pictures(judge, against)
            yield seen.choose((left, right), positive, negative)

    def _photo(self, image: int) -> Float[Tensor, "1 3 h w"]:
        return fitted(self.network, self.index.photo(image), self.index.fit)[:, :3]

    def _hint(self, question: Mapping[str, Any]) -> list[Strip]:
        sides = (("positive", "excites it most"), ("negative", "excites it least"))
        if self.hint == "exemplars":
            return [Strip(f"what {words}", [("", self._photo(i)) for i in question[side]]) for side, words in sides]
        if self.hint == "none":
            return []
        unit = question["layer"], question["unit"]
        painted = zip(sides, (self._painted.excites, self._painted.not_excites), strict=True)
        found = [(words, each[unit]) for (_, words), each in painted if unit in each]
        return [Strip("painted", [(f"what {words}", picture) for words, picture in found])]


def _shown(question: Mapping[str, Any]) -> tuple[int, int]:
    """The two photographs, as they are shown."""
    strong, weak = question["strong"], question["weak"]
    return (strong, weak) if question["first"] else (weak, strong)


def living(index: Index, many: int, seed: int) -> list[Unit]:
    """So many units of an index, its layers in turn, without dead ones.

    Raises:
        Mistake: all are dead.
    """
    alive = {layer: ~index.statistics(layer).dead for layer in index.layers if layer != "logits"}
    layers = {layer: len(each) for layer, each in alive.items()}
    found = [one for one in drawn_units(layers, sum(layers.values()), seed) if alive[one[0]][one[1]]][:many]
    if not found:
        raise Mistake(f"the index {index.folder} has no units that answer to anything; index another layer")
    return found
