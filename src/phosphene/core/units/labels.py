"""The classes of a network by number and by name."""

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network


def label(network: Network, index: int) -> str:
    """The first name of a class, or its number."""
    return network.labels[index].split(",")[0] if network.labels and index < len(network.labels) else f"class {index}"


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
    labels = [[part.strip().casefold() for part in full.split(",")] for full in network.labels or ()]
    if not labels:
        raise Mistake(f"{network.name} has no names for its classes, so '{text}' means nothing to it; give a number")
    wanted = text.casefold()
    exact = [i for i, full in enumerate(network.labels or ()) if full.casefold() == wanted]
    hits = exact if len(exact) == 1 else [i for i, parts in enumerate(labels) if wanted in parts]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Mistake(
            f"'{text}' is the name of {len(hits)} classes of {network.name}: "
            + ", ".join(f"{i} ({full})" for i, full in enumerate(network.labels or ()) if i in hits)
            + "; give the number"
        )
    every = [part.strip() for full in network.labels or () for part in full.split(",")]
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
