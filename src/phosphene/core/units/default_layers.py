"""Which layers to look at when nobody said: the ends of blocks, spread over the depth of a network."""

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import Layer
from phosphene.core.networks.network import Network

ENOUGH = 5
"""So many stages are a choice of depths."""


def stages(network: Network) -> list[str]:
    """The layers that blocks end with, in order: at the coarsest level of modules at which there are at least five.

    A block ends behind its activation, its sum or its concatenation (`block_ends.py`). Only layers whose output still
    has places (height and width, or tokens) count. Of several layers that hand on the same end, one is named: the
    module that makes it, rather than a function in it or the pooling behind it. A network without any such end has
    the modules of such a level for stages.

    Raises:
        Mistake: no layer has places.
    """
    layers = [layer for layer in network.layers.values() if layer.name != "logits" and _has_places(layer)]
    if not layers:
        raise Mistake(f"{network.name} has no layer with rows and columns")
    depths = range(1 + max(_depth(layer) for layer in layers))
    ends = [_ends(network, [layer for layer in layers if _depth(layer) <= depth]) for depth in depths]
    modules = [[x.name for x in layers if _depth(x) == depth and x.tap.function is None] for depth in depths]
    for levels in (ends, modules):
        if any(levels):
            enough = min(ENOUGH, max(map(len, levels)))
            return next(level for level in levels if len(level) >= enough)
    return [layer.name for layer in layers]


def _has_places(layer: Layer) -> bool:
    return any(size > 1 for axis, size in enumerate(layer.shape, 1) if axis != layer.channel_axis)


def _depth(layer: Layer) -> int:
    return layer.name.count(".")


def _ends(network: Network, layers: list[Layer]) -> list[str]:
    """The names of the different ends among these layers, in order."""
    ends = network.anatomy.native.ends
    best: dict[int, tuple[tuple[int, bool, int], str]] = {}
    for layer in layers:
        if (end := ends.at.get(layer.tap)) is not None:
            rank = end.changed, layer.tap.function is not None, -_depth(layer)
            if end.index not in best or rank < best[end.index][0]:
                best[end.index] = rank, layer.name
    return [name for index, (_, name) in sorted(best.items()) if ends.instead.get(index) not in best]


def spread(network: Network, many: int) -> list[str]:
    """`many` stages, evenly from the first to the last (fewer where there are fewer)."""
    names = stages(network)
    if len(names) <= many:
        return names
    return [names[round(i * (len(names) - 1) / (many - 1))] for i in range(many)]


def halfway(network: Network) -> str:
    """The stage a little above the middle: parts of things, rather than textures or whole things."""
    names = stages(network)
    return names[min(len(names) - 1, round(0.6 * len(names)))]
