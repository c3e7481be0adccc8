"""What people say about a network (its SPEC, or `Network`'s arguments), checked before the network is run.

Each check answers with the value as the program keeps it, or refuses it in one sentence that begins with the field's
name. What only the network can tell (how many classes there are) is checked where it is known: `checked_count`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from phosphene.core.errors import Mistake, brief, did_you_mean
from phosphene.core.networks.head import HEADS, HeadKind

MOST_PIXELS_A_SIDE = 10_000
MOST_CLASSES = 1_000_000


def checked_facts(**facts: Any) -> dict[str, Any]:
    """These facts as the program keeps them; those that are None stay None, and those without a check stay as they are.

    Args:
        facts: any of mean, std, size, bgr, labels, channels, shown, head, input, inputs, output.
    Raises:
        Mistake: one of them makes no sense, or two of them contradict each other; begins with the field's name.
    """
    checks: dict[str, Callable[[str, Any], Any]] = {
        "mean": checked_numbers, "std": _checked_std, "size": checked_size, "bgr": _checked_bgr,
        "labels": checked_labels, "channels": _checked_channels, "shown": _checked_shown, "head": _checked_head,
        "input": _checked_input, "inputs": _checked_inputs, "output": _checked_output,
    }  # fmt: skip
    checked = {
        name: value if value is None or name not in checks else checks[name](name, value)
        for name, value in facts.items()
    }
    _check_channels(checked)
    return checked


def _check_channels(facts: Mapping[str, Any]) -> None:
    """Mean, std, channels and the channels that are shown belong to one number of channels."""
    several = {name: len(facts[name]) for name in ("mean", "std") if facts.get(name) and len(facts[name]) > 1}
    channels = facts.get("channels")
    if len(set(several.values())) > 1:
        raise Mistake(f"mean has {several['mean']} numbers and std has {several['std']}; give one for each channel")
    for name, many in several.items():
        if channels is not None and many != channels:
            of = f"{channels} channel{'s' if channels > 1 else ''}"
            raise Mistake(f"{name} has {many} numbers, but the network takes {of}; give one for each, or one for all")
    if facts.get("bgr") and (wanted := channels or next(iter(several.values()), 3)) != 3:
        raise Mistake(f"bgr is for pictures of 3 channels, and the network takes {wanted}; leave it out")
    if facts.get("shown") and channels is not None and max(facts["shown"]) >= channels:
        raise Mistake(f"shown is {facts['shown']}, but the network's channels are 0 to {channels - 1}")


# ------------------------------------------------------------------------------------------------------- numbers


def _plain(value: Any) -> Any:
    """The Python numbers in arrays and tensors, also in those inside of a list."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def checked_numbers(name: str, value: Any) -> tuple[float, ...]:
    """Finite numbers, one for each channel, or one for all.

    Raises:
        Mistake: something else.
    """
    plain = _plain(value)
    numbers = [plain] if _is_number(plain) else plain
    if isinstance(numbers, str) or not isinstance(numbers, Sequence) or not numbers:
        raise Mistake(f"{name} is {brief(value)}; give numbers, one for each channel, such as (0.5, 0.5, 0.5)")
    for number in numbers:
        if not _is_number(number) or not math.isfinite(number):
            raise Mistake(f"{name} has {brief(number)} in it; give finite numbers, such as (0.5, 0.5, 0.5)")
    return tuple(float(number) for number in numbers)


def _checked_std(name: str, value: Any) -> tuple[float, ...]:
    numbers = checked_numbers(name, value)
    if min(numbers) <= 0:
        raise Mistake(f"{name} has {min(numbers):g} in it; pixels are divided by it, so each number must be above 0")
    return numbers


def checked_size(name: str, value: Any) -> tuple[int, int]:
    """(height, width) of a side, or of (height, width).

    Raises:
        Mistake: something else.
    """
    plain = _plain(value)
    sides = [plain, plain] if _is_number(plain) else plain
    if isinstance(sides, str) or not isinstance(sides, Sequence) or len(sides) != 2:
        raise Mistake(f"{name} is {brief(value)}; give a side in pixels, or (height, width)")
    for side in sides:
        if not _is_number(side) or side != int(side if math.isfinite(side) else 0):
            raise Mistake(f"{name} has {brief(side)} in it; give whole numbers of pixels, such as 224 or (224, 224)")
        if not 1 <= side <= MOST_PIXELS_A_SIDE:
            raise Mistake(f"{name} has {side:g} in it; a side has 1 to {MOST_PIXELS_A_SIDE} pixels")
    return int(sides[0]), int(sides[1])


