"""What a decoder is worth, on pictures that it has not seen: alone, as the start of an inversion, and as a prior.

Beside it stands the inversion that begins with noise and knows nothing but total variation, with as many steps. Three
numbers each, means over the pictures: SSIM and PSNR against the photograph, and the normalized error of the code,
|Phi(x) - Phi_0|^2 / |Phi_0|^2.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import ascent
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.terms import code_distance
from phosphene.inversion.decoder import decoded
from phosphene.inversion.decoders import near
from phosphene.inversion.invert import INVERT

STEPS = 40
"""Of each inversion: few, as what a decoder saves are the first."""

WEIGHT = 1.0
"""Of the distance to the decoder's picture beside the code's normalized error."""

TOGETHER = 16
"""Pictures that are inverted at a time."""


@dataclass(frozen=True)
class Measured:
    """How near pictures come to photographs, means over them."""

    ssim: float
    psnr: float
    error: float


@torch.no_grad()
def likeness(
    found: Float[Tensor, "n 3 h w"], photos: Float[Tensor, "n 3 h w"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """SSIM over the colours (Wang et al. 2004, doi:10.1109/TIP.2003.819861; windows of 7 px) and PSNR in dB."""
    from skimage.metrics import structural_similarity

    side = min(7, *photos.shape[2:])
    pairs = zip(found.float().cpu().numpy(), photos.float().cpu().numpy(), strict=True)
    window = side - 1 + side % 2
    ssim = [structural_similarity(a, b, data_range=1.0, channel_axis=0, win_size=window) for a, b in pairs]
    mse = (found - photos).square().mean((1, 2, 3)).double().cpu().clamp_min(1e-10)
    return torch.tensor(ssim).double(), -10 * mse.log10()


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
    reading, size, rows = network.planned("reading"), (photos.shape[2], photos.shape[3]), torch.arange(len(photos))
    with torch.no_grad():
        code = reading.read(photos, [layer])[layer]
        start = decoded(decoder, network, layer, code.to(working_dtype(network)), size)
    distance = code_distance(layer, code)

    def inverted(start: Tensor | None, weight: float) -> Tensor:
        how = replace(ascent(INVERT.but({"steps": steps}), network, size), redirected=False)
        if weight:
            how = replace(how, priors=[*how.priors, weight * near(prior)])
        path = how.trajectory(network, [(rows.tolist(), -distance)], Key(seed), size, start=start, batch=TOGETHER)
        *_, last = path.steps
        return last.pictures

    prior = start
    ways = {
        "noise": inverted(None, 0), "decoder alone": start, "decoder as start": inverted(start, 0),
        "decoder as prior": inverted(None, WEIGHT), "decoder as start and prior": inverted(start, WEIGHT),
    }  # fmt: skip
    found = {}
    for way, pictures in ways.items():
        shown = (pictures * 255).round() / 255
        error = values(reading, distance, shown.to(photos), rows).double().cpu()
        found[way] = torch.stack([*likeness(shown, photos), error])
    return found


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
