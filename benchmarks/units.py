"""Do our pictures explain a unit? A machine chooses which of two photographs excites it more, by the pictures alone.

Fifty units, drawn over five depths. The task is that of Borowski et al. 2021 (arXiv:2010.12606): of two photographs one
is among those that excite the unit most, the other among those that excite it least; the hint is what is shown before.
In the person's place is another network, which never sees the unit (`dataset/trial/judge.py`). Beside exemplars and the
pictures of each preset stand hints that say nothing about the unit: other photographs, and the mean of all.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.cache import DATA, Job, climbed, digest, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import Photo
from phosphene.core.units.exemplars import peaks
from phosphene.core.units.presets import PRESETS, settings
from phosphene.dataset.trial.judge import Codes, Judge, codes, codes_of_pictures
from phosphene.dataset.trial.pairs import Pair, drawn_units, pairs
from phosphene.features.visualize import visualize
from phosphene.models.specs import load

UNITS, REFERENCES, MOST_QUESTIONS, SEED = 50, 9, 4, 0
MOST_VIEWS = 1024
GAP = 2  # px between the pictures of a kept sheet
CHANCE = 0.5

Hint = tuple[Codes | None, Codes | None]


@dataclass(frozen=True)
class Scene:
    """A network, photographs, and who judges.

    Attributes:
        layers: where its units are.
        side: of synthetic pictures, px.
        judges: other networks.
    """

    network: Callable[[], Network]
    photos: Callable[[], Sequence[Photo]]
    layers: Sequence[str]
    side: int
    judges: Mapping[str, Callable[[], Network]]


def _photographs() -> Sequence[Photo]:
    found = sorted((DATA / "imagenet_200").glob("*.jpg"))
    if not found:
        raise SystemExit(f"this benchmark needs the photographs in {DATA / 'imagenet_200'}")
    return [str(one) for one in found]


def _small_photographs() -> Sequence[Photo]:
    from training.tiny_imagenet import ARCHIVE, tiny_imagenet

    if not ARCHIVE.is_file():
        raise SystemExit(f"this benchmark needs {ARCHIVE}")
    return list(tiny_imagenet()[1].pictures.numpy())


def _embedded(name: str) -> Network:
    return load(f"embedded:{name}", device="cpu")


SCENES = {
    "inception5h": Scene(
        lambda: network_of("inception5h"), _photographs, ("mixed3a", "mixed4a", "mixed4c", "mixed4e", "mixed5b"), 128,
        {name: (lambda name=name: network_of(name)) for name in ("mobilenet_v2", "squeezenet1_1")},
    ),
    "embedded:photo": Scene(
        lambda: _embedded("photo"), _small_photographs, ("conv2", "mixed3a", "mixed4a", "mixed4b", "mixed5b"), 64,
        {"mobilenet_v2": lambda: network_of("mobilenet_v2"), "photo-robust": lambda: _embedded("photo-robust")},
    ),
}  # fmt: skip


def feasible() -> list[str]:
    """The presets that start from noise and take no more than so many steps times views."""
    return [
        name for name, one in PRESETS.items() if one.steps * one.views <= MOST_VIEWS and name != "accentuation"
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- pictures


def _sheet_job(name: str, network: Network, units: Sequence[tuple[str, int]], preset: str, negative: bool, side: int,
               quick: bool) -> Job:  # fmt: skip
    steps = 2 if quick else None
    own = dataclasses.asdict(settings(preset, {"steps": steps}))
    spelled = [f"{layer}:{unit}" for layer, unit in units]
    key = {"settings": own, "seed": SEED, "units": spelled, "negative": negative, "size": side}

    def make(tick: Callable[[], None]) -> tuple[torch.Tensor, dict]:
        made: dict[str, torch.Tensor] = {}
        for layer in dict.fromkeys(layer for layer, _ in units):  # the forward ends at the deepest layer that is read
            few = [one for one in spelled if one.startswith(f"{layer}:")]
            run = visualize(network, few, preset=preset, negative=negative, size=side, steps=steps, seed=SEED)
            for _ in run:
                tick()
            made |= dict(zip(few, run.image[:, :3], strict=True))
        return torch.stack([made[one] for one in spelled]), {"side": side}

    end = "negative" if negative else "positive"
    cost = own["steps"] * own["views"]
    return Job(f"units-{name}-{preset}-{end}", key | {"weights": digest(network)}, cost, make)


def _read_back(sheet: Path, many: int, side: int) -> torch.Tensor:
    """The pictures of a sheet, in order, as `sheets.grid` lays them out."""
    pixels = torch.from_numpy(np.array(Image.open(sheet).convert("RGB"))).permute(2, 0, 1).float() / 255
    columns = (pixels.shape[2] + GAP) // (side + GAP)
    at = [(i // columns * (side + GAP), i % columns * (side + GAP)) for i in range(many)]
    return torch.stack([pixels[:, top : top + side, left : left + side] for top, left in at])


# ------------------------------------------------------------------------------------------------------------- scores


def _score(judge: Judge, asked: Sequence[Sequence[Pair]], hint: Callable[[int, Pair], Hint]) -> np.ndarray:
    """The share that the judge has right of each unit's questions."""
    return np.array(
        [np.mean([judge.choose(one.shown, *hint(i, one)) == one.right for one in each]) for i, each in enumerate(asked)]
    )


