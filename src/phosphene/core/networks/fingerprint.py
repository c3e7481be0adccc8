"""The hash of a model's weights, by which a network is known again."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from phosphene.core.networks.network import Network


def network_sha256(network: Network) -> str:
    """The hash of a network's weights: what was found when it was loaded, or is found now."""
    return network.sha256 or state_sha256(network.model)


def state_sha256(model: nn.Module) -> str:
    """The hash of a model's weights: names, shapes and bytes."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        _hash(digest, name, value)
    return digest.hexdigest()


def _hash(digest: Any, name: str, value: Any) -> None:
    """Add a part of a state dict; packed weights of quantized layers are tuples, and their settings plain values."""
    if isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            _hash(digest, f"{name}[{i}]", part)
    elif isinstance(value, Tensor):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        plain = value.detach().cpu()
        plain = (
            plain.dequantize() if plain.is_quantized else plain.to_dense() if plain.layout != torch.strided else plain
        )
        digest.update(plain.resolve_conj().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    else:
        said = value if value is None or isinstance(value, (bool, int, float, str)) else type(value)
        digest.update(f"{name} {said}".encode())
