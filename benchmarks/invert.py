"""Inversion: what a step costs beside its gradient, how long all blocks of a network take, errors by depth."""

import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.charts import Curve, Ticks, chart
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.inputs import feed
from phosphene.inversion import invert
from phosphene.inversion.codes import chosen_layers, distance, read_codes
from phosphene.inversion.presets import PresetName
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODEL, FOLDER = DATA / "models" / "inception5h.py", Path(__file__).with_name("cache") / "invert"
MISSING = "Left out: inception5h is not here (the shared test data, models/inception5h.py)."
PRESETS: tuple[PresetName, ...] = ("default", "plain", "mahendran")
ONE, BARE, NINE, SINGLE = "invert, one layer", "its gradient alone", "nine blocks in one batch", "nine single runs"
COLOURS = {"default": "#d55e00", "plain": "#0072b2"}


def run(repeats: int, quick: bool) -> Report:
    """Times, then errors by depth."""
    if not MODEL.is_file():
        return Report(notes=[MISSING])
    network = load(f"{MODEL}:build", device="cpu")
    tables, claims = _times(network, drawn(1)[0], repeats, quick)
    depths, whole = _depths(network, drawn(1), 6 if quick else 400)
    notes = [f"The curve is in benchmarks/cache/{FOLDER.name}. Nine blocks take all of 400 steps, unless they stall."]
    return Report([*tables, depths], [*claims, *([] if quick else [whole])], notes)


def drawn(many: int) -> list[str]:
    """So many photographs of imagenet_200, the same ones each time."""
    return random.Random(0).sample(sorted(map(str, (DATA / "imagenet_200").glob("*.jpg"))), 10)[:many]


def made(network: Network, photo: str, layers: Sequence[str], preset: Any, steps: int) -> Any:
    """An inversion to its end; it says where it is."""
    print(f"{network.name}, {Path(photo).name}, {preset}, {', '.join(layers)}", file=sys.stderr, flush=True)
    return invert(network, photo, layer=list(layers), preset=preset, steps=steps, restarts=1).result


# --------------------------------------------------------------------------------------------------------------- times


def _times(network: Network, photo: str, repeats: int, quick: bool) -> tuple[list[Table], list[Claim]]:
    many, nine = (3, 2) if quick else (24, 12), chosen_layers(network, "all")
    fed = feed(network, photo)
    term = distance(network, read_codes(network, fed, ["mixed4c"]))
    objective = gradient(network.planned("picture"), term)

    def bare(tick: Callable[[], None]) -> None:
        tick()
        for step in range(many[0]):
            objective(fed, torch.arange(1), Key(step=step))
            tick()

    one = race({ONE: _steps(network, photo, [["mixed4c"]], many[0]), BARE: bare}, repeats)
    contestants = {NINE: [nine], SINGLE: [[layer] for layer in nine]}
    several = race({k: _steps(network, photo, layers, many[1]) for k, layers in contestants.items()}, repeats)
    tables = [
        Table("A step of an inversion of mixed4c, inception5h, 224 px, seconds", one),
        Table(f"A step of {len(nine)} inversions, inception5h, 224 px, seconds", several),
    ]
    claims = [
        Claim("a step takes at most 1.10 times as long as its gradient", one[ONE].over(one[BARE]), 1.10, False),
        Claim("nine blocks in one batch take at most 1 / 1.5 of nine single runs' time",
              several[SINGLE].over(several[NINE]), 1.5),
    ]  # fmt: skip
    return tables, claims


def _steps(network: Network, photo: str, layers: Sequence[Sequence[str]], many: int) -> Contestant:
    """So many steps of several inversions, step by step by turns."""

    def run(tick: Callable[[], None]) -> None:
        runs = [iter(invert(network, photo, layer=list(one), steps=many, patience=0)) for one in layers]
        for _ in zip(*runs, strict=True):
            tick()

    return run


# ------------------------------------------------------------------------------------------------------------- depths


def _depths(network: Network, photos: Sequence[str], steps: int) -> tuple[Rows, Finding]:
    """The error of every block, by two presets, and how long all of them take."""
    nine, rows, curves, seconds = chosen_layers(network, "all"), [], [], []
    for preset in PRESETS[:2]:
        every = []
        for photo in photos:
            began = time.perf_counter()
            every.append(made(network, photo, nine, preset, steps).numbers)
            seconds.append(time.perf_counter() - began)
        errors = [mean(one[i]["error"] for one in every) for i in range(len(nine))]
        rows.append([preset, *(f"{error:.4f}" for error in errors)])
        curves.append(Curve(preset, list(enumerate(errors)), COLOURS[preset], dots=True))
    highest = max(y for curve in curves for _, y in curve.points)
    marks = [(highest * part, f"{highest * part:.3f}") for part in (0, 0.25, 0.5, 0.75, 1)]
    across = Ticks((0, len(nine) - 1), [(i, name.removeprefix("mixed")) for i, name in enumerate(nine)], "block")
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawing = chart(curves, across, Ticks((0, 1.05 * highest), marks))
    save_png(figure([("error of the code against depth", drawing)], "inception5h"), FOLDER / "depths.png")
    took = f"{max(seconds):.0f} s at most, {min(seconds):.0f} at least"
    whole = Finding("all nine blocks of a photograph take under 8 minutes", max(seconds) < 480, took)
    return Rows(f"Error of every block, {len(photos)} photographs, {steps} steps", ("preset", *nine), rows), whole
