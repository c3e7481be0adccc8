"""Styles of large pictures block by block: what a step costs beside the undivided one, and the peak of a process.

The picture and the style are noise, the networks VGG-19 compressed 16 times and torchvision's VGG-19 untrained: neither
time nor memory depends on what they see. Each peak is that of a process of its own that takes two steps of Adam on the
pixels: `python -m benchmarks.blocks NETWORK HEIGHT WIDTH`.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.cache import DATA
from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import Objective, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import adam
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.models.specs import load
from phosphene.style.blocks import by_blocks
from phosphene.style.borders import replicated
from phosphene.style.parts import of_style
from phosphene.style.terms import LayerStyle, targets

COMPRESSED, FULL = "vgg19_16x", "torchvision:vgg19?weights=none"
NETWORKS = {COMPRESSED: [f"relu{i}_1" for i in range(1, 6)], FULL: [f"features.{i}" for i in (1, 6, 11, 20, 29)]}
"""relu1_1 to relu5_1 of both."""

STATISTICS = {"gram": 1.0, "spread": 1.0}

SIZE, BLOCK = (1366, 2048), 1.3e6
"""(height, width) of a picture that fits as a whole, and the pixels of a block: what memory leaves for VGG-19."""

LARGE, MOST = ((2731, 4096), (3651, 5477)), 6e9

WHOLE, ONE, BLOCKS = "the undivided gradient", "phosphene, as one block", "phosphene, by blocks"


def _network(name: str) -> Network:
    if name == FULL:
        return load(name, device="cpu").planned("picture")
    build = runpy.run_path(str(DATA / "models" / f"{name}.py"))["build_encoder"]
    return Network(build(5), size=224, name=name).planned("picture")


def _noise(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def _styles(network: Network, name: str, side: int = 256) -> list[LayerStyle]:
    return targets(network, [_noise(side, side)], NETWORKS[name], STATISTICS, rule=replicated)


def _steps(objective: Objective, x: Tensor, many: int) -> Contestant:
    def run(tick: Callable[[], None]) -> None:
        tick()
        for step in range(many):
            objective(x, torch.arange(1), Key(step=step))
            tick()

    return run


def _cost(name: str, size: tuple[int, int], pixels: float, many: int, repeats: int) -> tuple[Table, list[Claim]]:
    """What a gradient costs as a whole and by blocks."""
    network, x = _network(name), _noise(*size)
    styles = _styles(network, name)
    term = sum((style.term for style in styles[1:]), start=styles[0].term)
    parts = [of_style(style) for style in styles]
    seconds = race(
        {
            WHOLE: _steps(gradient(network, term, rule=replicated), x, many),
            ONE: _steps(by_blocks(network, parts, rule=replicated, pixels=float("inf")), x, many),
            BLOCKS: _steps(by_blocks(network, parts, rule=replicated, pixels=pixels), x, many),
        },
        repeats,
    )
    height, width = size
    title = f"A style's gradient on {name}, {width} x {height} px, blocks of {pixels:.2g} pixels at most, seconds"
    return Table(title, seconds), [
        Claim(f"on {name} blocks take at most 1.5 times as long as the undivided gradient",
              seconds[BLOCKS].over(seconds[WHOLE]), 1.5, False),
        Claim(f"on {name} one block takes at most 1.05 times as long", seconds[ONE].over(seconds[WHOLE]), 1.05, False),
    ]  # fmt: skip


def _peak(name: str, size: tuple[int, int]) -> float:
    """The peak resident memory of a process that takes two steps, in bytes."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.blocks", name, *map(str, size)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"two steps of {size[1]} x {size[0]} px failed: {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(repeats: int, quick: bool) -> Report:
    """The peaks, as a process inherits the one of its parent; then the race on both networks."""
    names = [name for name in NETWORKS if name == FULL or (DATA / "models" / f"{name}.py").is_file()]
    names = names[:1] if quick else names
    size, pixels, many = ((256, 448), 80_000, 2) if quick else (SIZE, BLOCK, 2)
    rows, findings = [], []
    for name in names:
        for height, width in [(256, 320)] if quick else LARGE:
            found = _peak(name, (height, width))
            rows.append((name, f"{width} x {height} px", f"{found / 1e9:.2f} GB"))
            sentence = f"{width} x {height} px on {name} stay below {MOST / 1e9:g} GB"
            findings.append(Finding(sentence, found < MOST, rows[-1][2]))
    tables, claims = zip(*(_cost(name, size, pixels, many, repeats) for name in names), strict=True)
    memory = Rows("Peak resident memory of two steps of Adam", ("network", "size", "peak"), rows)
    return Report([*tables, memory], [*(claim for some in claims for claim in some), *findings], [__doc__ or ""])


def _two_steps(name: str, height: int, width: int) -> None:
    network = _network(name)
    objective = by_blocks(network, [of_style(style) for style in _styles(network, name)], rule=replicated)
    for _ in argmin(Pixels(_noise(height, width)), objective, optimizer=adam(0.02), constraint=box(), steps=2):
        pass


if __name__ == "__main__":
    _two_steps(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
