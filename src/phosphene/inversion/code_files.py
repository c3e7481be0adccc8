"""Codes in files, without the picture that they are of: NAME.safetensors, float32, one tensor for each layer.

The header says whose they are (the network's spec and the SHA-256 of its weights) and how large the picture was;
nothing of the picture itself, nor its name. Such a file may come from anybody: it is data, read with limits, and what
does not fit the network is refused.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from phosphene.core.errors import Mistake, brief, did_you_mean, first_line
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Size
from phosphene.core.optimization.keys import Key
from phosphene.core.paths import NO_FILE, broken, given_path
from phosphene.core.pictures.files import CODES, LEAST_SIDE, MOST_PIXELS
from phosphene.core.results.provenance import network_record
from phosphene.core.units.inputs import feed
from phosphene.inversion.codes import ALL, Code, check_code, chosen_layers, is_score, read_codes

MOST_BYTES = 1_000_000_000
"""All nine blocks of an Inception at 1024 px have 60 MB."""

MOST_HEADER = 100_000
"""Letters of what is said about the codes."""

NEARLY = 0.02
"""Of a probe: other processors and precisions move it by less."""

HEADER = "phosphene code"
FORMAT = 1


@dataclass(frozen=True)
class Header:
    """What a file says about its codes.

    Attributes:
        spec: of the network.
        sha256: of its weights.
        size: (height, width) of the picture.
        probe: of each layer the root mean square of what it says about noise of that size, by which networks of the
            same weights are told apart; of layers that a file does not say it of, nothing.
    """

    spec: str
    sha256: str
    size: Size
    probe: Mapping[str, float]


def code_file(network: Network, codes: Sequence[Code], size: Size) -> bytes:
    """What is to be written."""
    own = network_record(network)
    said = {"format": FORMAT, "network": own["spec"], "sha256": own["sha256"], "height": size[0], "width": size[1]}
    names = [code.layer for code in codes]
    said["probe"] = {name: _size(one) for name, one in zip(names, _of_noise(network, names, size), strict=True)}
    tensors = {code.layer: code.values.detach().float().cpu().contiguous() for code in codes}
    return save(tensors, {HEADER: json.dumps(said)})


def encoded(network: Network, photo: Any, layer: str | Sequence[str] | None, fit: Any = "crop") -> bytes:
    """The file of a photograph's codes: what `phosphene code` writes."""
    fed = feed(network, photo, fit)
    return code_file(network, read_codes(network, fed, chosen_layers(network, layer)), (fed.shape[2], fed.shape[3]))


def read_code_file(
    network: Network, given: str | PathLike[str], layer: str | Sequence[str] | None = None
) -> tuple[list[Code], Size]:
    """The codes in a file, in the network's order, and the size of the picture that they are of.

    Args:
        layer: which of them; by default all.
    Raises:
        Mistake: it is no such file, or of another network; it lacks a layer, or one has another shape.
    """
    path = given_path(given, "code")
    try:
        if why := broken(path, MOST_BYTES):
            missing = f"there is no file {path}; phosphene code PHOTO --layer L --out {path.name} writes one"
            raise Mistake(missing if why == NO_FILE else f"{path.name} can't be read as a code: {why}")
        with safe_open(path, "pt") as held:
            said = (held.metadata() or {}).get(HEADER)
            if said is None:
                raise Mistake(f"{path.name} is no file of codes; phosphene code PHOTO --layer L --out FILE{CODES}")
            header = _header(said, path.name)
            _check_network(network, header, path.name)
            names = _wanted(network, list(held.keys()), layer, path.name)
            probes = _of_noise(network, names, header.size)
            codes = [
                _code(network, name, held.get_slice(name), tuple(probe.shape), path.name)
                for name, probe in zip(names, probes, strict=True)
            ]
            _check_probes(network, header, dict(zip(names, probes, strict=True)), path.name)
    except (SafetensorError, OSError) as error:
        raise Mistake(f"{path.name} can't be read as a code: {first_line(error)}") from error
    return codes, header.size


