"""What stands beside an option's type: the values that it may have, and one sentence about it.

    octaves: Annotated[int, Bounds(1, 16), Words("number of sizes")] = 4

Signatures of recipes and fields of settings say both once; the command line, replay and Python calls read them there.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, get_type_hints

from phosphene.core.errors import Mistake, brief


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value of a number, both allowed."""

    low: float = -math.inf
    high: float = math.inf


ANY = Bounds()
"""Every number."""

Steps = Annotated[int, Bounds(0, 100_000)]
"""Of a climb: forty times as many as the longest of a paper (MaCo, which takes some thousand)."""

Seed = Annotated[int, Bounds(0, 2**32 - 1)]
"""Of random numbers; NumPy's generators take no larger one."""

Batch = Annotated[int, Bounds(1, 1024)]
"""So many pictures at a time."""

Side = Annotated[int, Bounds(8, 10_000)]
"""Of a picture in pixels: the least that one can see something in, and the most that `open_photo` takes of a square."""

Weight = Annotated[float, Bounds(0, 1_000_000)]
"""Of a term beside others, or the length of a step: below is what would turn it about, above what drowns all others."""


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


# --------------------------------------------------------------------------------------------------------- numbers

_DECIMAL = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(rf"({_DECIMAL})(?:/({_DECIMAL}))?")


def read_number(given: Any, called: str, bounds: Bounds = ANY, *, whole: bool = False) -> int | float:
    """A number that somebody gives, as a number or in words: a decimal, or a fraction of two such as "8/255".

    Args:
        called: what it is for, for messages.
        bounds: what is allowed.
        whole: whether it has to be an integer.
    Raises:
        Mistake: it is none, or out of bounds; repeats what was given, shortened.
    """
    value = _in_words(given) if isinstance(given, str) else _plain(given)
    real = isinstance(value, float)
    if value is None or (whole and real and math.isfinite(value) and not float(value).is_integer()):
        kind = "a whole number" if whole else "a number"
        wrong = brief(given) if value is None else shown(value)
        raise Mistake(f"{wrong} is not a valid value for {called}: it must be {kind}, {range_words(bounds)}")
    if not bounds.low <= value <= bounds.high or (real and not math.isfinite(value)):
        words = isinstance(given, str) and (len(given) > 20 or math.isinf(value))
        wrong = brief(given) if words else shown(value)
        raise Mistake(f"{wrong} is not a valid value for {called}: it must be {range_words(bounds)}")
    return int(value) if whole else value


def _in_words(text: str) -> int | float | None:
    match = _NUMBER.fullmatch(text.replace(" ", ""))
    if match is None:
        return None
    above, below = (None if part is None else float(part) for part in match.groups())
    assert above is not None
    if below is None:
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else above
    return above / below if below else None


def _plain(given: Any) -> int | float | None:
    """A number of any library as Python's; None where it is none, and True is none."""
    if isinstance(given, bool):
        return None
    if isinstance(given, Integral):
        return int(given)
    if isinstance(given, Real):
        return float(given)
    alone = getattr(given, "ndim", None) == 0 and hasattr(given, "item")
    return _plain(given.item()) if alone else None


def shown(value: Any) -> str:
    """A value for people: 8/255 where that is shorter than its digits."""
    if isinstance(value, int):
        return brief(value)
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    if not math.isfinite(value) or float(f"{value:.3g}") == value:
        return f"{value:g}"
    halves = value * 510
    return f"{round(halves) / 2:g}/255" if abs(halves - round(halves)) < 1e-9 and value < 1 else f"{value:g}"


def range_words(bounds: Bounds) -> str:
    """`1 to 16`, `at least 0`."""
    if math.isinf(bounds.high):
        return f"at least {shown(bounds.low)}" if bounds != ANY else "any"
    if math.isinf(bounds.low):
        return f"at most {shown(bounds.high)}"
    return f"{shown(bounds.low)} to {shown(bounds.high)}"
