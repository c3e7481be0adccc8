"""How far each method of attribution can be believed: on labelled photographs, all with the same pixels and classes.

What is measured is in `phosphene.attribution.checks`: areas under deletion and insertion curves of the labelled class's
p, whether a class's map lies on its own photograph in a mosaic of four, and how alike the map remains when weights are
randomized from the top. A number is the mean over the photographs ± its standard error. Each method has its usual
options, but for RISE, whose thousands of masks are fewer here and on few photographs. What one method says on one
network is kept in benchmarks/cache, so an interrupted run goes on (to be deleted when the program has changed).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.cache import DATA, Job, climbed, digest, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene import catalogue
from phosphene.attribution.checks.curves import RANDOM, curves, edges, in_p, order, random_order
from phosphene.attribution.checks.pointing import Mosaic, mosaic, pointing
from phosphene.attribution.checks.randomization import Randomization, randomization
from phosphene.attribution.checks.verdicts import ALIKE, OTHER
from phosphene.attribution.explanation import drawn
from phosphene.attribution.maps import About, Explainer, Maps, Method, found, pixels
from phosphene.attribution.question import Question, every, fed_together
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.units.units import Unit

NETWORKS = ("inception5h", "mobilenet_v2")
PHOTOS, POINTS, SEED = 16, 32, 0
DEPTHS = 3  # the top layer, about half of them, all
SLOW = {"rise": {"photos": 3, "options": {"masks": 1000}, "cost": 40}}
COSTS = {"occlusion": 40, "integrated": 30, "smoothgrad": 15}  # beside a method that takes one gradient
NOT_HERE = ("rollout",)  # these networks have no attention
EDGES, CHANCE = "edges", "random"


@dataclass(frozen=True)
class Labelled:
    """Photographs, fed, and the class of each."""

    names: Sequence[str]
    classes: Sequence[int]
    pictures: Tensor

    def first(self, many: int) -> "Labelled":
        return Labelled(self.names[:many], self.classes[:many], self.pictures[:many])

    def mosaics(self) -> list[Mosaic]:
        """Four neighbours in each; what is left over is in none."""
        fours = range(0, len(self.names) - 3, 4)
        size = (self.pictures.shape[2], self.pictures.shape[3])
        return [mosaic(self.pictures[i : i + 4].split(1), self.classes[i : i + 4], size) for i in fours]

    def asked(self, network: Network, about: About) -> Question:
        """About the labelled classes."""
        units = [Unit("logits", index) for index in self.classes]
        return Question(network.planned(about.purpose), units, about.score)


def labelled(network: Network, many: int) -> Labelled:
    """Photographs of different classes, drawn by a seed; the number of the class is in the file's name."""
    files = sorted((DATA / "imagenet_200").glob("*.jpg"))
    if len(files) < many:
        raise SystemExit(f"this benchmark needs {many} labelled photographs, which are not in {DATA / 'imagenet_200'}")
    drawn_by = np.random.default_rng(SEED).permutation(len(files))[:many]
    some = [files[i] for i in drawn_by]
    classes = [int(file.name.partition("_")[0]) for file in some]
    return Labelled([file.name for file in some], classes, fed_together(network, some, "crop"))


def chosen(names: str) -> list[str]:
    """The methods of this name, all of them without one."""
    known = [
        name for name, row in catalogue.methods("attribute").items()
        if not row.prefix and isinstance(catalogue.loaded(row.home), Explainer) and name not in NOT_HERE
    ]  # fmt: skip
    wanted = names.split(",") if names else known
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no method '{name}'; there are {', '.join(known)}")
    return wanted


# ------------------------------------------------------------------------------------------------------ measuring


def _areas(asked: Question, pictures: Tensor, first: Tensor, points: int) -> dict[str, list[float]]:
    deleted, inserted = curves(asked, pictures, first, points).areas()
    return {"deletion": deleted.tolist(), "insertion": inserted.tolist()}