def _header(said: str, name: str) -> Header:
    try:
        if len(said) > MOST_HEADER:
            raise ValueError
        data = json.loads(said)
        height, width = data["height"], data["width"]
        if data["format"] != FORMAT or type(height) is not int or type(width) is not int:
            raise ValueError
        probe = {str(layer): float(one) for layer, one in dict(data.get("probe", {})).items()}
        header = Header(str(data["network"]), str(data["sha256"]), (height, width), probe)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Mistake(f"{name} does not say what its codes are of as phosphene code writes it") from None
    if min(header.size) < LEAST_SIDE or height * width > MOST_PIXELS:
        raise Mistake(f"{name} is of a picture of {brief(width)} x {brief(height)} px, and there are none of that size")
    return header


def _check_network(network: Network, header: Header, name: str) -> None:
    own = network_record(network)["sha256"]
    if own != header.sha256:
        begins = f"the SHA-256 of its weights begins with {header.sha256[:12]}, not {own[:12]}"
        raise Mistake(f"{name} holds codes of {header.spec[:100]}, not of {network.name}: {begins}; give that as --net")


def _wanted(network: Network, held: Sequence[str], layer: str | Sequence[str] | None, name: str) -> list[str]:
    """Which of the layers that are there, in the order in which they run."""
    order = [*network.layers]
    there = sorted(held, key=lambda one: order.index(one) if one in order else len(order))
    wanted = there if layer in (None, [], ALL, [ALL]) else chosen_layers(network, layer)
    for one in wanted:
        if one not in there:
            near = did_you_mean(one, there) or f"; it has {', '.join(there[:20])}"
            raise Mistake(f"{name} has no code of {one}{near}")
        if one not in order and not is_score(network, one):
            raise Mistake(f"{name} has a code of '{one[:100]}', and {network.name} has no such layer")
    if not wanted:
        raise Mistake(f"{name} holds no code")
    return wanted


@torch.no_grad()
def _of_noise(network: Network, names: Sequence[str], size: Size) -> list[Tensor]:
    """What these layers say about even noise of this size, the same everywhere."""
    network.allowance.check_read(1, size)
    noise = Key(0, step=0).uniform(torch.arange(1), network.channels * size[0] * size[1])
    fed = noise.view(1, network.channels, *size).to(network.device, working_dtype(network))
    return [code.values for code in read_codes(network, fed, names, check=False)]


def _size(values: Tensor) -> float:
    """The root mean square."""
    return float(values.double().square().mean().sqrt())


def _check_probes(network: Network, header: Header, probes: Mapping[str, Tensor], name: str) -> None:
    """Raise a Mistake where a network of the same weights says something else: other functions between them, or
    another mean of what it is fed."""
    for layer, values in probes.items():
        told, own = header.probe.get(layer), _size(values)
        if told is not None and not abs(own - told) <= NEARLY * max(abs(own), abs(told)):
            raise Mistake(
                f"{name} holds codes of {header.spec[:100]}, which has the weights of {network.name} and says something"
                f" else about the same noise ({layer}: {told:.4g}, not {own:.4g}); give that as --net"
            )


def _code(network: Network, layer: str, held: Any, shape: tuple[int, ...], name: str) -> Code:
    """The code of one layer; its numbers are read when its shape is right."""
    own = tuple(held.get_shape())
    if own != shape or held.get_dtype() != "F32":
        words, wanted = (" x ".join(map(str, one[1:] or one)) for one in (own, shape))
        raise Mistake(f"{name} has {words} numbers ({held.get_dtype()}) for {layer}; there it is {wanted} (F32)")
    values: Float[Tensor, "1 channels ..."] = held[:].to(network.device, working_dtype(network))
    code = Code(layer, values)
    check_code(network, code)
    return code
