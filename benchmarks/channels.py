"""Does a channel's picture excite it more than any photograph does? 32 channels of each of three layers of GoogLeNet.

A channel's activation is its mean over all positions, on the picture as it is shown: 8 bits, no transforms. A channel
is dead whose picture excites it no more than white noise.
"""

import dataclasses
from statistics import median

import numpy as np
import torch

from benchmarks.cache import DATA, Job, climbed, digest, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import feed
from phosphene.core.units.presets import settings
from phosphene.features.visualize import visualize

LAYERS = {"mixed3a": 4, "mixed4a": 10, "mixed4d": 11}
MANY, SIDE, NOISES = 32, 128, 16


@torch.no_grad()
def activations(network: Network, pictures: torch.Tensor, layers: list[str]) -> dict[str, torch.Tensor]:
    """{layer: (n, channels)}: the mean over positions."""
    eight = ((pictures * 255).round() / 255).to(network.device)
    reading = network.planned("reading")
    read = [reading.read(some, layers) for some in eight.split(16)]
    return {layer: torch.cat([one[layer].float().mean((2, 3)).cpu() for one in read]) for layer in layers}


def run(quick: bool) -> Report:
    """A row for each layer, and what must hold."""
    network = network_of("inception5h")
    many, side, steps = (2, 64, 2) if quick else (MANY, SIDE, None)
    layers = list(LAYERS)
    photos = sorted((DATA / "imagenet_200").glob("*.jpg"))[: 4 if quick else None]
    if not photos:
        raise SystemExit(f"this benchmark needs the photographs in {DATA / 'imagenet_200'}")
    shown = activations(network, torch.cat([feed(network, photo) for photo in photos]), layers)
    noise = torch.rand(NOISES, 3, side, side, generator=torch.Generator().manual_seed(0))
    floor = activations(network, noise, layers)
    rng = np.random.default_rng(0)
    drawn = {layer: sorted(rng.choice(network.layer(layer).shape[0], many, replace=False).tolist()) for layer in layers}

    def job(layer: str) -> Job:
        chosen = dataclasses.asdict(settings("default", {"steps": steps}))
        key = {"settings": chosen, "seed": 0, "layer": layer, "channels": drawn[layer], "size": side}

        def make(tick) -> tuple[torch.Tensor, dict]:
            run = visualize(network, [f"{layer}:{c}" for c in drawn[layer]], size=side, steps=steps)
            for _ in run:
                tick()
            pictures = run.image[:, :3]
            found = activations(network, pictures, [layer])[layer]
            return pictures, {"activation": [float(found[i, c]) for i, c in enumerate(drawn[layer])]}

        return Job(f"channels-{layer}", key | {"weights": digest(network)}, chosen["steps"], make)

    found = climbed([job(layer) for layer in layers])
    rows, claims = [], []
    for layer, least in LAYERS.items():
        reached = found[f"channels-{layer}"]["activation"]
        dead = sum(
            value <= max(0.0, float(floor[layer][:, c].mean())) for value, c in zip(reached, drawn[layer], strict=True)
        )
        largest = [float(shown[layer][:, c].max()) for c in drawn[layer]]
        times = median(value / most if most > 0 else float("inf") for value, most in zip(reached, largest, strict=True))
        fewer = sum(value <= most for value, most in zip(reached, largest, strict=True))
        rows.append((layer, str(many), str(dead), f"{times:.3g}", str(fewer)))
        if not quick:
            claims.append(Finding(f"no channel of {layer} is dead", dead == 0, f"{dead} of {many}"))
            text = f"the median channel of {layer} is excited at least {least} times as much as by any photograph"
            claims.append(Finding(text, times >= least, f"{times:.3g}"))
    headings = ("layer", "channels", "dead", "median of picture / best photograph", "below the best photograph")
    title = f"Channels of {network.name}, {side} px, default preset, beside {len(photos)} photographs"
    return Report([Rows(title, headings, rows)], claims, ["8 bits, no transforms; not times."])
