"""What an inversion makes of a decoder's pictures.

A learned decoder's picture D(Phi_0) is used in three ways: alone; as where an inversion begins; and as a prior,

    R(x) = mean (x - D(Phi_0))^2 ,

which among all pictures with the code prefers the one nearest to D(Phi_0). As D was trained on squared differences,
D(Phi_0) is about the mean of all pictures with this code, weighted by how natural they are, and the picture with the
code that is nearest to it is the best guess at the photograph in the mean square (a projection onto what the code
allows). Plug-and-play networks (Nguyen et al. 2017, arXiv:1612.00005) take x - D(Phi(x)) instead, which runs the
decoder in each step; where x has the code already, it is the same.

What such a prior adds is what it was trained on, whether it was in the photograph or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.pictures.files import Photo
from phosphene.inversion.codes import Code
from phosphene.models.decoder_files import decoder_pictures


def near(pictures: Float[Tensor, "problems 3 h w"]) -> Term:
    """Mean over pixels and colours of (x - picture)^2; a picture for each problem."""

    def of(reading: Reading) -> Float[Tensor, " n"]:
        own = pictures.to(reading.pictures)[reading.rows.to(pictures.device)]
        return (reading.pictures[:, :3] - own).square().mean((1, 2, 3))

    return Term(of, name="distance to the decoder's picture")


@dataclass(frozen=True)
class Led:
    """What a decoder gives to an inversion.

    Attributes:
        start: pictures to begin at, if it is to.
        prior: the distance to the decoder's pictures, weighted, if that is to be made small.
    """

    start: Float[Tensor, "problems 3 h w"] | None = None
    prior: Term | None = None


def begins(decoder: Photo | None, decoded: bool | None) -> bool:
    """Whether a search begins at a decoder's picture: where that is asked for, or a file is given."""
    return decoder is not None if decoded is None else decoded


def led(
    network: Network, codes: Sequence[Code], size: tuple[int, int], decoder: Photo | None = None,
    decoded: bool | None = None, weight: float = 0.0,
) -> Led:  # fmt: skip
    """What decoders of the codes' layers give to an inversion.

    Args:
        codes: of the problems.
        size: (height, width) of the pictures.
        decoder: a file; by default those that this package has.
        decoded: whether to begin at the decoder's pictures; by default where a file is given.
        weight: of the distance to the decoder's pictures.
    Raises:
        Mistake: there is no decoder for one of the layers, or what is given is no file.
    """
    first = begins(decoder, decoded)
    if not first and not weight:
        if decoder is not None:
            raise Mistake("a decoder is given, and neither is begun at its picture nor has it a weight; leave one out")
        return Led()
    if decoder is not None and not isinstance(decoder, (str, PathLike)):
        raise Mistake(f"a decoder is a file that train-decoder wrote, not a {type(decoder).__name__}")
    pictures = torch.cat([decoder_pictures(decoder, network, code.layer, code.values, size) for code in codes])
    return Led(pictures if first else None, weight * near(pictures) if weight else None)
