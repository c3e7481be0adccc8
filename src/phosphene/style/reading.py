"""Large pictures read without a gradient, block by block: their moments, what layers say, and how far they are."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.style.blocks import Additive, Blockwise, Place
from phosphene.style.moments import Moments, moments


def measured(
    network: Network, parts: Sequence[Additive], pictures: Float[Tensor, "n c h w"], rule: Rule = "gradient",
    *, pixels: float | None = None,
) -> list[Float[Tensor, " n"]]:  # fmt: skip
    """The value of each part, as `by_blocks` has it; picture i is problem i."""
    rows = torch.arange(len(pictures), device=pictures.device)
    return Blockwise(network, parts, rule, pixels).values(pictures.detach(), rows)


def moments_of(
    network: Network, picture: Float[Tensor, "1 c h w"], layers: Sequence[str], rule: Rule = "gradient",
    *, pixels: float | None = None,
) -> dict[str, Moments]:  # fmt: skip
    """The sums over all positions of each layer with rows and columns."""
    found: dict[str, Moments] = {}

    def part(layer: str) -> Additive:
        def sums(y: Float[Tensor, "n c rows columns"], place: Place, rows: Tensor) -> Moments:
            return moments(y.flatten(2))

        def value(sums: Sequence[Tensor], rows: Tensor) -> Float[Tensor, " n"]:
            found[layer] = Moments(*sums)
            return found[layer].weight

        return Additive(layer, sums, value)

    measured(network, [part(layer) for layer in layers], picture, rule, pixels=pixels)
    return found


def code_of(
    network: Network, picture: Float[Tensor, "1 c h w"], layer: str, rule: Rule = "gradient",
    *, pixels: float | None = None,
) -> Float[Tensor, "1 channels *places"]:  # fmt: skip
    """What a layer says at each place."""
    if len(network.layer(layer).shape) != 3:
        with torch.no_grad():
            return network.read(picture, [layer], rule)[layer]
    whole: list[Tensor] = []

    def sums(y: Float[Tensor, "n c rows columns"], place: Place, rows: Int[Tensor, " n"]) -> list[Tensor]:
        if not whole:
            whole.append(y.new_zeros(*y.shape[:2], *place.size))
        place.of(whole[0]).copy_(y)
        return []

    part = Additive(layer, sums, lambda sums, rows: picture.new_zeros(len(picture)))
    measured(network, [part], picture, rule, pixels=pixels)
    return whole[0]
