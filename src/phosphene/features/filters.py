"""Which weights of a network can be shown as pictures, and what they look like: tiles, unit by unit."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import Layer
from phosphene.core.networks.network import Network

PLACED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Filters:
    """A layer's weights, put in order.

    Attributes:
        tiles: unit by unit, input by input; k is 3 for colours, otherwise 1.
        unit: what a unit is called.
        column: what an input is called; empty where all inputs are in one tile.
        words: what they are, in words.
        matrix: whether a tile is a single weight.
        picture: whether what they multiply is the picture itself.
    """

    tiles: Float[Tensor, "n c k h w"]
    unit: str
    column: str
    words: str
    matrix: bool = False
    picture: bool = False


def shown_module(network: Network, layer: Layer) -> nn.Conv2d | nn.ConvTranspose2d | nn.Linear | None:
    """The module at this layer, if it has weights that can be shown."""
    if layer.tap.function is not None:
        return None
    module = network.model.get_submodule(layer.tap.owner)
    return module if isinstance(module, PLACED) and isinstance(module.weight, Tensor) else None


def with_weights(network: Network, layer: Layer) -> Layer:
    """The only layer inside of this one whose weights can be shown, if it has none itself: `conv1.conv` of `conv1`."""
    inside = [one for one in network.layers.values() if one.name.startswith(f"{layer.name}.")]
    shown = [one for one in inside if shown_module(network, one) is not None]
    return shown[0] if len(shown) == 1 and shown_module(network, layer) is None else layer


def first_layer(network: Network) -> Layer:
    """The first one whose weights can be shown.

    Raises:
        Mistake: there is none.
    """
    for layer in network.layers.values():
        if shown_module(network, layer) is not None:
            return layer
    raise Mistake(f"{network.name} has no convolution and no fully connected layer whose weights could be shown")


def no_weights(network: Network, layer: Layer) -> str:
    """Why there is nothing to show, and where there is."""
    order = list(network.layers.values())
    at = next(i for i, other in enumerate(order) if other.name == layer.name)
    inside = [
        o.name for o in order[:at] if o.name.startswith(layer.name + ".") and shown_module(network, o) is not None
    ]
    before = [o.name for o in order[:at] if shown_module(network, o) is not None][-1:]
    after = [o.name for o in order[at + 1 :] if shown_module(network, o) is not None][:1]
    near = list(dict.fromkeys([*(inside[:2] or before), *([] if inside else after)]))
    if not near:
        return f"'{layer.name}' of {network.name} has no weights that could be shown, and no other layer has"
    module = network.model.get_submodule(layer.tap.owner) if layer.tap.function is None else None
    if isinstance(module, (nn.Conv1d, nn.Conv3d)):
        why = f"is a {type(module).__name__}, whose filters are no pictures"
    elif layer.tap.function is None and getattr(module, "weight", None) is not None:
        why = f"is a {layer.kind}, whose weights are no filters"
    else:
        why = "has no weights of its own"
    return f"'{layer.name}' of {network.name} {why}; the nearest that can be shown: {' and '.join(map(repr, near))}"


def in_order(
    network: Network, layer: Layer, module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, weight: Tensor
) -> Filters:
    """A layer's weights as tiles, and the words for them."""
    if isinstance(module, nn.Linear):
        return _rows_of(network, layer, weight)
    groups = int(module.groups)
    if isinstance(module, nn.ConvTranspose2d):  # its weight is (inputs, outputs of a group, h, w)
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    _, c, h, w = weight.shape
    picture = int(module.in_channels) == (1 if network.grey else 3) and _sees_the_picture(network, layer, module)
    if c == 3 and picture:
        colours = (weight.flip(1) if network.bgr else weight)[:, None]
        return Filters(colours, "filter", "", f"filters {{rows}} of {h} x {w} px, in colours", picture=True)
    tiles = weight[:, :, None]
    if c == 1:
        alone = "" if int(module.in_channels) == 1 else "; each sees one channel alone"
        return Filters(tiles, "filter", "", f"filters {{rows}} of {h} x {w}, a tile each{alone}", picture=picture)
    column = "input channel" if groups == 1 else "channel of its group"
    size = "a single weight each" if h == w == 1 else f"{h} x {w}"
    words = f"a row for each filter ({{rows}}), a column for each {column} ({{columns}}), {size}"
    return Filters(tiles, "filter", column, words, h == w == 1)


def _sees_the_picture(network: Network, layer: Layer, module: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether its window is all that it can see of the network's input: nothing stands in between."""
    if isinstance(module, nn.ConvTranspose2d):
        return False
    field = network.receptive_field(layer.name)
    spans = [d * (k - 1) + 1 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    return [field.rows.size, field.columns.size] == spans


def _rows_of(network: Network, layer: Layer, weight: Float[Tensor, "n inputs"]) -> Filters:
    """A fully connected layer's rows in the shape of what they read."""
    shape, picture = _flattened(network, layer, weight.shape[1])
    if shape is None:
        words = "a row for each unit ({rows}), a column for each input ({columns})"
        return Filters(weight[:, :, None, None, None], "unit", "input", words, matrix=True)
    c, h, w = shape
    tiles = weight.unflatten(1, shape)
    if picture:
        tiles = (tiles.flip(1) if network.bgr else tiles)[:, None]
        return Filters(tiles, "unit", "", f"units {{rows}}, each a template of {h} x {w} px", picture=True)
    if c == 1:
        return Filters(tiles[:, :, None], "unit", "", f"units {{rows}}, in the shape of their input, {h} x {w}")
    words = f"a row for each unit ({{rows}}), a column for each channel of its input ({{columns}}), {h} x {w}"
    return Filters(tiles[:, :, None], "unit", "input channel", words)


def _flattened(network: Network, layer: Layer, inputs: int) -> tuple[tuple[int, int, int] | None, bool]:
    """(c, h, w) of what was flattened into a vector of this many numbers, and whether it is the picture itself."""
    fed = (1 if network.grey else 3, *network.size)
    order = list(network.layers.values())
    before = order[: next(i for i, other in enumerate(order) if other.name == layer.name)]
    for index, other in reversed(list(enumerate(before))):
        if math.prod(other.shape) != inputs or (shown_module(network, other) is not None and len(other.shape) == 1):
            return None, False
        if len(other.shape) == 3:
            shape = (other.shape[0], other.shape[1], other.shape[2])
            learnt = any(shown_module(network, earlier) is not None for earlier in before[: index + 1])
            return (None, False) if shape[1] * shape[2] == 1 else (shape, shape == fed and not learnt)
    return (fed, True) if math.prod(fed) == inputs else (None, False)
