"""The classes of a network by number and by name."""

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network


def class_names(network: Network) -> list[str]:
    """The names of the classes, where they have any; the answers to one question are no and yes."""
    names = network.labels or []
    if network.head.question and len(names) < 2:
        return [f"not {names[0]}", names[0]] if names else ["no", "yes"]
    return names


def label(network: Network, index: int) -> str:
    """The first name of a class, or its number."""
    names = class_names(network)
    return names[index].split(",")[0] if index < len(names) else f"class {index}"


def class_index(network: Network, name: str | int) -> int:
    """The class of this number or name.

    Raises:
        Mistake: there is none (the nearest are told), or several classes share the name (all are told).
    """
    text = str(name).strip()
    if text.isdecimal():
        if int(text) < network.classes:
            return int(text)
        raise Mistake(f"{network.name} has classes 0 to {network.classes - 1}, not {text}")
    names = class_names(network)
    labels = [[part.strip().casefold() for part in full.split(",")] for full in names]
    if not labels:
        raise Mistake(f"{network.name} has no names for its classes, so '{text}' means nothing to it; give a number")
    wanted = text.casefold()
    exact = [i for i, full in enumerate(names) if full.casefold() == wanted]
    hits = exact if len(exact) == 1 else [i for i, parts in enumerate(labels) if wanted in parts]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Mistake(
            f"'{text}' is the name of {len(hits)} classes of {network.name}: "
            + ", ".join(f"{i} ({full})" for i, full in enumerate(names) if i in hits)
            + "; give the number"
        )
    every = [part.strip() for full in names for part in full.split(",")]
    raise Mistake(
        f"no class '{text}'{did_you_mean(text, every)} ({network.classes} in all, 0 to {network.classes - 1})"
    )


def names_class(network: Network, text: str) -> bool:
    """Whether this is the number or the name of one class."""
    try:
        class_index(network, text)
    except Mistake:
        return False
    return True
