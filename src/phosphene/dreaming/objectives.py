"""What a dream makes large: some channels of a layer, the strongest ones, or what a guide shows there."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import Reading, Term

BLOCK = 64
PRODUCTS = 1 << 24
"""So many dot products at a time: 64 MiB of them in float32."""


def amplified(layer: str, channels: Sequence[int]) -> Term:
    """Half the mean square of some channels, as `energy` is of all."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        some = r.layers[layer][:, list(channels)]
        return r.mean(0.5 * some.flatten(1).square().mean(1))

    return Term(of, frozenset([layer]), f"channels of {layer}")


def guided(layer: str, features: Float[Tensor, "channels positions"]) -> Term:
    """How much a layer is at each of its positions like what fits best there of a guide.

    The mean over positions of max_j dot(y, g_j), over the guide's features g_j, vectors over the channels. Its gradient
    at a position is the feature with the largest dot product (google/deepdream, `objective_guide`).

    Args:
        layer: whose activations y.
        features: the layer's on the guide, at all of its positions.
    Raises (when called):
        Mistake: the layer has another number of channels.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer].flatten(2)
        if y.shape[1] != len(features):
            raise Mistake(f"{layer} has {y.shape[1]} channels, the guide's features have {len(features)} numbers")
        g = features.to(y.device, y.dtype)
        best = torch.stack([g[:, _likest(one, g)] for one in y.detach()])
        return r.mean((y * best).sum(1).mean(1))

    return Term(of, frozenset([layer]), f"likeness to the guide in {layer}")


def _likest(y: Float[Tensor, "channels positions"], g: Float[Tensor, "channels features"]) -> Tensor:
    """For each position the feature with the largest dot product.

    By blocks: the largest number of many is found far faster than where it is (7 times, of 8,000).
    """
    many = g.shape[1]
    g = torch.cat([g, g[:, -1:].expand(-1, -many % BLOCK)], 1)  # the last one again and again
    found = []
    for part in y.T.split(max(1, PRODUCTS // g.shape[1])):
        products = (part @ g).unflatten(1, (-1, BLOCK))
        block = products.amax(2).argmax(1)
        inside = products[torch.arange(len(block), device=block.device), block].argmax(1)
        found.append((BLOCK * block + inside).clamp(max=many - 1))
    return torch.cat(found)


@torch.no_grad()
def strongest(network: Network, layer: str, pictures: Float[Tensor, "n 3 h w"], many: int) -> list[list[int]]:
    """The channels of a layer with the largest mean square on each picture, in their order in the layer."""
    y = network.read(pictures, [layer])[layer].flatten(2).square().mean(2)
    return y.topk(min(many, y.shape[1]), 1).indices.sort(1).values.tolist()
