"""Which layers tell a style, on any network: blocks' ends that see as much of the picture as those of VGG do.

Gatys et al. (arXiv:1508.06576) took relu1_1, 2_1, 3_1, 4_1 and 5_1 of VGG-19, which see squares of 3, 10, 24, 68 and
156 px, for the style, and relu4_2, which sees 84 px, for the content. Of another network it is the ends that are
nearest to these. Where it can't be calculated what positions see (vision transformers, whose tokens see everything),
they are spread over the network's first two thirds.
"""

import math
from collections.abc import Sequence
from functools import partial

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.default_layers import stages
from phosphene.style.terms import style_grid

STYLE = (3, 10, 24, 68, 156)
"""What VGG-19's layers see, in px."""

CONTENT = 84
"""The same of its layer for content."""

FAR = 2 * STYLE[-1]
"""What sees more than this knows the picture's things rather than its strokes."""

PART = 2 / 3
"""Of a network of which nothing is known."""


def style_layers(network: Network) -> list[str]:
    """Up to five layers, from the first to about the last third.

    Raises:
        Mistake: no layer has places.
    """
    names = stages(network)
    sees = _fields(network, names)
    if sees is None:
        return _spread(names)
    chosen: list[int] = []
    for wanted in STYLE:
        after = range(chosen[-1] + 1, len(names)) if chosen else range(len(names))
        further = [i for i in after if sees[i] <= FAR or not chosen]
        if further:
            chosen.append(min(further, key=partial(_from, wanted, sees)))
    return [names[i] for i in chosen]


def fitting_layers(network: Network, given: str | Sequence[str] | None, least: float, called: str) -> list[str]:
    """The layers that are given; by default those of `style_layers` that see no more than the smallest style has.

    Args:
        least: the shortest side of a style, in pixels.
        called: what styles are called.
    Raises:
        Mistake: there is no such layer, it has no places, or it sees more.
    """
    asked = [given] if isinstance(given, str) else list(given or ())
    names = [network.layer(name).name for name in asked] or style_layers(network)
    for name in names:
        style_grid(network, name)
    sees = {name: field.rows.size for name in names if (field := network.layer(name).field) is not None}
    small = [name for name in names if sees.get(name, 0) > least]
    if small and (asked or len(small) == len(names)):
        raise Mistake(
            f"{small[0]} sees {sees[small[0]]:.0f} px, and a {called} has only {least:.0f}; give a larger picture of "
            "it, or an earlier --layer"
        )
    return [name for name in names if name not in small]


def content_layer(network: Network) -> str:
    """The layer whose activations say what is where.

    Raises:
        Mistake: no layer has places.
    """
    names = stages(network)
    sees = _fields(network, names)
    if sees is None:
        return _spread(names)[-1]
    return names[min(range(len(names)), key=partial(_from, CONTENT, sees))]


def _from(wanted: float, sees: Sequence[float], index: int) -> float:
    return abs(math.log(sees[index] / wanted))


def _fields(network: Network, names: Sequence[str]) -> list[float] | None:
    """How many pixels each sees; None where that is not known of all, or tells no depths."""
    fields = [network.layer(name).field for name in names]
    sees = [field.rows.size for field in fields if field is not None]
    return sees if len(sees) == len(names) and len(set(sees)) > len(names) / 2 else None


def _spread(names: Sequence[str]) -> list[str]:
    last = max(0, round(PART * len(names)) - 1)
    many = min(len(STYLE), last + 1)
    return [names[round(i * last / max(many - 1, 1))] for i in range(many)]


def is_residual(network: Network) -> bool:
    """Whether it adds what a block found to what came into it, as residual networks and transformers do."""
    return any(layer.tap.function == "add" for layer in network.anatomy.native.layers)
