"""What a decoder is worth, on pictures that it has not seen: alone, as the start of an inversion, and as a prior.

Beside it stands the inversion that begins with noise and knows nothing but total variation, with as many steps. Three
numbers each, means over the pictures: SSIM and PSNR against the photograph, and the normalized error of the code,
|Phi(x) - Phi_0|^2 / |Phi_0|^2.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.likeness import psnr, ssim
from phosphene.inversion.codes import Code, errors, read_codes
from phosphene.inversion.decoders import near
from phosphene.inversion.presets import PRESETS
from phosphene.inversion.search import searched
from phosphene.models.decoder import decoded

STEPS = 20
"""Of each inversion: few, as what a decoder saves are the first."""

WEIGHT = 10.0
"""Of the distance to the decoder's picture beside the code's normalized error."""

TOGETHER = 16
"""Pictures that are inverted at a time."""


@dataclass(frozen=True)
class Measured:
    """How near pictures come to photographs, means over them."""

    ssim: float
    psnr: float
    error: float


def measured(
    network: Network,
    layer: str,
    decoder: nn.Module,
    photos: Float[Tensor, "n 3 h w"],
    steps: int = STEPS,
    seed: int = 0,
) -> dict[str, Measured]:  # fmt: skip
    """The numbers of each way from the codes of these photographs to pictures.

    Args:
        photos: at the size at which the network is to see them.
        steps: of each inversion.
    """
    parts = [_measured(network, layer, decoder, part, steps, seed) for part in photos.split(TOGETHER)]
    every = {way: torch.cat([part[way] for part in parts], 1).mean(1).tolist() for way in parts[0]}
    return {way: Measured(*numbers) for way, numbers in every.items()}


def _measured(
    network: Network, layer: str, decoder: nn.Module, photos: Tensor, steps: int, seed: int
) -> Mapping[str, Float[Tensor, "3 n"]]:
    photos = photos.to(network.device, working_dtype(network))
    size, rows = (photos.shape[2], photos.shape[3]), range(len(photos))
    codes = [read_codes(network, photo[None], [layer])[0] for photo in photos]
    with torch.no_grad():
        values = torch.cat([code.values for code in codes]).to(working_dtype(network))
        start = decoded(decoder, network, layer, values, size)
    settings = PRESETS["default"].but({"steps": steps})

    def inverted(start: Tensor | None, weight: float) -> Tensor:
        nouns = Nouns(prior=weight * near(prior) if weight else None)
        *_, last = searched(network, codes, settings, size, starts=rows, seed=seed, nouns=nouns, start=start)
        return last.pictures

    prior = start
    ways = {
        "noise": inverted(None, 0), "decoder alone": start, "decoder as start": inverted(start, 0),
        "decoder as prior": inverted(None, WEIGHT),
    }  # fmt: skip
    return {way: _numbers(network, codes, nearest_levels(pictures), photos) for way, pictures in ways.items()}


def _numbers(network: Network, codes: list[Code], found: Tensor, photos: Tensor) -> Float[Tensor, "3 n"]:
    """SSIM, PSNR and the codes' errors."""
    pairs = list(zip(found.split(1), photos.split(1), strict=True))
    likeness = [torch.cat([of(one, photo) for one, photo in pairs]) for of in (ssim, psnr)]
    return torch.stack([*(one.double().cpu() for one in likeness), errors(network, codes, found)])


def card(record: Mapping[str, Any]) -> str:
    """What stands beside a decoder, in Markdown."""
    made, about = record["training"], f"`{record['layer']}` of `{record['network']}`"
    lines = [
        f"# A decoder of {about}", "",
        f"Makes a picture of what {about} says, in one pass (Dosovitskiy & Brox 2016, arXiv:1506.02753). Trained on "
        f"{made['pictures']:,} pictures, {made['epochs']} epochs, seed {made['seed']}. It paints what those show, "
        "whether a code holds it or not.", "",
        f"Measured on {record['measured on']} pictures that it was not trained on, {made['size']} px, "
        f"{record['steps']} steps of each inversion:", "",
        "| way to the picture | SSIM | PSNR | error of the code |", "|---|---|---|---|",
        *(f"| {way} | {one['ssim']:.3f} | {one['psnr']:.2f} dB | {one['error']:.4f} |"
          for way, one in record["measured"].items()), "",
    ]  # fmt: skip
    return "\n".join(lines)


def measured_record(
    network: Network, layer: str, decoder: nn.Module, photos: Tensor, steps: int = STEPS
) -> dict[str, Any]:
    """What `measured` finds, as it stands in a decoder's header."""
    found = measured(network, layer, decoder, photos, steps)
    return {"measured on": len(photos), "steps": steps, "measured": {way: asdict(one) for way, one in found.items()}}
