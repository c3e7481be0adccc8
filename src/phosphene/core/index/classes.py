"""Which classes of a network the classes of an index are; nothing is taken for a class that only has its number."""

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.units.labels import class_index, names_class


def numbers_of(index: Index, network: Network) -> dict[int, int]:
    """From the classes of an index to the network's: by their names where all are the network's, else by number.

    Numbers count where classes have no names, or where there are as many as the network has.

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
    if len(index.classes) != network.classes:
        for name in index.classes.values():
            if name and not names_class(network, name):
                raise Mistake(
                    f"the index's class '{name}' is none of {network.name}'s; index pictures of the network's classes"
                )
    return {number: number for number in index.classes}
