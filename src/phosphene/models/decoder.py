"""A decoder: a convolutional network from a layer's code back to a picture (Dosovitskiy & Brox 2016, arXiv:1506.02753).

It is trained on pictures x to make |D(Phi(x)) - x|^2 small, and what makes that smallest is the mean of all pictures
with this code, as far as the training pictures know them: sharp where the code says everything, blurred where it says
little, and in any case made of what was trained on. The paper's is larger (five to eight transposed convolutions of
5 x 5 with up to 256 channels, leaky .2 as here); this one doubles by repeating pixels, which leaves no grid behind.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.token_grids import places_of, token_grid

LEAK = 0.2
"""What a negative number is multiplied by; the paper's."""

NARROWEST, WIDER, WIDEST = 24, 32, 184
"""Channels at the picture's size, how many more there are at each halving, and no more than this."""

FIRST = 4
"""Rows and columns that a code without any gets at first."""


class Geometry(NamedTuple):
    """What a decoder's convolutions are made for.

    Attributes:
        channels: of the code.
        doublings: of its rows and columns, up to the picture's.
        spread: the code has no rows and columns, and gets some first.
    """

    channels: int
    doublings: int
    spread: bool

    @property
    def widths(self) -> list[int]:
        """Channels, from the code's size on to the picture's."""
        return [min(NARROWEST + WIDER * left, WIDEST) for left in range(self.doublings, -1, -1)]


class Decoder(nn.Module):
    """Codes (n, channels, rows, columns) to pictures in [0, 1], (n, 3, rows 2^doublings, columns 2^doublings).

    Normalized for each channel, 1 x 1 (or 4 x 4, out of a code without rows and columns), 3 x 3; for each doubling
    nearest neighbours and 3 x 3; 3 x 3 to colours, sigmoid. Leaky rectifiers between them, weights at first after
    He et al. 2015 (arXiv:1502.01852), from the global random numbers.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        widths = geometry.widths
        self.geometry = geometry
        self.register_buffer("mean", torch.zeros(geometry.channels))
        self.register_buffer("deviation", torch.ones(geometry.channels))
        self.enter: nn.Module = (
            nn.ConvTranspose2d(geometry.channels, widths[0], FIRST) if geometry.spread
            else nn.Conv2d(geometry.channels, widths[0], 1)
        )  # fmt: skip
        pairs = zip([widths[0], *widths], widths, strict=False)
        self.steps = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairs)
        self.colours = nn.Conv2d(widths[-1], 3, 3, padding=1)
        for module in (self.enter, *self.steps):
            nn.init.kaiming_normal_(module.weight, LEAK, "fan_out" if geometry.spread else "fan_in")
            nn.init.zeros_(module.bias)

    @torch.no_grad()
    def fit_codes(self, codes: Float[Tensor, "n channels rows columns"]) -> None:
        """Take mean and deviation of each channel from these codes; a channel that is silent stays so."""
        deviation, mean = torch.std_mean(codes.float(), (0, 2, 3))
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("deviation").copy_(deviation.clamp_min(0.1 * deviation.mean()).clamp_min(1e-6))

    def forward(self, code: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n 3 height width"]:
        mean, deviation = (self.get_buffer(name).view(-1, 1, 1) for name in ("mean", "deviation"))
        x = F.leaky_relu(self.enter((code - mean) / deviation), LEAK)
        for number, step in enumerate(self.steps):
            if number:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(step(x), LEAK)
        return self.colours(x).to(code.dtype).sigmoid()


def placed(network: Network, layer: str, code: Tensor) -> Float[Tensor, "n channels rows columns"]:
    """A code in rows and columns: as it is, the patches of a token grid, or a single place.

    Args:
        code: of the layer, channels on axis 1, of pictures of the network's size where it has tokens.
    Raises:
        Mistake: its tokens are no grid, or it has more than rows and columns.
    """
    if code.dim() in (2, 4):
        return code if code.dim() == 4 else code[:, :, None, None]
    own = network.layer(layer)
    if code.dim() != 3 or len(places_of(own)) != 1:
        shape = " x ".join(map(str, own.shape))
        raise Mistake(
            f"{layer} of {network.name} is {shape}; a decoder reads channels in rows and columns, or a vector"
        )
    grid, _ = token_grid(network, own)
    found = grid.placed(code, network.size)
    assert found is not None  # a grid at this size, or there was a Mistake
    return found


def geometry(network: Network, layer: str) -> Geometry:
    """What a decoder of this layer is like: as many doublings as lead from its rows to about the picture's.

    Raises:
        Mistake: the layer has no such code, or pictures are not red, green and blue.
    """
    if network.channels != 3:
        raise Mistake(f"{network.name} takes pictures of {network.channels} channels; a decoder makes three colours")
    code = torch.zeros(1, *_axes(network, layer))
    _, channels, rows, _ = placed(network, layer, code).shape
    spread = rows == 1
    times = network.size[0] / (FIRST if spread else rows)
    return Geometry(channels, max(round(math.log2(times)), 0), spread)


def _axes(network: Network, layer: str) -> Sequence[int]:
    """The shape of a layer's code of one picture at the network's size, channels first."""
    with torch.no_grad():
        picture = torch.full((1, 3, *network.size), 0.5)
        return network.planned("reading").read(picture, [layer])[layer].shape[1:]


def decoded(
    decoder: nn.Module, network: Network, layer: str, code: Tensor, size: tuple[int, int]
) -> Float[Tensor, "n 3 h w"]:
    """The decoder's pictures of codes, at this size.

    Args:
        code: channels on axis 1.
        size: (height, width); where the convolutions end in another one, bilinear.
    """
    x = decoder(placed(network, layer, code))
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)
