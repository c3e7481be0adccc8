"""PGD-40 on resnet18, 32 pictures of 64 px at once: what folding batch normalization brings, beside the loop by hand.

The network is untrained: what it says doesn't matter to the time, and its normalization works all the same.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from benchmarks.byhand import frozen
from benchmarks.timing import Claim, Contestant, Report, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan
from phosphene.core.optimization.constraints import linf
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.terms import cross_entropy
from phosphene.models.specs import load

BATCH, SIDE, STEPS, EPS = 32, 64, 40, 8 / 255
OURS, UNFOLDED, PLAIN = "phosphene", "phosphene, not folded", "loop by hand"


def run(repeats: int, quick: bool) -> Report:
    """The race and what must come out of it."""
    network = load("torchvision:resnet18?weights=none", device="cpu", precision="float32")
    model = frozen(network.model)
    steps, batch = (2, 4) if quick else (STEPS, BATCH)
    x = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    said = network.read(x, ["logits"])["logits"].argmax(1)

    def ours(network: Network) -> Contestant:
        def attack(tick: Callable[[], None]) -> None:
            objective = gradient(network, -cross_entropy(said.tolist()))
            for _ in argmin(Pixels(x), objective, optimizer=sign(EPS / 10), constraint=linf(x, EPS), steps=steps):
                tick()

        return attack

    def by_hand(tick: Callable[[], None]) -> None:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (network.mean, network.std))
        moved = x.clone()
        tick()
        for _ in range(steps):
            leaf = moved.requires_grad_()
            loss = F.cross_entropy(model((leaf - mean) / std), said, reduction="sum")
            (slope,) = torch.autograd.grad(loss, leaf)
            moved = (leaf.detach() + EPS / 10 * slope.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
            tick()

    unfolded = network.following(dict.fromkeys(PURPOSES, Plan("float32", True, ())))
    contestants: dict[str, Contestant] = {
        OURS: ours(network.planned("search")), UNFOLDED: ours(unfolded.planned("search")), PLAIN: by_hand
    }  # fmt: skip
    seconds = race(contestants, repeats)
    table = Table(f"PGD, {batch} pictures of {SIDE} px, resnet18, float32, seconds a step", seconds)
    claim = Claim(
        "with batch normalization folded it is at least 1.15 times as fast as without",
        seconds[UNFOLDED].over(seconds[OURS]), 1.15, at_least=True,
    )  # fmt: skip
    return Report([table], [claim], [f"{steps} steps in each repeat."])
