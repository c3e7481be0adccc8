"""All checks of a method's maps, one after the other; each costs some maps more, and what is done is kept."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from phosphene.attribution.checks.completeness import gap
from phosphene.attribution.checks.curves import POINTS, RANDOM, compared
from phosphene.attribution.checks.pointing import cast, pointing
from phosphene.attribution.checks.randomization import DEPTHS, maps_needed, randomization
from phosphene.attribution.checks.shifting import change_by_shift
from phosphene.attribution.checks.showing import Checks
from phosphene.attribution.maps import About, Maps, Method, pixels
from phosphene.attribution.question import Pictures, Question, of_classes
from phosphene.core.errors import Mistake

SLOW_DEPTHS = 4
"""How many depths are randomized where a single map takes many batches."""


@dataclass(frozen=True)
class _Given:
    """What every check is given."""

    method: Method
    about: About
    asked: Question
    pictures: Pictures
    options: Mapping[str, Any]
    many: int
    seed: int

    def shift(self, maps: Maps, before: Checks) -> Iterator[Checks]:
        of = (self.method, self.about, self.asked, self.pictures, maps.values, self.options)
        yield replace(before, shift=change_by_shift(*of))

    def curves(self, maps: Maps, before: Checks) -> Iterator[Checks]:
        order = pixels(maps.values, self.about.kind)
        for one in compared(self.asked, self.pictures, order, seed=self.seed):
            yield replace(before, compared=one)

    def mosaic(self, maps: Maps, before: Checks) -> Iterator[Checks]:
        made = cast(self.asked.network, self.pictures, self.asked.batch)
        if made is None:
            raise Mistake(f"{self.asked.network.name} does not tell four photographs apart, so there is no mosaic")
        yield replace(before, pointing=pointing(self.method, self.about, self.asked, made, self.options))

    def random(self, maps: Maps, before: Checks) -> Iterator[Checks]:
        of = (self.method, self.about, self.asked, self.pictures, maps.values, self.options)
        for one in randomization(*of, many=self.many, seed=self.seed):
            yield replace(before, randomization=one)

    def needed(self) -> int:
        """How many maps the randomization takes; one step, where there is nothing but a reason why not."""
        try:
            return maps_needed(self.asked, self.pictures, self.many)
        except Mistake:
            return 1


def checks(
    method: Method,
    about: About,
    asked: Question,
    pictures: Pictures,
    options: Mapping[str, Any],
    *,
    cost: int = 1,
    seed: int = 0,
) -> tuple[int, Callable[[Maps], Iterator[tuple[int, Checks]]]]:
    """How much there is to be done, and what does it: from the method's maps to what was found, after each part.

    Quick ones first. One that can't be done says why, and the others go on.

    Args:
        options: the method's own.
        cost: of one map, in batches through the network: what progress is counted in.
        seed: of shuffled weights and random orders.
    """
    given = _Given(method, about, asked, pictures, options, DEPTHS if cost == 1 else SLOW_DEPTHS, seed)
    curve = ceil(2 * (POINTS + 1) * len(pictures) / asked.batch)
    four = cost * ceil(4 / len(pictures))
    parts = {
        "shift": (given.shift, 1, cost),
        "curves": (given.curves, 2 + RANDOM, curve),
        "pointing": (given.mosaic, int(about.asks and of_classes(asked.units)), four),
        "randomization": (given.random, given.needed(), cost),
    }

    def run(maps: Maps) -> Iterator[tuple[int, Checks]]:
        gaps = [gap(facts) for facts in maps.facts] if about.complete else []
        done, found = 0, Checks("class" if of_classes(asked.units) else "unit", gaps)
        for name, (check, times, each) in parts.items():
            begun = done
            try:
                for so_far in check(maps, found) if times else ():
                    done, found = done + each, so_far
                    yield done, found
            except Mistake as mistake:
                found = replace(found, skipped={**found.skipped, name: str(mistake)})
            done = begun + times * each
        yield done, found

    return sum(times * each for _, times, each in parts.values()), run
