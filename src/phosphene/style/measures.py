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
from phosphene.style.blocks import Additive
from phosphene.style.parts import of_style
from phosphene.style.reading import measured
from phosphene.style.terms import LayerStyle


def losses(
    network: Network, styles: Sequence[LayerStyle], content: Additive, pictures: Float[Tensor, "n 3 h w"], rule: Rule
) -> list[dict[str, Any]]:
    """Of each picture the distance of its content, and of its style layer by layer, each 0 where it is as wanted.

    Of several regions that of each besides.
    """
    many = len(styles[0].regions)
    apart = [style.alone(i) for i in range(many) for style in styles] if many > 1 else []
    parts, found = [content, *map(of_style, [*styles, *apart])], []
    for one in pictures.split(1):
        about, *each = (float(value) for value in measured(network, parts, one, rule))
        by_region = [
            {style.layer: value for style, value in zip(styles, each[first : first + len(styles)], strict=True)}
            for first in range(0, len(each), len(styles))
        ]
        found.append({"content": about, "style": by_region[0]})
        if many > 1:
            found[-1]["style by region"] = by_region[1:]
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
