"""Which layers to look at when nobody said: stages spread over the depth of a network."""

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network


def stages(network: Network) -> list[str]:
    """The names of the modules that a network is built of, in order: the coarsest level that has at least five.

    Only modules whose output still has places (height and width, or tokens) count.
    """
    modules = [
        layer for layer in network.layers.values()
        if layer.tap.function is None and len(layer.shape) > 1 and layer.name != "logits"
        and max(size for axis, size in enumerate(layer.shape, 1) if axis != layer.channel_axis) > 1
    ]  # fmt: skip
    if not modules:
        raise Mistake(f"{network.name} has no layer with rows and columns")
    deepest = max(layer.name.count(".") for layer in modules)
    for depth in range(deepest + 1):
        names = [layer.name for layer in modules if layer.name.count(".") == depth]
        if len(names) >= 5:
            return names
    return [layer.name for layer in modules]


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
