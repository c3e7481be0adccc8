"""What a late layer makes of each place: class activation maps (Selvaraju et al. 2017, arXiv:1610.02391).

With A_k the channels of a layer and g_k = dS / dA_k, Grad-CAM is ReLU(sum_k w_k A_k), w_k the mean of g_k over the
places; Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063) weighs the places of each channel, and LayerCAM (Jiang
et al. 2021, doi:10.1109/TIP.2021.3089943) each place by itself. The map is as coarse as the layer and scaled up
(bilinear). Of a vision transformer the places are its patches.
"""

from collections.abc import Callable
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Maps
from phosphene.attribution.question import Pictures, Question, every
from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION, Layer
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import NotFinite
from phosphene.core.units.token_grids import grid_of, token_grid


def has_places(network: Network, layer: Layer) -> bool:
    """Whether a layer says something about several places, of the picture or of its patches."""
    places = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.channel_axis]
    if len(places) == 2:
        return places != [1, 1] and layer.tap.function != ATTENTION
    return len(places) == 1 and places[0] > 1 and grid_of(network, places[0], network.size) is not None


def layers_before(asked: Question) -> list[str]:
    """The layers with places that run before what is asked about, in order of execution."""
    network, names = asked.network, list(asked.network.layers)
    own = [names.index(network.layer(name).name) for name in asked.term.layers]
    return [name for name in names[: min(own)] if has_places(network, network.layers[name])]


def _moves(asked: Question, picture: Pictures, layer: str) -> bool:
    """Whether what is asked about has a gradient at this layer's places."""
    return bool(_places(asked, picture, layer)[1].any())


def chosen_layer(
    asked: Question,
    pictures: Pictures,
    layer: str | None,
    matters: Callable[[Question, Pictures, str], bool] = _moves,
) -> str:
    """The layer that was asked for; by default the last one with places that what is asked about depends on.

    Args:
        matters: tells that of a picture and a layer.
    Raises:
        Mistake: it has no places, or there is none.
    """
    network = asked.network
    if layer is not None:
        found = network.layer(layer)
        if not has_places(network, found):
            shape, others = " x ".join(map(str, found.shape)), " or ".join(map(repr, layers_before(asked)[-2:]))
            raise Mistake(f"{found.name} is {shape}, without places that a map could show; take {others or 'gradient'}")
        return found.name
    # the patches of a transformer's last block are often read by nobody: the class is its own token's
    still = []
    for name in reversed(layers_before(asked)):
        try:
            if matters(asked.of([0]), pictures[:1], name):
                return name
            still.append(name)
        except NotFinite:
            raise
        except Mistake:  # it does not depend on this one
            continue
    if still:  # nothing moves it here: a map of zeros, which will be said
        return still[0]
    if matters is _moves and layers_before(asked):
        asked.of([0]).gradients(pictures[:1], every(pictures[:1]))  # says so where there is no gradient at all
    raise Mistake(f"{asked.words(0)} of {network.name} comes from no layer with places; take gradient or occlusion")


def _places(asked: Question, pictures: Pictures, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's activations and their gradients, (n, channels, rows, columns) both."""
    there, gradient = asked.layer_gradients(pictures, every(pictures), layer)
    return as_places(asked.network, layer, there, pictures), as_places(asked.network, layer, gradient, pictures)


def as_places(
    network: Network, layer: str, numbers: Float[Tensor, "n channels ..."], pictures: Pictures
) -> Float[Tensor, "n channels rows columns"]:
    """Numbers of a layer by their places; tokens without those that are no patches.

    Raises:
        Mistake: its tokens are no grid of patches.
    """
    if numbers.dim() == 4:
        return numbers
    grid = token_grid(network, network.layers[layer])[0]
    placed = grid.placed(numbers, (pictures.shape[2], pictures.shape[3]))
    if placed is None:
        raise Mistake(f"the {numbers.shape[2]} tokens of {layer} are no grid of patches on a picture of this size")
    return placed


def enlarged(maps: Float[Tensor, "n rows columns"], pictures: Float[Tensor, "_ c h w"]) -> Float[Tensor, "n h w"]:
    """Maps of a layer's places at the pictures' size, bilinear."""
    size = (pictures.shape[2], pictures.shape[3])
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def coarse(asked: Question, pictures: Pictures, layer: str) -> Float[Tensor, "n rows columns"]:
    """Grad-CAM at the layer's own size."""
    there, gradient = _places(asked, pictures, layer)
    return (gradient.mean((2, 3), keepdim=True) * there).sum(1).clamp(min=0)


@explains("where a late layer finds it", "sensitivity", "overlay")
def grad_cam(asked: Question, pictures: Pictures, *, layer: str | None = None, **common: Unpack[Common]) -> Maps:
    """Show where a layer finds what speaks for it (Grad-CAM, Selvaraju et al.).

    Args:
        layer: whose places; by default the last one that has any.
    """
    name = chosen_layer(asked, pictures, layer)
    return Maps(enlarged(coarse(asked, pictures, name), pictures), [{"layer": name}] * len(pictures))


@explains("where a late layer finds it, every occurrence", "sensitivity", "overlay", name="grad-cam++")
def grad_cam_plus_plus(
    asked: Question, pictures: Pictures, *, layer: str | None = None, **common: Unpack[Common]
) -> Maps:
    """Show where a layer finds what speaks for it, several occurrences alike (Grad-CAM++, Chattopadhay et al.).

    Of exp S: the weight of a channel is the sum over its places of alpha ReLU(g), alpha = g^2 / (2 g^2 + g^3 sum A),
    equation 19 of the paper; exp S itself would be a factor that is the same for all.

    Args:
        layer: whose places; by default the last one that has any.
    """
    name = chosen_layer(asked, pictures, layer)
    there, gradient = _places(asked, pictures, name)
    below = 2 * gradient.square() + gradient.pow(3) * there.sum((2, 3), keepdim=True)
    alpha = gradient.square() / torch.where(below != 0, below, 1.0)
    weights = (alpha * gradient.clamp(min=0)).sum((2, 3), keepdim=True)
    maps = (weights * there).sum(1).clamp(min=0)
    return Maps(enlarged(maps, pictures), [{"layer": name}] * len(pictures))


@explains("where a late layer finds it, place by place", "sensitivity", "overlay")
def layer_cam(asked: Question, pictures: Pictures, *, layer: str | None = None, **common: Unpack[Common]) -> Maps:
    """Show where a layer finds what speaks for it, finely in early layers too (LayerCAM, Jiang et al.).

    ReLU(sum_k ReLU(g_k) A_k): each place is weighed by its own gradient instead of by its channel's mean.

    Args:
        layer: whose places; by default the last one that has any.
    """
    name = chosen_layer(asked, pictures, layer)
    there, gradient = _places(asked, pictures, name)
    maps = (gradient.clamp(min=0) * there).sum(1).clamp(min=0)
    return Maps(enlarged(maps, pictures), [{"layer": name}] * len(pictures))


@explains("what speaks for it, where a late layer finds it", "sensitivity", "colours")
def guided_grad_cam(asked: Question, pictures: Pictures, *, layer: str | None = None, **common: Unpack[Common]) -> Maps:
    """Show guided backprop where Grad-CAM finds the class: the product of both (Selvaraju et al.).

    Args:
        layer: whose places; by default the last one that has any.
    """
    name = chosen_layer(asked, pictures, layer)
    where = enlarged(coarse(asked, pictures, name), pictures)
    _, gradient = asked.gradients(pictures, every(pictures), "guided")
    return Maps(gradient * where[:, None], [{"layer": name}] * len(pictures))
