"""Who recognizes the class images: the network that they were made for, and two that had no part in making them.

A hit is a top-1 of the right class. The network itself is shown each picture at its own size, the others at theirs; all
in 8 bits, whole, without any transform. Pictures are made again only where the settings, the seed, the classes or the
weights have changed; they are kept, as sheets, in benchmarks/cache (to be deleted when the program has changed).
"""

import dataclasses
from collections.abc import Sequence
from statistics import mean

import numpy as np
import torch

from benchmarks.cache import Job, climbed, digest, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.units.inputs import logits
from phosphene.core.units.presets import PRESETS, settings
from phosphene.features.judge import verdicts
from phosphene.features.visualize import visualize

CHOSEN = (1, 3, 9, 22, 76, 107, 130, 207, 283, 292, 386, 417, 444, 457, 546, 779, 817, 937, 949, 963)
HELD_OUT = 50
SIDE, MOST_VIEWS = 160, 1024
JUDGES = ("mobilenet_v2", "squeezenet1_1")


def held_out(classes: int) -> list[int]:
    """Classes that no setting was chosen by."""
    others = np.setdiff1d(np.arange(classes), CHOSEN)
    return sorted(np.random.default_rng(0).choice(others, HELD_OUT, replace=False).tolist())


def feasible() -> list[str]:
    """The presets that take no more than an hour: steps times views."""
    return [name for name, chosen in PRESETS.items() if chosen.steps * chosen.views <= MOST_VIEWS]


def _own(network: Network, pictures: torch.Tensor, classes: Sequence[int]) -> list[bool]:
    fed = ((pictures * 255).round() / 255).to(network.device)
    said = torch.cat([logits(network, some).argmax(1).cpu() for some in fed.split(16)])
    return (said == torch.tensor(classes)).tolist()


def _cell(hits: Sequence[Sequence[bool]], rate: bool) -> str:
    """Means over seeds and each seed; as a rate with its standard error over classes."""
    each = ", ".join(str(sum(one)) for one in hits)
    of = len(hits[0])
    if not rate:
        return f"{mean(map(sum, hits)):.3g} of {of} ({each})"
    of_class = np.mean(hits, axis=0)
    error = of_class.std(ddof=1) / np.sqrt(of)
    return f"{of_class.mean():.3f} ± {error:.3f} ({each} of {of})"


def run(quick: bool, presets: str = "", seeds: int = 3, classes: str = "choose") -> Report:
    """The table and what must come out of it."""
    if classes not in ("choose", "held-out"):
        raise SystemExit(f"classes are choose or held-out, not '{classes}'")
    names = presets.split(",") if presets else ["default"] if quick else feasible()
    network, *judges = (network_of(name) for name in ("inception5h", *JUDGES))
    asked = list(CHOSEN) if classes == "choose" else held_out(network.classes)
    if quick:
        asked, seeds = asked[:2], 1
    steps, side = (2, 64) if quick else (None, SIDE)
    chosen = {name: settings(name, {"steps": steps}) for name in names}

    def job(name: str, seed: int) -> Job:
        own = dataclasses.asdict(chosen[name])
        del own["channel_reach"]  # is of channels alone
        key = {"settings": own, "seed": seed, "classes": asked, "size": side}

        def make(tick) -> tuple[torch.Tensor, dict]:
            run = visualize(
                network, [f"logits:{c}" for c in asked], preset=name, size=side, steps=steps, seed=seed
            )  # fmt: skip
            for _ in run:
                tick()
            pictures = run.image[:, :3]
            found = {network.name: _own(network, pictures, asked)}
            for judge in judges:
                found[judge.name] = [bool(one["right"]) for one in verdicts(judge, network, pictures, asked)]
            return pictures, found

        weights = [digest(one) for one in (network, *judges)]
        cost = chosen[name].steps * chosen[name].views
        return Job(f"legibility-{name}-{seed}", key | {"weights": weights}, cost, make)

    found = climbed([job(name, seed) for seed in range(seeds) for name in names])
    of = {name: [found[f"legibility-{name}-{seed}"] for seed in range(seeds)] for name in names}
    who = [network.name, *(judge.name for judge in judges)]
    rate = classes == "held-out"
    rows = [
        (name, str(chosen[name].steps), *(_cell([one[judge] for one in of[name]], rate) for judge in who))
        for name in names
    ]  # fmt: skip
    short = [name.partition(".")[0] for name in who]
    title = f"Class images of {network.name}, {side} px, {len(asked)} classes, named rightly by each network"
    table = Rows(title, ("preset", "steps", *short), rows)
    notes = [f"Means over {seeds} seeds, with each seed's hits; 8 bits, no transforms; not times."]
    if classes == "held-out":
        notes = [f"Rates over {seeds} seeds ± the standard error over {HELD_OUT} classes drawn by a seed; 8 bits."]
    claims = []
    for name, least in (("default", (20, 17, 12)), ("best", (0, 18, 14))):
        if name in names and classes == "choose" and not quick:
            claims += _claims(name, chosen[name].steps, [[sum(one[j]) for one in of[name]] for j in who], least, short)
    return Report([table], claims, notes, name="legibility, held-out classes" if classes == "held-out" else "")


def _claims(
    name: str, steps: int, hits: Sequence[Sequence[int]], least: Sequence[int], who: Sequence[str]
) -> list[Finding]:
    own, *others = hits
    most = {"default": 256, "best": 512}[name]
    claims = [Finding(f"{name} takes at most {most} steps", steps <= most, str(steps))]
    if least[0]:
        text = f"{name}: {who[0]} names at least {least[0]} of them with every seed"
        claims.append(Finding(text, min(own) >= least[0], ", ".join(map(str, own))))
    for judge, limit, found in zip(who[1:], least[1:], others, strict=True):
        text = f"{name}: {judge} names at least {limit} of them in the mean"
        claims.append(Finding(text, mean(found) >= limit, f"{mean(found):.3g}"))
    return claims