def _checked_channels(name: str, value: Any) -> int:
    plain = _plain(value)
    if not _is_whole(plain) or plain < 1:
        raise Mistake(f"{name} is {brief(value)}; give how many channels the network's pictures have: 1, 3, 4, ...")
    return int(plain)


def _checked_shown(name: str, value: Any) -> tuple[int, int, int]:
    plain = _plain(value)
    if not isinstance(plain, Sequence) or len(plain) != 3 or not all(_is_whole(c) and c >= 0 for c in plain):
        raise Mistake(f"{name} is {brief(value)}; give three channels, shown as red, green and blue, such as (3, 2, 1)")
    return int(plain[0]), int(plain[1]), int(plain[2])


# --------------------------------------------------------------------------------------------------------- words


def _checked_bgr(name: str, value: Any) -> bool:
    plain = _plain(value)
    if not isinstance(plain, bool):
        raise Mistake(f"{name} is {brief(value)}; give True where the model wants blue first, else False")
    return plain


def _checked_head(name: str, value: Any) -> HeadKind:
    known = next((head for head in HEADS if head == value), None)
    if known is None:
        near = did_you_mean(value, HEADS) if isinstance(value, str) else ""
        raise Mistake(f"{name} {brief(value)} is not known{near} (there are {', '.join(HEADS)})")
    return known


def _checked_input(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Mistake(f"{name} is {brief(value)}; give the name of forward's argument that takes the pictures")
    return value


def _checked_inputs(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Mistake(f"{name} is {type(value).__name__}; give a dict from the names of forward's arguments to tensors")
    return dict(value)


def _checked_output(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not (isinstance(value, (str, int)) or callable(value)):
        raise Mistake(f"{name} is {brief(value)}; give a key, an attribute, an index or a function")
    return value


# -------------------------------------------------------------------------------------------------------- labels


def checked_labels(name: str, value: Any) -> list[str]:
    """The name of each class, in order; a class without one has "".

    Args:
        value: names, numbers or None in order; or a dict from indices to names, or from names to indices. Indices may
            be words, as JSON has them.
    Raises:
        Mistake: something else, or a class beyond those that a dict may have.
    """
    plain = _plain(value)
    if isinstance(plain, Mapping):
        return _in_order(name, plain)
    if isinstance(plain, str) or not isinstance(plain, Sequence):
        raise Mistake(f"{name} is {brief(value)}; give a list with the name of each class")
    return [_label(name, index, label) for index, label in enumerate(plain)]


def _label(name: str, index: int, label: Any) -> str:
    if label is None:
        return ""
    if isinstance(label, str) or _is_number(label):
        return str(label).strip()
    raise Mistake(f"{name} has {brief(label)} as the name of class {index}; give a word, a number or None")


def _in_order(name: str, given: Mapping[Any, Any]) -> list[str]:
    """The names of a dict; where several names have one index, they are synonyms."""
    pairs = _pairs(name, given)
    indices = [index for index, _ in pairs]
    if indices and (min(indices) < 0 or max(indices) > MOST_CLASSES):
        wrong = min(indices) if min(indices) < 0 else max(indices)
        raise Mistake(f"{name} has a class {wrong}; the classes of a network are numbered from 0")
    names: list[list[str]] = [[] for _ in range(max(indices, default=-1) + 1)]
    for index, label in pairs:
        names[index] += [label] if label else []
    return [", ".join(synonyms) for synonyms in names]


def _pairs(name: str, given: Mapping[Any, Any]) -> list[tuple[int, str]]:
    """(index, name) of each entry, whichever of the two is the key."""
    if all(_is_whole(value) for value in given.values()) and all(isinstance(key, str) for key in given):
        return [(int(index), label.strip()) for label, index in given.items()]
    pairs = []
    for key, label in given.items():
        if not _is_whole(key) and not (isinstance(key, str) and key.strip().isdecimal()):
            raise Mistake(
                f"{name} has the key {brief(key)}; give a dict from indices to names, or from names to indices"
            )
        pairs.append((int(key), _label(name, int(key), label)))
    return pairs


def checked_count(labels: Sequence[str] | None, classes: int) -> None:
    """Raise a Mistake unless there are no labels, or one for each class."""
    if labels and len(labels) != classes:
        names = f"{len(labels)} name{'s' if len(labels) > 1 else ''}"
        raise Mistake(f"labels has {names}, but the network has {classes} classes")
