"""What each way to run a network brings: there and back through the whole of it, one picture of its own size.

The rules of `networks/plan.py` are drawn from this table; `phosphene tune` measures the same for one's own network.
"""

from collections.abc import Callable

import torch

from benchmarks.byhand import frozen
from benchmarks.timing import Contestant, Report, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, REWRITES, Plan
from phosphene.models.specs import load

NETWORKS = (
    "embedded:photo",
    "torchvision:googlenet?weights=none&init_weights=False&aux_logits=False",
    "torchvision:resnet18?weights=none",
    "torchvision:densenet121?weights=none",
    "torchvision:mobilenet_v3_small?weights=none",
    "torchvision:vgg11?weights=none",
    "torchvision:vit_b_16?weights=none",
)
WAYS = {
    "all of it, bfloat16": Plan("bfloat16", True, REWRITES),
    "all of it, float32": Plan("float32", True, REWRITES),
    "float32, channels last": Plan("float32", True, ()),
    "as it comes": Plan("float32", False, ()),
}


def _contestant(network: Network, x: torch.Tensor, plan: Plan, steps: int) -> Contestant:
    planned = network.following(dict.fromkeys(PURPOSES, plan))

    def run(tick: Callable[[], None]) -> None:
        tick()
        for _ in range(steps):
            leaf = x.detach().requires_grad_()
            torch.autograd.grad(planned.read(leaf, ["logits"])["logits"].square().sum(), leaf)
            tick()

    return run


def run(repeats: int, quick: bool) -> Report:
    """A table for each network."""
    tables = []
    for spec in NETWORKS[:1] if quick else NETWORKS:
        network = load(spec, device="cpu", precision="float32")
        frozen(network.model)
        x = torch.rand(1, 3, *network.size, generator=torch.Generator().manual_seed(0))
        ways = {name: _contestant(network, x, plan, 2 if quick else 8) for name, plan in WAYS.items()}
        name = network.name.partition("?")[0]
        tables.append(Table(f"{name}, {network.size[0]} px, there and back", race(ways, repeats)))
    return Report(tables, (), ["All of it is channels last, banded normalization and folded batch normalization."])
