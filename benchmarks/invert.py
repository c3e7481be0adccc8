"""Inversion: how near each preset comes to a code and to the photograph, at which depth, and what a step costs.

Photographs are drawn from imagenet_200 by a seed. Errors are those of the 8-bit pictures; PSNR, SSIM and the colours
are compared with the photograph, which the search does not know.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Table, race
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.charts import Curve, Ticks, chart
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.default_layers import spread
from phosphene.core.units.inputs import feed
from phosphene.inversion import invert
from phosphene.inversion.codes import chosen_layers, distance, read_codes
from phosphene.inversion.presets import PresetName
from phosphene.models.specs import load

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODEL, FOLDER = DATA / "models" / "inception5h.py", Path(__file__).with_name("cache") / "invert"
LAYERS = {"mixed3b": 0.008, "mixed4c": 0.010, "mixed5b": 0.032}
"""And the error that the default reaches at most."""

DEEP = ("mixed4c", "mixed5b")
"""Where the default's pictures have to be nearer to the photographs than the bare loop's."""

PRESETS: tuple[PresetName, ...] = ("default", "plain", "mahendran")
OTHERS = ("embedded:photo", "squeezenet1_1", "mobilenet_v2", "vgg19_16x")
MEASURES = ("error", "psnr", "ssim", "colour error")
ONE, BARE, NINE, SINGLE = "invert, one layer", "its gradient alone", "nine blocks in one batch", "nine single runs"
COLOURS = {"default": "#d55e00", "plain": "#0072b2", "mahendran": "#009e73"}


def run(repeats: int, quick: bool) -> Report:
    """Times, then quality."""
    if not MODEL.is_file():
        return Report(notes=["Left out: inception5h is not here (the shared test data, models/inception5h.py)."])
    network = load(f"{MODEL}:build", device="cpu")
    photos = drawn(1 if quick else 10)
    steps = 6 if quick else 400
    tables, claims = _times(network, photos[0], repeats, quick)
    depths, whole = _depths(network, photos[:3], steps)
    quality, findings = _quality(network, photos, steps)
    others = _others(OTHERS[: 1 if quick else 4], photos[:3], steps)
    notes = [
        f"The curve and what the pictures look like are in benchmarks/cache/{FOLDER.name}.",
        "Each preset has one start, mahendran too, which otherwise takes the best of four.",
    ]
    return Report([*tables, depths, quality, others], [*claims, *([] if quick else [whole, *findings])], notes)


def drawn(many: int) -> list[str]:
    """So many photographs of imagenet_200, the same ones each time."""
    return random.Random(0).sample(sorted(map(str, (DATA / "imagenet_200").glob("*.jpg"))), 10)[:many]


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


# ------------------------------------------------------------------------------------------------------------- quality


def _depths(network: Network, photos: Sequence[str], steps: int) -> tuple[Rows, Finding]:
    """The error of every block, by two presets, and how long all of them take."""
    nine, rows, curves, seconds = chosen_layers(network, "all"), [], [], []
    for preset in PRESETS[:2]:
        every = []
        for photo in photos:
            began = time.perf_counter()
            every.append(_made(network, photo, nine, preset, steps).numbers)
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


def _made(network: Network, photo: str, layers: Sequence[str], preset: Any, steps: int) -> Any:
    """An inversion to its end; it says where it is."""
    print(f"{network.name}, {Path(photo).name}, {preset}, {', '.join(layers)}", file=sys.stderr, flush=True)
    return invert(network, photo, layer=list(layers), preset=preset, steps=steps, restarts=1).result


def _quality(network: Network, photos: Sequence[str], steps: int) -> tuple[Rows, list[Finding]]:
    """Every preset at three depths; and the pictures of some photographs side by side."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    panels: list[tuple[str, Tensor]] = []
    for photo in photos:
        results = {preset: _made(network, photo, list(LAYERS), preset, steps) for preset in PRESETS}
        for preset, result in results.items():
            for one in result.numbers:
                found.setdefault((one["layer"], preset), []).append(one)
        if len(panels) < 4 * 10:
            for i, layer in enumerate(LAYERS):
                panels.append(("photograph", results["default"].input))
                panels += [(f"{preset}, {layer}; {one.numbers[i]['error']:.3f}", one.image[i : i + 1])
                           for preset, one in results.items()]  # fmt: skip
    save_png(figure(panels, "Presets of inversion", columns=12, side=160), FOLDER / "presets.png")
    means = {key: {name: mean(one[name] for one in every) for name in MEASURES} for key, every in found.items()}
    rows = [
        (layer, preset, *(f"{means[layer, preset][name]:.4g}" for name in MEASURES))
        for layer in LAYERS
        for preset in PRESETS
    ]
    title = f"Presets of inversion, inception5h, {len(photos)} photographs, {steps} steps, means"
    return Rows(title, ("layer", "preset", *MEASURES), rows), list(_findings(means))


def _findings(means: dict[tuple[str, str], dict[str, float]]) -> list[Finding]:
    ours = {layer: means[layer, "default"] for layer in LAYERS}
    found = [
        Finding(f"the default's error at {layer} is at most {most:g}", ours[layer]["error"] <= most,
                f"{ours[layer]['error']:.4f}")
        for layer, most in LAYERS.items()
    ]  # fmt: skip
    for layer in DEEP:
        sharper = ours[layer]["ssim"] - means[layer, "plain"]["ssim"]
        nearer = ours[layer]["psnr"] - means[layer, "plain"]["psnr"]
        found.append(Finding(f"at {layer} its SSIM is .05 above the bare loop's", sharper >= 0.05, f"{sharper:+.3f}"))
        found.append(Finding(f"at {layer} its PSNR is 1 dB above the bare loop's", nearer >= 1, f"{nearer:+.2f} dB"))
    return found


def _others(specs: Sequence[str], photos: Sequence[str], steps: int) -> Rows:
    """The default and the bare loop on networks that it was not chosen on, at five depths."""
    rows = []
    for spec in specs:
        network = load(spec if ":" in spec else f"{DATA / 'models' / spec}.py:build", device="cpu")
        layers = spread(network, 5)
        for preset in PRESETS[:2]:
            every = [_made(network, photo, layers, preset, steps).numbers for photo in photos]
            cells = [
                " / ".join(f"{mean(one[i][name] for one in every):.3g}" for name in ("error", "psnr", "colour error"))
                for i in range(len(layers))
            ]
            rows.append((spec, preset, *cells))
    return Rows(
        f"Error / PSNR / colour error at five depths, {len(photos)} photographs, {steps} steps",
        ("network", "preset", *(f"depth {i + 1}" for i in range(5))), rows,
    )  # fmt: skip
