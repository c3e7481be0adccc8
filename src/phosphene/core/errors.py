"""What is said to a person who gave something that does not work: one sentence, and the nearest thing that does."""

import math
import os
import re
import traceback
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher

LONGEST_SENTENCE = 1500  # letters of what is said; a list of every layer of a network is not read either
LONGEST_NAME = 200  # letters of a name that others are compared with, which takes the product of both lengths


def printable(words: str) -> str:
    """Words that do nothing to a terminal but stand there: what steers one (escape sequences, line ends, marks that
    turn the direction of writing, halves of surrogates) is written as Python writes it, and any space is a plain one.
    """
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else " " if c.isspace() and ord(c) > 127 else ascii(c)[1:-1] for c in words)


def brief(value: object, most: int = 60) -> str:
    """What somebody gave, as a sentence repeats it: as Python writes it, without its middle where it is long."""
    if isinstance(value, int) and abs(value) >= 10**18:  # Python writes no integer of thousands of digits
        return f"a number of about {round(math.log10(abs(value)))} digits"
    words = printable(repr(value))
    return words if len(words) <= most else f"{words[: most - 8]}...{words[-4:]} ({len(words) - 2} letters)"


class Mistake(ValueError):
    """A user's mistake, told in one sentence: what was given, what was expected, the nearest valid choice.

    Whatever is told there of names, files and records of others can be printed as it is.
    """

    def __init__(self, words: str) -> None:
        super().__init__(_sentence(words))


class Failure(Mistake):
    """What a network's own code failed at; told like a mistake, but the same may work another time."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which batch queues end a program: an interruption like Ctrl-C, but for the exit code."""


class Note(UserWarning):
    """What a person should know about what they gave, and what was done about it; said once, and not an error."""

    def __init__(self, words: str) -> None:
        super().__init__(_sentence(words))


def _sentence(words: str) -> str:
    words = printable(words)
    if len(words) <= LONGEST_SENTENCE:
        return words
    return f"{words[: LONGEST_SENTENCE - 300]} ... {words[-280:]}"


def first_line(error: BaseException) -> str:
    """What an error says, in one line without its full stop; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def failed(name: str, error: BaseException) -> str:
    """Why work ended: a mistake in its own words; of everything else who failed, its kind and what it says.

    Args:
        name: of the network at work, or nothing.
    """
    who, shortage = f"{name or 'phosphene'} fails: ", out_of_memory(error)
    if isinstance(error, Mistake) and (shortage is None or _SHORT in str(error)):
        return str(error)
    if shortage is not None:
        wanted = re.search(r"ried to allocate ([\d.]+ \w+)", str(shortage))
        more = f" for {wanted[1]} more" if wanted else ""
        return f"{who}{_SHORT}{more}; a smaller picture, or fewer of them at a time, needs less"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return f"{who}its code ended the program (sys.exit({error.code or 0!r}))"
    kind, line = type(error).__name__, first_line(error)
    words = kind + (f": {line}" if line != kind else "")
    if name and not _ours(error):
        return who + words
    return f"phosphene fails{f' on {name}' if name else ''}: {words}; --debug shows where"


def unless_interrupted(name: str, error: BaseException) -> BaseException:
    """What to raise where work with a network ended and nothing came of it: a Mistake that says why."""
    if isinstance(error, KeyboardInterrupt):
        return error
    mistake = Mistake(failed(name, error))
    mistake.__cause__ = error
    return mistake


def out_of_memory(error: BaseException) -> BaseException | None:
    """What says that memory is short, the error itself or one that it comes from; None where nothing does."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
            return cause
        if isinstance(cause, RuntimeError) and _SHORTAGE.search(str(cause)):
            return cause
        cause = cause.__cause__
    return None


_SHORT = "there is not enough memory"

_SHORTAGE = re.compile(r"can't allocate memory|not enough memory|out of memory", re.IGNORECASE)
"""What PyTorch says on processors (a plain RuntimeError), on Windows, and on devices of older versions."""


def _ours(error: BaseException) -> bool:
    """Whether it was raised by a line of this program, and not by a stranger's or a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(os.path.dirname(os.path.dirname(__file__)) + os.sep)


def exit_code(error: BaseException | None) -> int:
    """Of the program, by what ended it: as shells count, 128 and the number of the signal."""
    if error is None:
        return 0
    return 143 if isinstance(error, Terminated) else 130 if isinstance(error, KeyboardInterrupt) else 2


def check_range(name: str, value: float | None, low: float, high: float = math.inf) -> None:
    """Raise a Mistake unless low <= value <= high, or the value is None, which is none given."""
    if value is not None and not low <= value <= high:
        allowed = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
        raise Mistake(f"{value:g} is not a valid value for {name}: it must be {allowed}")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a Mistake unless the value is one of these words."""
    if value not in choices:
        near = did_you_mean(str(value), choices) or f"; there are {', '.join(choices)}"
        raise Mistake(f"'{value}' is not a valid value for {name}{near}")


def nearest(name: str, choices: Iterable[str], n: int = 3) -> list[str]:
    """The at most `n` choices that `name` may have meant, best first; none is better than a far-fetched one.

    `name` itself is never among them: whoever gave it did not mean it, or it is there and is wrong in another way.

    Similarity is difflib's ratio without regard to case. A choice that contains `name`, or is contained in it,
    always counts, as people remember one half of a long name. Nothing is near what is longer than any name.
    """
    if len(name) > LONGEST_NAME:
        return []
    scores = {choice: _similarity(name.casefold(), choice.casefold()) for choice in choices if choice != name}
    good = [choice for choice, score in scores.items() if score >= 0.6]  # 0.6: difflib's own cutoff
    return sorted(good, key=lambda choice: -scores[choice])[:n]


def did_you_mean(name: str, choices: Iterable[str], n: int = 3) -> str:
    """How an error's sentence goes on: `; did you mean 'a', 'b' or 'c'?`, or not at all if nothing is near."""
    near = [repr(choice) for choice in nearest(name, choices, n)]
    if not near:
        return ""
    return f"; did you mean {' or '.join(filter(None, [', '.join(near[:-1]), near[-1]]))}?"


def _similarity(a: str, b: str) -> float:
    ratio = SequenceMatcher(None, a, b, autojunk=False).ratio()
    part = min(len(a), len(b)) > 1 and (a in b or b in a)
    return 0.6 + 0.4 * ratio if part else ratio