def _of_judge(
    judge: Network, photos: Sequence[Photo], asked: Sequence[Sequence[Pair]], painted: Mapping[str, torch.Tensor]
) -> dict[str, np.ndarray]:
    """Scores of each unit by hint."""
    every = [one for each in asked for one in each]
    used = sorted({i for one in every for i in (*one.shown, *one.positive, *one.negative)})
    place = {image: i for i, image in enumerate(used)}
    seen = Judge.of(codes(judge, [photos[i] for i in used]))
    rng = np.random.default_rng(SEED)

    def numbered(images: Sequence[int]) -> tuple[int, ...]:
        return tuple(place[i] for i in images)

    moved = [
        [dataclasses.replace(one, strong=place[one.strong], weak=place[one.weak], positive=numbered(one.positive),
                             negative=numbered(one.negative)) for one in each]
        for each in asked
    ]  # fmt: skip

    def others(one: Pair) -> list[int]:
        free = np.setdiff1d(np.arange(len(used)), one.shown)
        return rng.choice(free, REFERENCES, replace=False).tolist()

    found = {
        "exemplars": _score(seen, moved, lambda i, one: (seen.hint(one.positive), seen.hint(one.negative))),
        "exemplars, the strongest alone": _score(seen, moved, lambda i, one: (seen.hint(one.positive), None)),
        "one exemplar": _score(seen, moved, lambda i, one: (seen.hint(one.positive[:1]), None)),
    }
    pictures = {name: codes_of_pictures(judge, each) for name, each in painted.items()}

    def picture(name: str, i: int) -> Codes:
        return {layer: values[i : i + 1] for layer, values in pictures[name].items()}

    for preset in dict.fromkeys(name.rpartition(" ")[0] for name in painted):
        yes, no = f"{preset} positive", f"{preset} negative"
        found[f"{preset}, what excites it"] = _score(seen, moved, lambda i, one, yes=yes: (picture(yes, i), None))
        found[f"{preset}, and what does not"] = _score(
            seen, moved, lambda i, one, yes=yes, no=no: (picture(yes, i), picture(no, i))
        )
    # other units' pictures: what a hint of this kind is worth that is not about the unit
    first, shift = next(iter(pictures)).rpartition(" ")[0], len(asked) // 2
    found[f"{first} of another unit, both"] = _score(
        seen,
        moved,
        lambda i, one: (picture(f"{first} positive", j := (i + shift) % len(asked)), picture(f"{first} negative", j)),
    )
    found["photographs at random"] = _score(
        seen, moved, lambda i, one: (seen.hint(others(one)), seen.hint(others(one)))
    )
    mean = codes_of_pictures(judge, _mean_picture(judge, [photos[i] for i in used]))
    found["the mean picture"] = _score(seen, moved, lambda i, one: (mean, None))
    return found


