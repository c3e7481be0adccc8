"""Where the rows and columns of a picture are among the tokens of a vision transformer."""

from collections.abc import Sequence

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION, Layer
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import (
    TokenGrid,
)


def places_of(layer: Layer) -> list[int]:
    """The sizes of a layer's positions: (rows, columns), (tokens), or none."""
    places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
    return places[:1] if layer.tap.function == ATTENTION else places


def token_grid(network: Network, layer: Layer) -> tuple[TokenGrid, tuple[int, int]]:
    """Where patches are among a layer's tokens, and their (rows, columns) at the network's own size.

    Raises:
        Mistake: they are no grid.
    """
    (tokens,) = places_of(layer)
    names = list(network.layers)
    before = [network.layers[name] for name in names[: names.index(layer.name)]]
    cut = [(x.shape[1], x.shape[2]) for x in before if x.kind == "Conv2d" and len(x.shape) == 3]
    found = largest_grid(tokens, cut, network.size)
    if found is None:
        raise Mistake(f"the {tokens} tokens of {layer.name} are no grid of patches; write @TOKEN")
    rows, columns = found
    return TokenGrid(tokens - rows * columns, columns if network.fixed else None), (rows, columns)


def largest_grid(tokens: int, cut: Sequence[tuple[int, int]], size: tuple[int, int]) -> tuple[int, int] | None:
    """The (rows, columns) of the patches among so many tokens, which other tokens come before; None if there are none.

    They are as many as the largest convolution before them has positions, as that cuts the picture into them; without
    one, the largest grid with the picture's proportions.

    Args:
        cut: (rows, columns) of the convolutions.
        size: (height, width) of the picture.
    """
    height, width = size
    alike = [(n, n * width // height) for n in range(1, tokens + 1) if n * width % height == 0]
    for grids in (cut, alike):
        fitting = [(rows, columns) for rows, columns in grids if 1 < rows * columns <= tokens]
        if fitting:
            return max(fitting, key=lambda grid: grid[0] * grid[1])
    return None
