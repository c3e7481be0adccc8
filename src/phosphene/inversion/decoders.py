"""Decoders in files: written, found, checked, and what an inversion makes of their pictures.

A learned decoder's picture D(Phi_0) is used in three ways: alone; as where an inversion begins; and as a prior,

    R(x) = mean (x - D(Phi_0))^2 ,

which among all pictures with the code prefers the one nearest to D(Phi_0). As D was trained on squared differences,
D(Phi_0) is about the mean of all pictures with this code, weighted by how natural they are, and the picture with the
code that is nearest to it is the best guess at the photograph in the mean square (a projection onto what the code
allows). Plug-and-play networks (Nguyen et al. 2017, arXiv:1612.00005) take x - D(Phi(x)) instead, which runs the
decoder in each step; where x has the code already, it is the same.

What such a prior adds is what it was trained on, whether it was in the photograph or not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.paths import broken, given_path
from phosphene.core.pictures.files import Photo
from phosphene.core.results.provenance import state_sha256
from phosphene.inversion.codes import Code
from phosphene.inversion.decoder import Decoder, Geometry, decoded, geometry
from phosphene.models.embedded import WEIGHTS

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
    try:
        if broken(file) is not None:
            return None
        with safe_open(file, "pt") as held:
            record = json.loads((held.metadata() or {}).get(HEADER, "null"))
    except (SafetensorError, OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("layer"), str) else None


def record_in(data: bytes) -> dict[str, Any]:
    """The record of a file that `decoder_bytes` made."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER])


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
    with safe_open(file, "pt") as held:
        state = {name: held.get_tensor(name).float() for name in held.keys()}  # noqa: SIM118 (not a mapping)
    wanted = {name: value.shape for name, value in decoder.state_dict().items()}
    if {name: value.shape for name, value in state.items()} != wanted:
        raise Mistake(f"{file.name} holds other weights than a decoder of {layer} has; train it anew")
    if not all(value.isfinite().all() for value in state.values()):
        raise Mistake(f"{file.name} holds values that are not finite; train it anew")
    decoder.load_state_dict(state)
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
    begins = decoder is not None if decoded is None else decoded
    if not begins and not weight:
        if decoder is not None:
            raise Mistake("a decoder is given, and neither is begun at its picture nor has it a weight; leave one out")
        return Led()
    if decoder is not None and not isinstance(decoder, (str, PathLike)):
        raise Mistake(f"a decoder is a file that train-decoder wrote, not a {type(decoder).__name__}")
    pictures = torch.cat([decoder_pictures(decoder, network, code.layer, code.values, size) for code in codes])
    return Led(pictures if begins else None, weight * near(pictures) if weight else None)
