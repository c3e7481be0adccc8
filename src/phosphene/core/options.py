"""What stands beside an option's type: the values that it may have, and one sentence about it.

    octaves: Annotated[int, Bounds(1, 16), Words("number of sizes")] = 4

Signatures of recipes and fields of settings say both once; the command line, replay and Python calls read them there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value of a number, both allowed."""

    low: float = -math.inf
    high: float = math.inf


ANY = Bounds()
"""Every number."""


@dataclass(frozen=True)
class Words:
    """One sentence for people, without its full stop."""

    text: str


@dataclass(frozen=True)
class Flag:
    """How the command line spells an option, where that is not its name: `Flag("--top")`."""

    text: str


def options_of(typed: Any, settings: type, leave_out: Sequence[str] = ()) -> None:
    """Let a `TypedDict` of options take defaults, bounds and sentences from the fields of a dataclass.

    The typed dict is for editors and mypy (`**options: Unpack[SettingsOptions]`), the dataclass says everything once: a
    field that the typed dict lacks is an option all the same.

    Args:
        leave_out: fields that are no options here.
    """
    typed.__settings__ = settings
    for name, hint in get_type_hints(settings).items():
        if name not in leave_out:
            typed.__annotations__.setdefault(name, hint)
