"""What is said about a picture in a style: how far its content and its style are from what they were to be."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil
import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.terms import Reading, Term
from phosphene.style.terms import LayerStyle


@torch.no_grad()
def losses(
    network: Network, styles: Sequence[LayerStyle], content: Term, pictures: Float[Tensor, "n 3 h w"], rule: Rule
) -> list[dict[str, Any]]:
    """Of each picture the distance of its content, and of its style layer by layer, each 0 where it is as wanted.

    Of several regions that of each besides.
    """
    found = []
    names = {style.layer for style in styles} | content.layers
    for one in pictures.split(1):
        layers = network.read(one, names, rule)
        first = torch.zeros(1, dtype=torch.long, device=one.device)
        reading = Reading(one, first, one, first, layers)
        each = {style.layer: float(style.term.of(reading)) for style in styles}
        found.append({"content": float(content.of(reading)), "style": each})
        if len(styles[0].regions) > 1:
            found[-1]["style by region"] = [
                {style.layer: float(style.alone(i).term.of(reading)) for style in styles}
                for i in range(len(styles[0].regions))
            ]
    return found


def fall(before: dict[str, float], after: dict[str, float]) -> float:
    """How many times smaller the sum over layers has become; JSON knows no infinity."""
    return sum(before.values()) / max(sum(after.values()), 1e-12)


class Meter:
    """Seconds since it was made, and the most memory meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._began = device, time.monotonic()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def numbers(self) -> dict[str, float]:
        """`seconds`, and `peak memory` in GiB: of the process, or on a GPU of its memory there."""
        return {"seconds": round(time.monotonic() - self._began, 2), "peak memory": round(self._bytes() / 2**30, 3)}

    def _bytes(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if sys.platform == "win32":
            return psutil.Process().memory_info().peak_wset
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
