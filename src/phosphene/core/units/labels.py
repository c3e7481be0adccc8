"""The classes of a network by number and by name."""

from collections.abc import Sequence
from numbers import Integral

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.checked import checked_count
from phosphene.core.networks.network import Network

LONGEST_NUMBER = 18
"""Digits: Python reads no number of thousands of them."""


def class_names(network: Network) -> list[str]:
    """The names of the classes, where they have any, "" for one without; the answers to one question are no and yes.

    Raises:
        Mistake: there are more or fewer names than classes.
    """
    names = network.labels or []
    if network.head.question and len(names) < 2:
        return [f"not {names[0]}", names[0]] if names else ["no", "yes"]
    checked_count(names, network.classes)
    return names


def label(network: Network, index: int) -> str:
    """The first name of a class, or its number; what has no probability is a number and no class."""
    name = dict(enumerate(class_names(network))).get(index, "")
    kind = "class" if network.head.has_probabilities else "number"
    return name.split(",")[0].strip() or f"{kind} {index}"


def class_index(network: Network, name: str | int) -> int:
    """The class of this number or name; a word that is both is the name, and the network tells so.

    Args:
        name: a number is an index alone; a word may be one too ("2"), unless a class is called so.
    Raises:
        Mistake: there is none (the nearest are told), or several classes share the name (all are told).
    """
    text, names = str(name).strip(), class_names(network)
    hits = [] if isinstance(name, Integral) else _called(names, text)
    if len(hits) == 1:
        if text.isdecimal() and len(text) <= LONGEST_NUMBER and int(text) != hits[0] and int(text) < network.classes:
            network.tell(f"{text} is taken as the class called so, whose number is {hits[0]}")
        return hits[0]
    if hits:
        raise Mistake(
            f"'{text}' is the name of {len(hits)} classes of {network.name}: "
            + ", ".join(f"{i} ({names[i]})" for i in hits)
            + "; give the number"
        )
    if text.isdecimal():
        if len(text) <= LONGEST_NUMBER and int(text) < network.classes:
            return int(text)
        raise Mistake(f"{network.name} has classes 0 to {network.classes - 1}, not {text}")
    if not any(names):
        raise Mistake(f"{network.name} has no names for its classes, so '{text}' means nothing to it; give a number")
    every = [part.strip() for full in names for part in full.split(",") if part.strip()]
    raise Mistake(
        f"no class '{text}'{did_you_mean(text, every)} ({network.classes} in all, 0 to {network.classes - 1}: "
        "phosphene layers --classes)"
    )


def _called(labels: Sequence[str], text: str) -> list[int]:
    """The classes of this name, in any case: the one that is called so as a whole, or those with such a synonym."""
    wanted = text.casefold()
    exact = [i for i, full in enumerate(labels) if wanted and full.casefold() == wanted]
    if len(exact) == 1:
        return exact
    parts = [[part.strip().casefold() for part in full.split(",")] for full in labels]
    return [i for i, names in enumerate(parts) if wanted and wanted in names]


def names_class(network: Network, text: str) -> bool:
    """Whether this is the number or the name of one class."""
    try:
        class_index(network, text)
    except Mistake:
        return False
    return True


def counterpart(judge: Network, network: Network, index: int) -> int | None:
    """The judge's number of a class of another network: the one that shares a name which is nobody else's."""
    if judge.labels == network.labels and judge.classes == network.classes:
        return index
    for name in (network.labels or [])[index : index + 1]:
        for synonym in (name, *name.split(",")):
            try:
                if class_index(network, synonym) == index:
                    return class_index(judge, synonym)
            except Mistake:
                continue
    return None
