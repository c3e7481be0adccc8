"""Decoders in files: written, found among what this package brings, read, and checked.

A file's header says which layer of which network it decodes, by the SHA-256 of its weights, and is held against the
network that it is used with.
"""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor, nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.paths import broken, given_path
from phosphene.core.results.provenance import state_sha256
from phosphene.models.decoder import Decoder, Geometry, decoded, geometry
from phosphene.models.embedded import WEIGHTS
from phosphene.models.headers import filled, header, header_in

HEADER = "decoder"
"""The entry of a file's header that holds the record."""


def decoder_bytes(decoder: nn.Module, record: Mapping[str, Any]) -> bytes:
    """A decoder as a file, in half precision, with what it was made for and how in the header."""
    halves = {name: value.detach().cpu().half().contiguous() for name, value in decoder.state_dict().items()}
    return save(halves, {HEADER: json.dumps(dict(record))})


def identity(network: Network, layer: str) -> dict[str, Any]:
    """What a decoder belongs to."""
    return {
        "network": network.name, "sha256": network.sha256 or state_sha256(network.model), "layer": layer,
        **geometry(network, layer)._asdict(),
    }  # fmt: skip


def record_of(file: Path) -> dict[str, Any] | None:
    """What the header of a decoder's file says; None where it is no such file."""
    record = header(file, HEADER)
    return record if record is not None and isinstance(record.get("layer"), str) else None


def record_in(data: bytes) -> dict[str, Any]:
    """The record of a file that `decoder_bytes` made."""
    return header_in(data, HEADER)


def shipped_for(network: Network) -> dict[str, Path]:
    """The decoders that this package has for a network, by layer."""
    sha256, found = network.sha256, {}
    for file in sorted(WEIGHTS.glob("decoder-*.safetensors")) if sha256 else []:
        record = record_of(file)
        if record is not None and record.get("sha256") == sha256:
            found[record["layer"]] = file
    return found


def _file(given: str | PathLike[str] | None, network: Network, layer: str) -> Path:
    if given is not None:
        return given_path(given, "decoder")
    there = shipped_for(network)
    if layer not in there:
        has = f"there are decoders of {', '.join(there)}" if there else "there is no decoder"
        raise Mistake(
            f"{has} of {network.name} here, and none of {layer}; train one: phosphene train-decoder --layer {layer} "
            "--data FOLDER"
        )
    return there[layer]


def read_decoder(given: str | PathLike[str] | None, network: Network, layer: str) -> Decoder:
    """The decoder of a network's layer, on its device.

    Args:
        given: a file that `train-decoder` wrote; by default the one that this package has.
    Raises:
        Mistake: there is none, or it is one of another network or layer.
    """
    file = _file(given, network, layer)
    record = record_of(file)
    if record is None:
        why = broken(file) or "its header does not say that it is one"
        raise Mistake(f"{file.name} is no decoder ({why}); phosphene train-decoder writes them")
    own = identity(network, layer)
    if record["layer"] != own["layer"] or record.get("sha256") != own["sha256"]:
        of, net = _words(record["layer"]), _words(record.get("network"))
        weights = " with other weights" if net == own["network"] and record.get("sha256") != own["sha256"] else ""
        raise Mistake(
            f"{file.name} decodes {of} of {net}{weights}, not {layer} of {network.name}; give --net {net} --layer {of}"
            ", or train another: phosphene train-decoder"
        )
    decoder = Decoder(Geometry(own["channels"], own["doublings"], own["spread"]))
    filled(decoder, file)
    return decoder.eval().requires_grad_(False).to(network.device, working_dtype(network))


def _words(value: Any) -> str:
    return value[:60] if isinstance(value, str) and value.isprintable() else "something"


@torch.no_grad()
def decoder_pictures(
    given: str | PathLike[str] | None, network: Network, layer: str, code: Tensor, size: tuple[int, int]
) -> Float[Tensor, "n 3 h w"]:
    """What a decoder makes of codes: pictures in [0, 1] of (height, width).

    Args:
        given: a file; by default the one that this package has.
        code: of the layer, channels on axis 1.
    Raises:
        Mistake: there is no such decoder, or it is one of another network or layer.
    """
    decoder = read_decoder(given, network, layer)
    return decoded(decoder, network, layer, code.to(network.device, working_dtype(network)), size)