def _pointing(method: Method, about: About, asked: Question, given: Sequence[Mosaic], options: Mapping) -> dict:
    made = [pointing(method, about, asked, one, options) for one in given]
    hits, shares = ([number for one in made for number in getattr(one, name)] for name in ("hits", "shares"))
    return {"hits": [float(hit) for hit in hits], "shares": shares}


def _randomization(of: Randomization) -> dict[str, Any]:
    rows = [{"ssim": one.ssim.tolist(), "rank": one.rank.tolist()} for one in of.cascading]
    return {"counts": [depth.count for depth in of.depths], "layers": of.layers, "cascading": rows}


def measured(recipe: Explainer, network: Network, photos: Labelled, given: Sequence[Mosaic], options: Mapping,
             points: int, tick: Callable[[], None]) -> tuple[Tensor, dict[str, Any]]:  # fmt: skip
    """The maps as pictures, and every number about them."""
    method, about = recipe.method, recipe.about
    asked, pictures = photos.asked(network, about), photos.pictures
    try:
        maps: Maps = found(method, asked, pictures, **options)
    except Mistake as mistake:
        return pictures.cpu(), {"left out": str(mistake)}
    tick()
    told: dict[str, Any] = _areas(asked, pictures, order(pixels(maps.values, about.kind)), points)
    tick()
    steps = randomization(method, about, asked, pictures, maps.values, options, many=DEPTHS, alone=False)
    for one in steps:
        tick()
        told |= _randomization(one)
    told |= _pointing(method, about, asked, given, options)
    return drawn(asked.network, maps.values, about, pictures.float().cpu(), about.show, "own"), told


def baselines(network: Network, photos: Labelled, given: Sequence[Mosaic], points: int) -> dict[str, dict]:
    """What orders say that know nothing of the network."""
    about = About("baseline", "", "sensitivity", "grey")
    asked, pictures = photos.asked(network, about), photos.pictures
    flat = pictures.mean(1)
    by_chance = [_areas(asked, pictures, random_order(flat, index), points) for index in range(RANDOM)]

    def of_edges(asked: Question, pictures: Tensor) -> Tensor:
        return edges(pictures)

    return {
        CHANCE: {name: np.mean([one[name] for one in by_chance], 0).tolist() for name in by_chance[0]},
        EDGES: _areas(asked, pictures, order(edges(pictures)), points) | _pointing(of_edges, about, asked, given, {}),
        "p": {"p": in_p(asked).values(pictures, every(pictures)).tolist()},
    }


def jobs(network: Network, methods: Sequence[str], many: int, points: int) -> list[Job]:
    """One for each method, and one for the baselines."""
    photos = labelled(network, many)
    given = photos.mosaics()
    key = {"weights": digest(network), "photos": list(photos.names), "points": points, "depths": DEPTHS, "seed": SEED}
    short = network.name.rpartition("/")[2].partition(".")[0]

    def job(name: str) -> Job:
        slow = SLOW.get(name, {})
        some, options = photos.first(slow.get("photos", many)), slow.get("options", {})
        mosaics = given[:1] if slow else given

        def make(tick: Callable[[], None]) -> tuple[Tensor, dict[str, Any]]:
            return measured(catalogue.method("attribute", name), network, some, mosaics, options, points, tick)

        own = key | {"photos": list(some.names), "options": options}
        return Job(f"honesty-{short}-{name}", own, slow.get("cost", COSTS.get(name, 2)), make)

    def make_baselines(tick: Callable[[], None]) -> tuple[Tensor, dict[str, Any]]:
        return photos.pictures.cpu(), baselines(network, photos, given, points)

    return [Job(f"honesty-{short}-baselines", key, 4, make_baselines), *map(job, methods)]


# --------------------------------------------------------------------------------------------------------- telling


