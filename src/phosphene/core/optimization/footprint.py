"""How much memory a gradient takes: what the layers keep for the way back, which grows with the pixels."""

import psutil
import torch
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.engine import Objective
from phosphene.core.optimization.keys import Key

PROBES = 1.0, 1.5
"""Sides of the pictures that bytes are counted on, of the network's own."""


def bytes_a_pixel(network: Network, objective: Objective) -> float:
    """Bytes that are kept for the way back for each pixel of a picture; counted on two small ones."""
    below, above = (round(times * min(network.size)) for times in PROBES)
    more = _kept(network, objective, above) - _kept(network, objective, below)
    return max(1.0, more / (above**2 - below**2))


def _kept(network: Network, objective: Objective, side: int) -> int:
    """Bytes that are kept for the way back from a square picture, weights and all."""
    storages: dict[int, int] = {}

    def pack(kept: Tensor) -> Tensor:
        storage = kept.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return kept

    grey = torch.full((1, 3, side, side), 0.5, dtype=working_dtype(network), device=network.device)
    objective(grey, torch.arange(1), Key(step=0))  # what is found out about a network once is not counted
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        objective(grey, torch.arange(1), Key(step=0))
    return sum(storages.values())


def free_memory(device: torch.device) -> float:
    """Bytes of memory that are free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
