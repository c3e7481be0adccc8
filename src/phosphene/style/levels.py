"""Levels: the layers of a network that a style is put into, from deep ones to shallow ones, each with its decoder.

What decodes them is, in this order: files of `phosphene train-decoder`; the network's own, where its model has an
attribute `decoders`, a dict of modules by the layers that they decode; or what this package has for it.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.paths import broken, given_path
from phosphene.core.pictures.files import Photo
from phosphene.models.decoder import decoded, geometry, placed
from phosphene.models.decoder_files import read_decoder, record_of, shipped_for

LIKE = 0.25
"""A decoder whose own pictures are less like photographs than this (SSIM) loses what is in them, and has to be asked
for by name."""


@dataclass(frozen=True)
class Level:
    """A layer that is read, and what makes pictures of it.

    Attributes:
        network: whose it is.
        layer: its name.
        decoder: from its features to pictures.
        stride: pixels from one position to the next.
        ours: whether the decoder is one of `train-decoder`, which are small and blur.
    """

    network: Network
    layer: str
    decoder: nn.Module
    stride: int
    ours: bool

    @torch.no_grad()
    def features(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c rows columns"]:
        """What the layer says."""
        return placed(self.network, self.layer, self.network.read(pictures, [self.layer])[self.layer])

    @torch.no_grad()
    def pictures(self, features: Float[Tensor, "n c rows columns"], size: tuple[int, int]) -> Float[Tensor, "n 3 h w"]:
        """What the decoder makes of features, in [0, 1], at (height, width)."""
        return decoded(self.decoder, self.network, self.layer, features, size).clamp(0, 1)


def levels(
    network: Network, files: Sequence[Photo] | None = None, layers: str | Sequence[str] | None = None
) -> list[Level]:
    """The levels of a network, the deepest first.

    Args:
        files: of decoders; by default the network's own, or those that this package has.
        layers: those that are to be used; by default all that are given, or that come with a decoder which keeps
            pictures recognizable.
    Raises:
        Mistake: there is no decoder, or none of a layer; or a layer has no rows and columns.
    """
    there = _own(network) if files is None else dict(_read(network, files))
    if layers is None and files is None:
        layers = [layer for layer, one in there.items() if not isinstance(one, Path) or _keeps(one)]
    wanted = _wanted(network, there, [layers] if isinstance(layers, str) else layers or list(there))
    order = list(network.layers)
    return [_level(network, layer, there[layer]) for layer in sorted(wanted, key=order.index, reverse=True)]


def _own(network: Network) -> Mapping[str, nn.Module | Path]:
    """What comes with the network, by layer."""
    found: Any = getattr(network.model, "decoders", None)
    if found is None:
        return shipped_for(network)
    if not isinstance(found, (Mapping, nn.ModuleDict)) or not all(isinstance(one, nn.Module) for one in found.values()):
        raise Mistake(f"decoders of {network.name} is {type(found).__name__}, not a dict of modules by layer")
    return {network.layer(name).name: found[name] for name in found}


def _read(network: Network, files: Sequence[Photo]) -> Iterator[tuple[str, Path]]:
    for given in files:
        if not isinstance(given, (str, PathLike)):
            raise Mistake(f"a decoder is a file that train-decoder wrote, not a {type(given).__name__}")
        file = given_path(given, "decoder")
        record = record_of(file)
        if record is None:
            why = broken(file) or "its header does not say that it is one"
            raise Mistake(f"{file.name} is no decoder ({why}); phosphene train-decoder writes them")
        yield record["layer"], file


def _wanted(network: Network, there: Mapping[str, object], layers: Sequence[str]) -> list[str]:
    if not there:
        raise Mistake(
            f"there is no decoder of {network.name} here, which makes pictures of its features; train some: "
            "phosphene train-decoder --layer LAYER --data FOLDER, and give them with --decoder"
        )
    names = [network.layer(layer).name for layer in layers]
    for name in names:
        if name not in there:
            near = did_you_mean(name, there)
            raise Mistake(f"there is no decoder of {name} of {network.name}{near}; there is {', '.join(there)}")
    return list(dict.fromkeys(names))


def _keeps(file: Path) -> bool:
    """Whether a decoder's pictures are like the photographs, as far as its header says."""
    measured = (record_of(file) or {}).get("measured")
    alone = measured.get("decoder alone") if isinstance(measured, dict) else None
    likeness = alone.get("ssim") if isinstance(alone, dict) else None
    return not isinstance(likeness, (int, float)) or likeness >= LIKE


def _level(network: Network, layer: str, found: nn.Module | Path) -> Level:
    shape = geometry(network, layer)
    if shape.spread:
        raise Mistake(f"{layer} of {network.name} has no rows and columns, which a style is about; take one before it")
    if isinstance(found, Path):
        decoder: nn.Module = read_decoder(found, network, layer)
    else:  # somebody's own stays as it is
        decoder = copy.deepcopy(found).eval().requires_grad_(False).to(network.device, working_dtype(network))
    return Level(network, layer, decoder, 2**shape.doublings, isinstance(found, Path))
