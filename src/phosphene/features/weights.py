"""First-layer weights as pictures: the only filters that live in the space of pictures."""

import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.figures import grid
from phosphene.core.network import Network
from phosphene.core.pictures import enlarge
from phosphene.core.provenance import recipe
from phosphene.core.results import Result


@recipe("reading")
def weights(network: Network, *, layer: str | None = None, common: bool = False) -> Result:
    """Show the first convolution's filters as colour tiles.

    Zero is mid grey; each tile is scaled by its own largest weight, so that faint filters can be seen too (Zeiler &
    Fergus 2014, arXiv:1311.2901, show why scale matters).

    Args:
        network: whose.
        layer: a convolution that looks at pictures; by default the first one.
        common: one scale for all tiles, so that their strengths can be compared.
    Raises:
        Mistake: this layer is no convolution over three colours or grey.
    """
    name = layer or next((n for n, m in network.model.named_modules() if isinstance(m, nn.Conv2d)), None)
    module = network.model.get_submodule(network.layer(name).tap.owner) if name else None
    if not isinstance(module, nn.Conv2d) or module.weight.shape[1] not in (1, 3):
        raise Mistake(f"'{name}' of {network.name} is no convolution over red, green and blue; leave the layer out")
    filters = module.weight.detach().float().cpu()
    if network.bgr:
        filters = filters.flip(1)
    filters = filters.expand(-1, 3, -1, -1)
    size = filters.abs().amax() if common else filters.abs().amax((1, 2, 3), keepdim=True)
    tiles = 0.5 + 0.5 * filters / size.clamp(min=torch.finfo(torch.float32).tiny)
    side = max(1, 48 // filters.shape[-1])
    sheet = grid(enlarge(tiles, side), gap=4)
    caption = f"{len(filters)} filters of {filters.shape[2]} x {filters.shape[3]} px; zero is grey"
    return Result(
        image=sheet,
        names=[str(name)],
        numbers=[{"layer": name, "shape": list(module.weight.shape), "largest": float(filters.abs().max())}],
        panels=[[(caption + (", one scale" if common else ", each on its own scale"), sheet)]],
        title=f"What {name} of {network.name} multiplies pictures with",
        values=module.weight.detach().float().cpu().numpy()[None],
    )
