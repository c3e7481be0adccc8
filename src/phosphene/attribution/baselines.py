"""What stands in a pixel's place where it is to be missing: under an occluder, at the start of a path.

"Missing" has no single meaning, so each is named by what one sees. zero is zero in the network's own space, the mean
colour that it subtracts, with which Zeiler & Fergus covered; black is zero in RGB.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.operators import blurred

Baseline = Literal["zero", "black", "grey", "mean", "blur", "noise"]

BLUR = 0.05
"""The deviation of the blur, in sides of the picture: 11 px at 224, which RISE's insertion uses (arXiv:1806.07421)."""

WORDS = {
    "zero": "the network's own zero, its mean colour",
    "black": "black",
    "grey": "grey",
    "mean": "the photograph's mean colour",
    "blur": "the photograph, blurred",
    "noise": "noise",
}


def baseline_pictures(
    network: Network, pictures: Float[Tensor, "n c h w"], kind: Baseline, seed: int = 0
) -> Float[Tensor, "n c h w"]:
    """What each picture has where it is missing.

    Args:
        kind: zero (the network's mean colour, 0 in its own space), black, grey (.5), mean (of this picture), blur (of
            this picture, by a Gaussian of a twentieth of its shorter side), or noise (uniform in [0, 1], the same for
            every picture).
        seed: of the noise.
    """
    if kind == "mean":
        return pictures.mean((2, 3), keepdim=True).expand_as(pictures)
    if kind == "blur":
        return blurred(pictures, BLUR * min(pictures.shape[2:]))
    if kind == "noise":
        drawn = Key(seed, [0], step=0).uniform(torch.zeros(1, dtype=torch.long), *pictures.shape[1:])
        return drawn.to(pictures).expand_as(pictures)
    colour = {"zero": network.mean, "black": (0.0,), "grey": (0.5,)}[kind]
    return pictures.new_tensor(colour).view(1, -1, 1, 1).expand_as(pictures)
