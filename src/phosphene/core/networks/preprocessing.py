"""What a network can see of pictures, and in which precision they are kept on their way to it."""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network


def working_dtype(network: Network) -> torch.dtype:
    """What pictures are kept in: float32, or float64 where the network is; less would not keep 8-bit pixels apart."""
    return torch.promote_types(network.dtype, torch.float32)


def seen(network: Network, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """What of these pictures the network can see: grey, where it sees no colours."""
    return pictures.mean(1, keepdim=True).expand_as(pictures) if network.grey else pictures


def shown(network: Network, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Pictures, or maps of all their channels, as they are looked at: three channels of many."""
    if pictures.shape[1] == 3 and network.shown is None:
        return pictures
    chosen = network.shown or [min(i, pictures.shape[1] - 1) for i in range(3)]
    return pictures[:, list(chosen)]
