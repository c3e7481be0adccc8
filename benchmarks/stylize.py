"""Style transfer: how soon our schedule is where a tutorial's loop ends, what a step costs, and beside the best peer.

The peer's loop (crowsonkb, style-transfer-pytorch) is written here from its description: sizes by sqrt 2, Adam .02
with (.9, .99), 1000 and then 500 steps a size, an average of .99, content .015, style layers 256:64:16:4:1, total
variation 2.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.timing import Claim, Finding, Report, Rows, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, values
from phosphene.core.optimization.terms import Reading, energy
from phosphene.core.optimization.transforms import as_is
from phosphene.core.pictures.files import open_photo
from phosphene.models.specs import load
from phosphene.style.borders import replicated
from phosphene.style.layers import content_layer, style_layers
from phosphene.style.measures import Meter
from phosphene.style.presets import setup
from phosphene.style.schedule import Making, Mixture, resized, sizes

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PHOTO, STYLE = DATA / "images" / "tubingen.jpg", DATA / "images" / "starry_night.jpg"
MISSING = "Left out: the shared test data are not here (models/vgg19_16x.py, images/tubingen.jpg)."
SIDE, ITERATIONS = 512, 300
OURS, PEER = "phosphene stylize", "style-transfer-pytorch's loop"
PLAIN, PLANNED = "a tutorial's loop", "the same loop, read by our plan"
STEP, BARE, NOTHING = "a step of stylize", "its forward and backward alone", "the same without any statistic"
PEER_STEPS = (1000, 500)
CONTENT, RATIOS, SMOOTH = 0.015, (256, 64, 16, 4, 1), 2.0


def run(repeats: int, quick: bool) -> Report:
    """The tutorial's objective, a step beside its gradient, and the peer's loop."""
    if not (DATA / "models" / "vgg19_16x.py").is_file():
        return Report(notes=[MISSING])
    side, part = (64, 100) if quick else (SIDE, 1)
    table, half = _tutorial(side, part)
    steps, engine = _steps(side, repeats, 4 if quick else 8)
    beside = _beside(side, part)
    notes = [
        "Seconds and memory beside the peer are of processes of their own; its objective is measured by our terms."
    ]
    return Report([table, steps, beside], [] if quick else [half, engine], notes)


def compressed() -> Network:
    """VGG-19 compressed 16 times, all five depths of it."""
    sys.path.insert(0, str(DATA / "models"))
    from vgg19_16x import build_encoder  # pyright: ignore

    return Network(build_encoder(5), size=224, name="vgg19_16x").planned("picture")


def making(network: Network, side: int, preset: str = "default", **given: Any) -> Making:
    """The photograph in the style of the painting, the longer side in px."""
    how, photo = setup(preset, given), open_photo(PHOTO).to(network.dtype)
    height, width = (round(side * one / max(photo.shape[2:])) for one in photo.shape[2:])
    layers = style_layers(network)
    return Making(
        network, photo, [open_photo(STYLE).to(network.dtype)], [1.0], layers, content_layer(network), how,
        [Mixture([1 / len(layers)] * len(layers), how.content)], sizes((height, width), how.smallest),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ the tutorial's


def _tutorial(side: int, part: int) -> tuple[Rows, Finding]:
    """When each is at the objective that a tutorial's loop ends at: L-BFGS on pixels, from the photograph."""
    made = making(compressed(), side)
    begun = time.perf_counter()
    wanted = _by_lbfgs(made, _plain(made), ITERATIONS // part)
    plain = time.perf_counter() - begun
    begun = time.perf_counter()
    same = _by_lbfgs(made, gradient(made.network, made.last.term, as_is, replicated), ITERATIONS // part)
    planned = time.perf_counter() - begun
    begun, taken, last = time.perf_counter(), None, float("nan")
    for step in made.path(Key(0, [0]), made.photo):
        last = step.values.item()  # with total variation, which the other's has not
        if tuple(step.pictures.shape[2:]) == made.sizes[-1] and last <= wanted:
            taken = time.perf_counter() - begun
            break
    words = "never" if taken is None else f"{taken:.1f}"
    table = Rows(
        f"Seconds until the objective of {ITERATIONS // part} iterations of L-BFGS, {side} px, vgg19_16x",
        ("contestant", "objective", "seconds"),
        [
            (OURS, f"{last:.5f}", words),
            (PLAIN, f"{wanted:.5f}", f"{plain:.1f}"),
            (PLANNED, f"{same:.5f}", f"{planned:.1f}"),
        ],
    )
    holds = taken is not None and taken <= plain / 2
    return table, Finding("the tutorial's objective is reached in half its time", holds, f"{words} of {plain:.1f} s")


def _plain(made: Making) -> Objective:
    """Our term as a tutorial's loop has it: the model itself, in float32, and its whole forward pass."""
    aim = made.last
    features = _Features(made.network.model, [*made.layers, made.layer])

    def objective(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        x = pictures.clone().requires_grad_()
        found = aim.term.of(Reading(x, rows, x, rows, features(x)))
        return Evaluation(found.detach(), torch.autograd.grad(found.sum(), x)[0])

    return objective


def _by_lbfgs(made: Making, objective: Objective, iterations: int) -> float:
    """The loop of PyTorch's tutorial, on our term: its objective in the end."""
    aim = made.last
    x = resized(made.photo, made.sizes[-1]).clone().requires_grad_()
    optimizer = torch.optim.LBFGS([x])
    row, count = torch.arange(1), 0

    def closure() -> Tensor:
        nonlocal count
        count += 1
        with torch.no_grad():
            x.clamp_(0, 1)
        seen = objective(x.detach(), row, Key(step=0))
        x.grad = seen.gradients.contiguous()
        return seen.values.sum()

    while count < iterations:
        optimizer.step(closure)
    return values(made.network, aim.term, x.detach().clamp(0, 1), row).item()


# -------------------------------------------------------------------------------------------------------------- a step


def _steps(side: int, repeats: int, many: int) -> tuple[Table, Claim]:
    """A step beside its gradient, and that of the same layers' sums of squares, on torchvision's VGG-19."""
    network = load("torchvision:vgg19?weights=none").planned("picture")
    made = replace(making(network, side, "adam", steps=many), sizes=[_size(side)])
    every = [energy(layer) for layer in made.layers]
    picture, whole = resized(made.photo, made.sizes[-1]), sum(every[1:], start=every[0])
    alone = {
        BARE: made.last.reading(network, made.last.term, as_is),
        NOTHING: gradient(network, whole, as_is, replicated),
    }

    def ours(tick: Callable[[], None]) -> None:
        for _ in made.path(Key(0, [0]), made.photo):
            tick()

    def bare(objective: Objective, tick: Callable[[], None]) -> None:
        tick()
        for step in range(many):
            objective(picture, torch.arange(1), Key(step=step))
            tick()

    others = {name: partial(bare, objective) for name, objective in alone.items()}
    found = race({STEP: ours, **others}, repeats)
    claim = Claim("a step takes at most 1.10 times as long as its forward and backward",
                  found[STEP].over(found[BARE]), 1.10, False)  # fmt: skip
    return Table(f"A step on torchvision's vgg19, untrained, {side} px, seconds", found), claim


def _size(side: int) -> tuple[int, int]:
    return round(side * 0.75), side


# ----------------------------------------------------------------------------------------------------------- the peer's


def _beside(side: int, part: int) -> Rows:
    rows = []
    for name, contestant in ((OURS, _by_us), (PEER, _by_peer)):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
            seconds, memory, objective = apart.submit(contestant, side, part).result()
        rows.append((name, f"{seconds:.1f}", f"{memory:.2f}", f"{objective:.5f}"))
    return Rows(
        f"Whole schedules to {side} px, vgg19_16x", ("contestant", "seconds", "peak GiB", "our objective"), rows
    )  # fmt: skip


def _measured(made: Making, paint: Callable[[], Tensor]) -> tuple[float, float, float]:
    """Seconds, GiB, and our objective of what was painted."""
    meter = Meter(torch.device("cpu"))
    picture = paint()
    numbers = meter.numbers()
    objective = values(made.network, made.last.term, picture, torch.arange(1)).item()
    return numbers["seconds"], numbers["peak memory"], objective


def _by_us(side: int, part: int) -> tuple[float, float, float]:
    made = making(compressed(), side, **({} if part == 1 else {"steps": 2}))

    def paint() -> Tensor:
        *_, last = made.path(Key(0, [0]), made.photo)
        return last.pictures

    return _measured(made, paint)


def _by_peer(side: int, part: int) -> tuple[float, float, float]:
    made = making(compressed(), side)
    features = _Features(made.network.model, [*made.layers, made.layer])
    return _measured(made, lambda: _peers_loop(features, made, [steps // part for steps in PEER_STEPS]))


class _Features(nn.Module):
    """The plain model up to its last layer, its first padding replicated, and what the layers say."""

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.model, self.layers = model, set(layers)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for name, module in self.model.named_children():
            x = module(x)
            if name in self.layers:
                found[name] = x
        return found


def _gram(y: Tensor) -> Tensor:
    flat = y.flatten(2)
    return flat @ flat.mT / flat.shape[2]


def _scaled(found: Tensor, wanted: Tensor) -> Tensor:
    """Squares over the size of the difference, so that gradients have length 1 (its `ScaledMSELoss`)."""
    apart = found - wanted
    return apart.square().sum() / (apart.abs().sum().detach() + 1e-8)


def _peers_loop(features: _Features, made: Making, steps: Sequence[int]) -> Tensor:
    """The average in the end."""
    weights = [ratio / sum(RATIOS) for ratio in RATIOS]
    x, first, second, count = resized(made.photo, made.sizes[0]), None, None, 0
    for index, size in enumerate(made.sizes):
        with torch.no_grad():
            code = features(resized(made.photo, size))[made.layer]
            looks = features(resized(made.styles[0], made.style_size(made.styles[0], size)))
        x = resized(x, size).detach().requires_grad_()
        scaled = [None if m is None else nn.functional.interpolate(m, size, mode="bilinear") for m in (first, second)]
        first, second = (torch.zeros_like(x) if m is None else m for m in scaled)
        total, weight = torch.zeros_like(x), 0.0
        for _ in range(steps[0] if index == 0 else steps[-1]):
            said = features(x)
            loss = CONTENT * _scaled(said[made.layer], code)
            for one, layer in zip(weights, made.layers, strict=True):
                loss = loss + one * _scaled(_gram(said[layer]), _gram(looks[layer]))
            across, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
            loss = loss + SMOOTH * (across.square().mean() + down.square().mean())
            (slope,) = torch.autograd.grad(loss, x)
            with torch.no_grad():
                count += 1
                first.lerp_(slope, 0.1)
                second.mul_(0.99).addcmul_(slope, slope, value=0.01)
                x -= 0.02 * (first / (1 - 0.9**count)) / ((second / (1 - 0.99**count)).sqrt() + 1e-8)
                x.clamp_(0, 1)
                total, weight = 0.99 * total + 0.01 * x, 0.99 * weight + 0.01
        x = total / weight
    return x.detach()