def _mean_picture(judge: Network, photos: Sequence[Photo]) -> torch.Tensor:
    from phosphene.core.units.network_input import fitted

    total = torch.zeros(1, 3, *judge.size)
    for photo in photos:
        total += fitted(judge, photo)
    return total / len(photos)


def _interval(scores: np.ndarray) -> tuple[float, float, float]:
    """Mean over units, and its 95 % interval: units are independent, the questions of one are not."""
    mean, half = scores.mean(), 1.96 * scores.std(ddof=1) / np.sqrt(len(scores))
    return float(mean), float(mean - half), float(mean + half)


def _cell(scores: np.ndarray) -> str:
    mean, low, high = (f"{100 * one:.1f}" for one in _interval(scores))
    return f"{mean} ({low} to {high})"


def _scene(name: str, presets: Sequence[str], quick: bool) -> tuple[Rows, list[Finding], list[str]]:
    scene = SCENES[name]
    network, photos = scene.network(), scene.photos()
    photos = photos[:40] if quick else photos
    many = 5 if quick else UNITS
    found = peaks(network, photos, scene.layers)
    layers = {layer: found[layer].values.shape[1] for layer in scene.layers}
    asked: dict[tuple[str, int], list[Pair]] = {}
    dead = 0
    for layer, unit in drawn_units(layers, sum(layers.values()), SEED):
        if len(asked) == many:
            break
        own = pairs(found[layer].values[:, unit].numpy(), layer, unit, references=REFERENCES, seed=SEED)
        dead += not own
        asked |= {(layer, unit): own[:MOST_QUESTIONS]} if own else {}
    units = list(asked)
    short, side = name.replace(":", "-"), 32 if quick else scene.side
    ends = {"positive": False, "negative": True}
    jobs = {
        f"{preset} {end}": _sheet_job(short, network, units, preset, negative, side, quick)
        for preset in presets for end, negative in ends.items()
    }  # fmt: skip
    climbed(list(jobs.values()))
    painted = {hint: _read_back(job.file.with_suffix(".png"), len(units), side) for hint, job in jobs.items()}
    judges = dict(list(scene.judges.items())[: 1 if quick else None])
    scores = {who: _of_judge(make(), photos, list(asked.values()), painted) for who, make in judges.items()}
    hints = list(next(iter(scores.values())))
    questions = sum(map(len, asked.values()))
    rows = [(hint, *(_cell(scores[who][hint]) for who in scores)) for hint in hints]
    title = (
        f"{name}, {len(units)} units of {', '.join(scene.layers)}, {len(photos)} photographs, {questions} questions: "
        "right in %, by judge"
    )
    claims = []
    for who in scores if not quick else ():
        _, low, _ = _interval(scores[who]["exemplars"])
        sentence = f"{name}, judged by {who}: exemplars beat chance (the interval's lower end is above 50 %)"
        claims.append(Finding(sentence, low > CHANCE, _cell(scores[who]["exemplars"])))
    notes = [f"{name}: {dead} units that were drawn answer to nothing, and others were taken."] if dead else []
    return Rows(title, ("shown before", *scores), rows), claims, notes


def run(quick: bool, presets: str = "", net: str = "") -> Report:
    """A table for each network, and what must hold."""
    if net and net not in SCENES:
        raise SystemExit(f"the networks of this benchmark are {' and '.join(SCENES)}, not '{net}'")
    names = presets.split(",") if presets else ["default"] if quick else feasible()
    tables, claims, notes = [], [], []
    for name in [net] if net else list(SCENES)[: 1 if quick else None]:
        table, found, said = _scene(name, names, quick)
        tables.append(table)
        claims += found
        notes += said
    notes += [
        "Chance is 50 %. Means over units with 95 % intervals; 9 photographs on either side as exemplars, one "
        "synthetic picture on either side, in 8 bits.",
        "The judge takes the photograph whose code (cosine, mean over positions, several depths) is more like the "
        "hint.",
    ]
    return Report(tables, claims, notes, f"units of {net}" if net else "")
