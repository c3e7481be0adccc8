"""Inversion: how near each preset comes to a code and to the photograph, at which depth.

Photographs are drawn from imagenet_200 by a seed. Errors are those of the 8-bit pictures; PSNR, SSIM and the colours
are compared with the photograph, which the search does not know. A flat picture of the photograph's mean colour is the
floor: what it reaches says nothing about a code.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from torch import Tensor

from benchmarks.invert import DATA, MISSING, MODEL, PRESETS, drawn, made
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.default_layers import spread
from phosphene.inversion.codes import errors, read_codes
from phosphene.inversion.invert import compared
from phosphene.models.specs import load

FOLDER = Path(__file__).with_name("cache") / "codes"
LAYERS = {"mixed3b": 0.008, "mixed4c": 0.010, "mixed5b": 0.032}
"""And the error that the default reaches at most."""

DEEP = ("mixed4c", "mixed5b")
"""Where the default's pictures have to be nearer to the photographs than the bare loop's."""

OTHERS = ("embedded:photo", "squeezenet1_1", "mobilenet_v2")
MEASURES = ("error", "psnr", "ssim", "colour error")
FLAT = "a flat picture"


def run(repeats: int, quick: bool) -> Report:
    """Every preset at three depths, then other networks at five."""
    if not MODEL.is_file():
        return Report(notes=[MISSING])
    network = load(f"{MODEL}:build", device="cpu")
    photos, steps = drawn(1 if quick else 10), 6 if quick else 400
    quality, findings = _quality(network, photos, steps)
    others = _others(OTHERS[: 1 if quick else 3], photos[:1], steps)
    notes = [
        f"What the pictures look like is in benchmarks/cache/{FOLDER.name}.",
        "Each preset has one start, mahendran too, which otherwise takes the best of four.",
    ]
    return Report([quality, others], [] if quick else findings, notes)


def _quality(network: Network, photos: Sequence[str], steps: int) -> tuple[Rows, list[Finding]]:
    """Every preset at three depths; and the pictures of some photographs side by side."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    panels: list[tuple[str, Tensor]] = []
    for photo in photos:
        results = {preset: made(network, photo, list(LAYERS), preset, steps) for preset in PRESETS}
        numbers = {preset: result.numbers for preset, result in results.items()}
        for preset, every in [*numbers.items(), (FLAT, _flat(network, results["default"].input))]:
            for one in every:
                print(one["layer"], preset, *(f"{one[name]:.4g}" for name in MEASURES), file=sys.stderr, flush=True)
                found.setdefault((one["layer"], preset), []).append(one)
        if len(panels) < 4 * 10:
            for i, layer in enumerate(LAYERS):
                panels.append(("photograph", results["default"].input))
                panels += [(f"{preset}, {layer}; {one.numbers[i]['error']:.3f}", one.image[i : i + 1])
                           for preset, one in results.items()]  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_png(figure(panels, "Presets of inversion", columns=12, side=160), FOLDER / "presets.png")
    means = {key: {name: mean(one[name] for one in every) for name in MEASURES} for key, every in found.items()}
    rows = [
        (layer, preset, *(f"{means[layer, preset][name]:.4g}" for name in MEASURES))
        for layer in LAYERS
        for preset in (*PRESETS, FLAT)
    ]
    title = f"Presets of inversion, inception5h, {len(photos)} photographs, {steps} steps, means"
    return Rows(title, ("layer", "preset", *MEASURES), rows), list(_findings(means))


def _flat(network: Network, fed: Tensor) -> list[dict[str, Any]]:
    """What a picture of the photograph's mean colour has in common with it."""
    flat = fed.mean((2, 3), keepdim=True).expand_as(fed)
    found = errors(network, codes := read_codes(network, fed, list(LAYERS)), flat.expand(len(codes), -1, -1, -1))
    (like,) = compared(flat, fed)
    return [{"layer": layer, "error": float(error), **like} for layer, error in zip(LAYERS, found, strict=True)]


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
            every = [made(network, photo, layers, preset, steps).numbers for photo in photos]
            cells = [
                " / ".join(f"{mean(one[i][name] for one in every):.3g}" for name in ("error", "psnr", "colour error"))
                for i in range(len(layers))
            ]
            rows.append((spec, preset, *cells))
    return Rows(
        f"Error / PSNR / colour error at five depths, {len(photos)} photographs, {steps} steps",
        ("network", "preset", *(f"depth {i + 1}" for i in range(5))), rows,
    )  # fmt: skip
