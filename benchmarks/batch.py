"""64 channels of the embedded photo network as one batch at 64 px: what the engine costs where pictures are small."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.byhand import channels_by_hand, forward_and_backward, frozen
from benchmarks.timing import Claim, Contestant, Report, Table, race
from phosphene.core.networks.network import Network
from phosphene.features.visualize import visualize
from phosphene.models.embedded import WEIGHTS
from phosphene.models.photo import Photo
from phosphene.models.specs import load

LAYER, SIDE, VIEW, MANY = "mixed4a", 64, 76, 64
OURS, BY_HAND, FLOOR = "phosphene", "loop by hand", "forward and backward alone"


def _network() -> Network:
    if (WEIGHTS / "photo.safetensors").is_file():
        return load("embedded:photo", device="cpu", precision="float32")
    torch.manual_seed(0)
    return Network(
        Photo().eval(), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), size=64, name="untrained photo"
    )


def run(repeats: int, quick: bool) -> Report:
    """The race and what must come out of it."""
    network = _network()
    model = frozen(network.model)
    steps, many = (3, 8) if quick else (24, MANY)

    def forward(x: Tensor) -> Tensor:
        x = F.max_pool2d(model.conv2(model.conv1(x)), 3, 2, 1)
        x = F.max_pool2d(model.mixed3b(model.mixed3a(x)), 3, 2, 1)
        return model.mixed4a(x)

    def ours(tick: Callable[[], None]) -> None:
        units = [f"{LAYER}:0-{many - 1}"]
        for _ in visualize(network, units, size=SIDE, steps=steps, preset="lucid"):
            tick()

    def by_hand(tick: Callable[[], None]) -> None:
        channels_by_hand(forward, range(many), side=SIDE, steps=steps, mean=network.mean, std=network.std, tick=tick)

    x = torch.rand(many, 3, VIEW, VIEW).contiguous(memory_format=torch.channels_last)
    contestants: dict[str, Contestant] = {
        OURS: ours, BY_HAND: by_hand, FLOOR: lambda tick: forward_and_backward(forward, x, steps, tick)
    }  # fmt: skip
    seconds = race(contestants, repeats)
    table = Table(f"{many} channels of {LAYER}, {network.name}, {SIDE} px, one batch, seconds a step", seconds)
    claim = Claim(
        "a batch takes at most 1.15 times as long as the loop by hand",
        seconds[OURS].over(seconds[BY_HAND]), 1.15, at_least=False,
    )  # fmt: skip
    return Report([table], [claim], [f"{steps} steps in each repeat."])