def mean_of(numbers: Sequence[float] | None, digits: int = 3) -> str:
    """`.123 ± .045`: the mean and its standard error; "-" of none."""
    if not numbers:
        return "-"
    error = [np.std(numbers, ddof=1) / len(numbers) ** 0.5] if len(numbers) > 1 else []
    return " ± ".join(re.sub(r"^(-?)0\.", r"\1.", f"{number:.{digits}f}") for number in (np.mean(numbers), *error))


def _tables(name: str, told: Mapping[str, dict[str, Any]], many: int, points: int) -> list[Rows]:
    methods = [method for method in told if "counts" in told[method]]
    rows = [
        (method, *(mean_of(told[method].get(what)) for what in ("deletion", "insertion")),
         *(mean_of(told[method].get(what), 2) for what in ("hits", "shares")))
        for method in [*methods, EDGES, CHANCE]
    ]  # fmt: skip
    tables = [
        Rows(
            f"{name}, {many} photographs: areas under curves of p ({points} points), and pointing",
            ("pixels ordered by", "deletion (less)", "insertion (more)", "hits own", "share on own"),
            rows,
        )
    ]
    if methods:
        counts, layers = told[methods[0]]["counts"], told[methods[0]]["layers"]
        heads = [f"{what}, {f'top {c}' if c < layers else 'all'}" for c in counts for what in ("SSIM", "rank")]
        alike = [
            (method, *(mean_of(one[what], 2) for one in told[method]["cascading"] for what in ("ssim", "rank")))
            for method in methods
        ]
        title = f"{name}: likeness to itself when layers ({layers} in all) are randomized from the top"
        tables.append(Rows(title, ("method", *heads), alike))
    return tables


def _claims(name: str, told: Mapping[str, dict[str, Any]]) -> list[Finding]:
    def top(method: str) -> tuple[float, float, str]:
        one = told[method]["cascading"][0]
        words = f"SSIM {mean_of(one['ssim'], 2)}, rank {mean_of(one['rank'], 2)}"
        return float(np.mean(one["ssim"])), float(np.mean(one["rank"])), words

    claims = []
    if "cascading" in told.get("guided", {}):
        ssim, rank, words = top("guided")
        sentence = f"{name}: guided backprop is insensitive to the top layer (SSIM and rank at least {ALIKE})"
        claims.append(Finding(sentence, min(ssim, rank) >= ALIKE, words))
    if "cascading" in told.get("gradient", {}):
        ssim, rank, words = top("gradient")
        claims.append(Finding(f"{name}: the gradient is not (SSIM below {OTHER})", ssim < OTHER, words))
    return claims


def run(quick: bool, net: str = "", photos: int = PHOTOS, methods: str = "") -> Report:
    """The tables and what must come out of them."""
    if net and net not in NETWORKS:
        raise SystemExit(f"the networks of this benchmark are {' and '.join(NETWORKS)}, not '{net}'")
    names, points = chosen(methods), POINTS
    networks = [net] if net else list(NETWORKS)
    if quick:
        networks, photos, points = networks[:1], 2, 4
        names = names if methods else ["gradient", "guided"]
    tables, claims, notes = [], [], []
    for name in networks:
        network = network_of(name)
        every_job = jobs(network, names, photos, points)
        made = climbed(every_job)
        made = {job_name.removeprefix(f"honesty-{name}-"): one for job_name, one in made.items()}
        base = made.pop("baselines")
        p = base.pop("p")["p"]
        tables += _tables(name, made | base, photos, points)
        claims += _claims(name, made)
        notes.append(f"{name} gives the labelled classes p {mean_of(p, 2)} on the whole photographs.")
        notes += [f"{name}, {method}: {one['left out']}" for method, one in made.items() if "left out" in one]
    slow = ", ".join(f"{name} on {one['photos']} with {one['options']}" for name, one in SLOW.items() if name in names)
    notes += [
        "By chance a quarter of the maps are largest on their own photograph, and have a quarter of themselves there."
    ]
    notes += [f"Fewer photographs: {slow}."] if slow else []
    return Report(tables, claims, notes)
