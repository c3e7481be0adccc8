"""Measure which plan is fastest for one network on this machine, and write it down for `--plan`.

The rules of `networks/plan.py` are drawn from a few networks on a few machines; this asks the one at hand. Every
candidate computes the gradient of what the network says with respect to its input, by turns, so that a disturbance
meets all.
"""

import itertools
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import torch
from torch import Tensor

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, Plan, Purpose
from phosphene.core.networks.verification import rewritable
from phosphene.core.optimization.objectives import pulled
from phosphene.core.results.provenance import network_record, versions

CLEARLY = 0.97  # a plan that is not simpler has to be this much faster


@dataclass
class Candidate:
    """One way to run a network, and what came of it.

    Attributes:
        plan: the way.
        seconds: of each turn.
        apart: how far its gradient is from that of the plain way, as a part of its norm.
        refused: why the network can't be run so.
    """

    plan: Plan
    seconds: list[float] = field(default_factory=list)
    apart: float = 0.0
    refused: str = ""

    @property
    def median(self) -> float:
        """Of the turns after the first, which warms up."""
        return statistics.median(self.seconds[1:]) if len(self.seconds) > 1 else float("inf")


def candidates(network: Network) -> list[Candidate]:
    """Every plan that this network could be run by, the plainest first."""
    own = str(network.dtype).removeprefix("torch.")
    precisions = [own, "bfloat16"] if own == "float32" else [own]
    rewrites = rewritable(network.anatomy)
    chosen = [some for many in range(len(rewrites) + 1) for some in itertools.combinations(rewrites, many)]
    ways = itertools.product(precisions, (False, True), chosen)
    return [Candidate(Plan(precision, last, some)) for precision, last, some in ways]


def _gradient(network: Network, x: Tensor) -> Tensor:
    with torch.enable_grad(), ExitStack() as until:
        leaf = x.detach().requires_grad_()
        logits = network.read(leaf, ["logits"], until=until)["logits"]
        gradient = pulled(logits.square(), leaf, network.name)
    return gradient.float().cpu()  # which waits for a GPU


def measure(
    network: Network, every: Sequence[Candidate], *, size: int | None = None, batch: int = 1, repeats: int = 7
) -> Iterator[Candidate]:
    """Let the candidates take turns; yields whose turn it was.

    Args:
        every: of `candidates`; what was measured is kept in them.
        size: side of the pictures; by default the network's own.
        batch: how many pictures at once.
        repeats: how many turns each has; the first one is not counted.
    Raises:
        Mistake: a size that the network doesn't take, or too few turns.
    """
    check_range("repeats", repeats, 2)
    check_range("batch", batch, 1)
    check_range("size", size, 8, 10_000)
    sides = network.size if size is None else (size, size)
    if network.fixed and sides != network.size:
        raise Mistake(f"{network.name} takes pictures of {network.size[0]} x {network.size[1]} px only")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, network.channels, *sides, generator=generator).to(network.device, network.dtype)
    runs = [network.following(dict.fromkeys(PURPOSES, one.plan)) for one in every]
    plain = _gradient(runs[0], x)
    for one, run in zip(every, runs, strict=True):
        if run.plan != one.plan:
            one.refused = "fails, or says something else"
    for _ in range(repeats):
        for one, run in zip(every, runs, strict=True):
            if not one.refused:
                try:
                    start = time.perf_counter()
                    gradient = _gradient(run, x)
                    one.seconds.append(time.perf_counter() - start)
                    one.apart = float((gradient - plain).norm() / plain.norm().clamp(min=1e-30))
                except RuntimeError as error:  # "... not implemented for 'BFloat16'"
                    one.refused = str(error).partition("\n")[0]
            yield one


def chosen(every: Sequence[Candidate]) -> dict[Purpose, Plan]:
    """The fastest plan for each purpose among those that it allows; where it is a near thing, the plainest.

    A reading is made once, so nothing is prepared for it, and it is exact; so is a search; pictures take all there is.
    """
    own = every[0].plan.precision
    exact = [one for one in every if one.plan.precision == own]
    allowed = {"reading": [one for one in exact if "batch_norm" not in one.plan.rewrites], "search": exact}
    return {purpose: _fastest(allowed.get(purpose, every)).plan for purpose in PURPOSES}


def _fastest(some: Sequence[Candidate]) -> Candidate:
    best = some[0]
    for one in some[1:]:
        if one.median < CLEARLY * best.median:
            best = one
    return best


def measured(network: Network, every: Sequence[Candidate]) -> dict[str, Any]:
    """The chosen plans, and what they were chosen from, ready for JSON: what `load(plan=FILE)` reads."""
    return {
        "network": network_record(network),
        "plans": {purpose: plan.record() for purpose, plan in chosen(every).items()},
        "measured": [
            {"plan": one.plan.record(), "seconds": [round(s, 6) for s in one.seconds[1:]], "apart": one.apart}
            | ({"refused": one.refused} if one.refused else {})
            for one in every
        ],
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "device": str(network.device),
            "threads": torch.get_num_threads(),
        },
        "versions": versions(),
        "date": date.today().isoformat(),
    }  # fmt: skip
