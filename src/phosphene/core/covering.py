"""placeholder"""

from collections.abc import Iterable, Sequence
from typing import Literal
import torch
from torch import Tensor
from phosphene.core.network import Network


class Covering:
    """placeholder"""

    def __init__(
        self,
        network: Network,
        picture: Tensor,
        filling: Tensor,
        window: tuple[int, int],
        layers: Iterable[str],
        how: Literal["auto", "incremental", "full"] = "auto",
    ) -> None:
        self.network, self.picture, self.filling, self.window = network, picture, filling, window
        self.layers = list(layers)
        self.words = "computed in full"
        with torch.no_grad():
            self.clean = network.read(picture, self.layers)

    def batch(self, usual: int) -> int:
        return usual

    @torch.no_grad()
    def read(self, corners: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        x = self.picture.repeat(len(corners), 1, 1, 1)
        h, w = self.window
        for one, (r, c) in zip(x, corners):
            one[:, r : r + h, c : c + w] = self.filling[0, :, r : r + h, c : c + w]
        return self.network.read(x, self.layers)
