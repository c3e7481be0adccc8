"""Which attacks an evaluation makes, one after the other, each on the pictures that the ones before did not get.

`standard` are AutoAttack's four with their budgets (Croce & Hein 2020, arXiv:2003.01690), so that numbers compare. The
first has five random starts, as in AutoAttack's version "plus": with one, half a per cent of 200 pictures is a matter
of luck. Passes are saved elsewhere: FAB asks once a step, and Square lets go of what it can't reach. In l1 they are
the same four, APGD beginning in larger balls and Square as it is for l1 (Croce & Hein 2021, arXiv:2103.01208).

`fast` spends its passes where they decide something, after A3 (Liu et al. 2022, arXiv:2203.05154). In the l1 ball it
finds less, which is said.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from phosphene.adversarial.norms import Norm
from phosphene.adversarial.photographs import PhotographAttack
from phosphene.adversarial.tensors import attacks, recipe
from phosphene.core.errors import Mistake, Note, check_choice, did_you_mean


@dataclass(frozen=True)
class Entry:
    """One attack of an ensemble.

    Attributes:
        name: how the evaluation calls it.
        attack: its name in the folder of attacks.
        options: of its own.
        passes: about so many forward passes of a picture that stays robust, for the time that is left.
        within: a minimal attack that is made for each radius, and is done with what is near enough; others of its kind
            are made once, for all radii.
    """

    name: str
    attack: str
    options: Mapping[str, Any] = field(default_factory=dict)
    passes: int = 100
    within: bool = False

    @property
    def recipe(self) -> PhotographAttack[Any]:
        """What it makes."""
        return recipe(self.attack)

    @property
    def once(self) -> bool:
        """Whether it looks for the smallest change, which says something about every radius at once."""
        return self.recipe.minimal and not self.within

    def record(self) -> dict[str, Any]:
        """As it is written down."""
        return {"name": self.name, "attack": self.attack, **self.options}


STANDARD = (
    Entry("apgd-ce", "apgd", {"loss": "ce", "steps": 100, "restarts": 5}, 515),
    Entry("apgd-t", "apgd", {"loss": "targeted-dlr", "targets": 9, "steps": 100}, 910),
    Entry("fab-t", "fab", {"targets": 9, "steps": 100}, 910, within=True),
    Entry("square", "square", {"queries": 5000, "patience": 3.0}, 1500),
)

FAST = (Entry("a3", "a3", {}, 300),)

CURVE = "fmn"
"""The minimal attack for the radii between: of a hundred passes."""

ENSEMBLES: Mapping[str, tuple[Entry, ...]] = {"standard": STANDARD, "fast": FAST}


def ensemble(words: str, norm: Norm) -> tuple[Entry, ...]:
    """The attacks that somebody names: an ensemble, or names of attacks with commas between them.

    Raises:
        Mistake: there is no such attack, or it does not know the norm; nothing is named, or one twice.
    """
    entries = ENSEMBLES.get(words) or tuple(_named(word.strip()) for word in words.split(",") if word.strip())
    if not entries:
        raise Mistake(f"'{words}' names no attack; there are {', '.join([*ENSEMBLES, *dir(attacks)[1:]])}")
    twice = next((one.name for i, one in enumerate(entries) if one.name in {other.name for other in entries[:i]}), None)
    if twice is not None:
        raise Mistake(f"{twice} is named twice; once is enough, as no random number is another the second time")
    for one in entries:
        check_choice(f"norm of {one.name}", norm, one.recipe.norms)
    if entries is FAST and norm == "l1":
        warnings.warn(
            Note("in l1 fast leaves about 3 % more pictures than standard; give standard to be sure"), stacklevel=2
        )
    return entries


def _named(word: str) -> Entry:
    known = [name for name in dir(attacks) if name[:1].islower()]
    if word not in known:
        near = did_you_mean(word, [*ENSEMBLES, *known]) or f"; there are {', '.join([*ENSEMBLES, *known])}"
        raise Mistake(f"no attack '{word}'{near}")
    return Entry(word, word)
