"""Pictures without an end: what leaves on one side comes in on the other, also for a network.

A seamless texture is a picture on a torus. The picture is repeated beyond its borders as far as a layer's positions
see, and only the positions of the picture itself count: so none of them has seen a border, and those at an edge see the
other edge, whatever the network does at borders.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.style.cuts import Margins, Size


@dataclass(frozen=True)
class Wrapping:
    """How far a picture is repeated on each side, down and across: a multiple of all strides."""

    far: Size

    @classmethod
    def of(cls, margins: Margins) -> "Wrapping":
        """As far as layers see."""
        down, across = (-(-far // unit) * unit for far, unit in zip(*margins, strict=True))
        return cls((down, across))

    def __call__(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c hh ww"]:
        """Pictures, or maps of them, with what comes in from the other sides."""
        rows, columns = (
            torch.arange(-far, side + far, device=pictures.device) % side
            for far, side in zip(self.far, pictures.shape[2:], strict=True)
        )
        return pictures[:, :, rows][:, :, :, columns]

    def transform(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> tuple[Tensor, Tensor]:
        """The same as what a network is shown."""
        return self(pictures), torch.arange(len(pictures), device=pictures.device)

    def inside(self, network: Network, layer: str, size: Size) -> Callable[[Size], Float[Tensor, "rows columns"]]:
        """From the rows and columns of a layer on a repeated picture to 1 where they are the picture's, 0 elsewhere.

        Args:
            size: of the picture.
        """
        field = network.receptive_field(layer)

        def along(many: int, stride: float, far: int, side: int) -> Float[Tensor, " many"]:
            places = torch.arange(many) * stride
            return ((places >= far) & (places < far + side)).float()

        def of(shape: Size) -> Float[Tensor, "rows columns"]:
            strides = field.rows.stride, field.columns.stride
            down, across = (along(*one) for one in zip(shape, strides, self.far, size, strict=True))
            return down[:, None] * across

        return of
