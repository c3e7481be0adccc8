"""An index that a command reads, and the network that it is of."""

from typing import Any

from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.faces.cli import options as cli
from phosphene.faces.cli.commands import session
from phosphene.faces.running.indexes import own_spec

NETWORK = cli.untyped(cli.NETWORK)
"""The options of the network, none of which has to be given: an index says what it is of."""


def network_of(index: Index, options: dict[str, Any]) -> Network:
    """The network that is named, or the index's own where loading it runs nobody's code; takes its options away.

    Raises:
        Mistake: it is not named and would run somebody's code, can't be loaded, or is not the index's.
    """
    given = {name: value for name in cli.names(cli.NETWORK) if (value := options.pop(name)) is not None}
    spec = given.get("net") or own_spec(index)
    usual = {one.name: one.default for one in cli.NETWORK}
    network = session(usual | given | {"net": spec}).network
    Index.open(index.folder, network)
    return network


def layer_of(index: Index, layer: str | None) -> str:
    """The layer that is named, or the last one of the index.

    Raises:
        Mistake: the index has no such layer.
    """
    wanted = index.layers[-1] if layer is None else layer
    index.units(wanted)
    return wanted
