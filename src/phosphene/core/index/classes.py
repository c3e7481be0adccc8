"""Which classes of a network the classes of an index are; nothing is taken for a class that only has its number."""

import re
from collections import Counter
from collections.abc import Mapping

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.units.labels import class_index, class_names, label, names_class

_CODE = re.compile(r"\d+|n\d{8}")
"""What a class is called that has no name: a number, or one of WordNet's, as ImageNet's folders."""


def numbers_of(index: Index, network: Network) -> dict[int, int]:
    """From the classes of an index to the network's: by their names where all are the network's, else by number.

    Numbers count where the index or the network has no names, or where there are WordNet's numbers for all classes.

    Raises:
        Mistake: the index has no classes, or some that the network does not have.
    """
    if not index.classes:
        raise Mistake(f"the index {index.folder} has no classes; index a folder of classes")
    if all(name and names_class(network, name) for name in index.classes.values()):
        return {number: class_index(network, name) for number, name in index.classes.items()}
    beyond = next((number for number in index.classes if number >= network.classes), None)
    if beyond is not None:
        name = index.classes[beyond]
        raise Mistake(
            f"the index has class {beyond}{f' ({name})' if name else ''}, and {network.name} has classes 0 to "
            f"{network.classes - 1}; index pictures of the network's classes"
        )
    theirs = dict(enumerate(class_names(network)))
    whole, nameless = len(index.classes) == network.classes, not any(theirs.values())
    for number, name in index.classes.items():
        own = not name or name == theirs.get(number) or names_class(network, name)  # or one that two classes share
        if not own and not (whole and (nameless or _CODE.fullmatch(name))):
            raise Mistake(
                f"the index's class '{name}' is none of {network.name}'s; index pictures of the network's classes"
            )
    return {number: number for number in index.classes}


def names_of(index: Index, network: Network) -> dict[int, str]:
    """What the classes of an index are called: by the first of their own names; by the network's where they have none.

    Their numbers are its classes where it has all of them, or as many as there are WordNet's numbers.
    """
    own = index.classes
    nameless = all(_CODE.fullmatch(name) for name in own.values() if name)
    ours = max(own, default=0) < network.classes and (len(own) == network.classes or not any(own.values()))
    if nameless and ours and any(class_names(network)):
        return {number: label(network, number) for number in own}
    return {number: name or f"class {number}" for number, name in short_names(own).items()}


def short_names(classes: Mapping[int, str]) -> dict[int, str]:
    """The first name of each class; with the others in brackets where another class has the same first one."""
    parts = {number: [part.strip() for part in name.split(",")] for number, name in classes.items()}
    many = Counter(first for first, *_ in parts.values())
    return {
        number: f"{first} ({', '.join(rest)})" if rest and many[first] > 1 else first
        for number, (first, *rest) in parts.items()
    }
