"""What attacks do to photographs: how few levels fool, an elephant that becomes a shark, ten photographs ostriches.

With two networks of ImageNet's 1000 classes on the 200 photographs of `../shared/data`, a class each. The ostriches are
figure 5 of Szegedy et al. 2014 (arXiv:1312.6199): the photograph, the change ten times around grey, the result; they
are drawn into benchmarks/cache, as the photographs are not free.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from benchmarks.cache import DATA, FOLDER, network_of
from benchmarks.timing import Finding, Report, Rows
from phosphene import catalogue
from phosphene.adversarial.cases import rounded
from phosphene.adversarial.searches import Outcome
from phosphene.adversarial.tensors import attacks
from phosphene.adversarial.victims import Victim
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.sheets import figure
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.inputs import logits, said_in_words, top
from phosphene.core.units.labelled import LabelledPictures, read_labelled
from phosphene.core.units.labels import class_index

NETWORKS = ("inception5h", "mobilenet_v2")
SEED, BATCH = 0, 25  # of random numbers; photographs at a time
SURE = 0.996  # Nguyen et al. 2015 (arXiv:1412.1897): what fooling images reach
DISTORTION = 0.01
PASSES = ("forwards / backwards", "seconds")


@dataclass(frozen=True)
class Promise:
    """PGD within so many levels of 255, and the part of the photographs that it fools at least.

    Attributes:
        targeted: towards a class that is drawn for each photograph; otherwise away from its own.
    """

    levels: int
    targeted: bool
    least: float

    def __str__(self) -> str:
        return f"PGD {self.levels}/255, {'to a class that was drawn' if self.targeted else 'to any other class'}"


PROMISES = (Promise(2, False, 0.99), Promise(8, True, 0.95))


def run(quick: bool) -> Report:
    """The tables and what must come out of them."""
    folder = DATA / "imagenet_200"
    if not folder.is_dir():
        raise SystemExit(f"this benchmark needs the photographs in {folder}, which are not there")
    within, first = [], None
    for name in NETWORKS[: 1 if quick else None]:
        network = network_of(name)
        data = read_labelled(folder, network).first(4 if quick else 200)
        first = first or (network, data)
        within += [_within(name, network, data, promise) for promise in PROMISES]
    assert first is not None
    shark = [_shark(first[0], method, start, quick) for start in ("photo", "noise") for method in ("lbfgs", "pgd")]
    ostriches = _ostriches(*first, quick)
    tables = [
        Rows(
            f"{len(first[1])} photographs",
            ("attack", "attacked", "fooled", "fooled in 8 bits", *PASSES),
            [row for row, _ in within],
        ),
        Rows(
            "elephant.jpg, or noise of its size, becomes a tiger shark, in 8 bits",
            ("attack", "before", "after", "distortion", "largest change", *PASSES),
            [row for row, _ in shark],
        ),
        Rows(
            "Photographs become ostriches by L-BFGS",
            ("looked for among", "ostriches", "distortion", "ostriches in 8 bits", "distortion in 8 bits", *PASSES),
            [row for row, _ in ostriches],
        ),
    ]
    findings = [] if quick else [one for _, one in (*within, *shark, *ostriches)]
    notes = [
        "Attacked are photographs that were not taken for what is wanted anyway.",
        "A distortion is the root of the mean square over a photograph's values in [0, 1], the mean over photographs.",
        f"Sharks and ostriches are {NETWORKS[0]}'s; the ostriches' figure is in benchmarks/{FOLDER.name}.",
    ]
    return Report(tables, findings, notes)


# ---------------------------------------------------------------------------------------------------- within a radius


def _within(name: str, network: Network, data: LabelledPictures, promise: Promise) -> tuple[Sequence[str], Finding]:
    began, eps = time.perf_counter(), promise.levels / 255
    wanted = _others(data.labels, network.classes) if promise.targeted else data.labels
    outcomes, kept = [], []
    for rows in torch.arange(len(data)).split(BATCH):
        x, labels = data.pixels(rows.tolist()), wanted[rows]
        search = attacks.pgd(
            _victim(network), x, labels, eps=eps, targeted=promise.targeted, key=Key(SEED, rows.tolist())
        )
        _watched(search, f"{name}, {promise}, photograph {rows[0] + 1} of {len(data)}")
        found = search.outcome
        said = logits(network, rounded(found.inputs, x, eps)).argmax(1)
        kept.append(found.success & ((said == labels) == promise.targeted))
        outcomes.append(found)
    attacked = sum(int((~one.before).sum()) for one in outcomes)
    fooled = sum(int(one.success.sum()) for one in outcomes)
    row = (
        f"{name}, {promise}", f"{attacked}", _part(fooled, attacked),
        _part(int(torch.cat(kept).sum()), attacked), *_passes(outcomes, began),
    )  # fmt: skip
    sentence = f"{name}: {promise} succeeds on at least {100 * promise.least:g} %"
    return row, Finding(sentence, fooled >= promise.least * attacked, row[2])


def _others(labels: Int[Tensor, " n"], classes: int) -> Int[Tensor, " n"]:
    """For each photograph a class other than its own, each as likely."""
    drawn = Key(SEED).child(1).integers(torch.arange(len(labels)), 1, classes - 1)[:, 0]
    return drawn + (drawn >= labels).long()


# ---------------------------------------------------------------------------------------------------------- one photo


def _shark(network: Network, method: str, start: str, quick: bool) -> tuple[Sequence[str], Finding]:
    """As the attack's command makes it, and as it reads the 8-bit picture once more."""
    began, noise = time.perf_counter(), start == "noise"
    options = {"start": start, "target": "tiger shark"} | ({"confidence": SURE} if noise else {})
    options |= {"steps": 2} if quick else {}
    made = catalogue.recipe(method)(network, str(DATA / "images" / "elephant.jpg"), **options)
    _watched(made, f"elephant, {method} from {start}")
    found = made.result.numbers[0]
    seconds = time.perf_counter() - began
    distortion = found["l2"] / found["values"] ** 0.5
    row = (
        f"{method} from {'noise' if noise else 'the elephant'}", said_in_words(found["before"]),
        said_in_words(found["after"]), f"{distortion:.5f}", f"{255 * found['linf']:.0f}/255",
        f"{found['forwards']} / {found['backwards']}", f"{seconds:.0f}",
    )  # fmt: skip
    if noise:
        sentence = f"noise becomes a tiger shark by {method} with at least {100 * SURE:g} %"
        p = found["confidence"]
        return row, Finding(sentence, found["fooled"] and p >= SURE, f"{100 * p:.2f} %")
    return row, Finding(f"the elephant becomes a tiger shark by {method}", found["fooled"], row[2])


# ---------------------------------------------------------------------------------------------------------- ostriches


def _ostriches(network: Network, data: LabelledPictures, quick: bool) -> list[tuple[Sequence[str], Finding]]:
    """Photographs that the network is right about, evenly over the classes; the figure is of those found in 8 bits."""
    said = torch.cat([logits(network, data.pixels(rows.tolist())) for rows in torch.arange(len(data)).split(BATCH)])
    right = (said.argmax(1) == data.labels).nonzero()[:, 0]
    rows = right[torch.linspace(0, len(right) - 1, 2 if quick else 10).long()]
    x, ostrich = data.pixels(rows.tolist()), class_index(network, "ostrich")
    found: list[tuple[Sequence[str], Finding]] = []
    for among, through in (("all pictures", None), ("pictures of 8 bits", nearest_levels)):
        began = time.perf_counter()
        search = attacks.lbfgs(
            _victim(network, through), x, [ostrich] * len(rows), targeted=True, steps=3 if quick else 25, rounds=4,
            key=Key(SEED, rows.tolist()),
        )  # fmt: skip
        _watched(search, f"ostriches, among {among}")
        outcome = search.outcome
        eight = nearest_levels(outcome.inputs)
        answers = logits(network, eight)
        whole, cut = _distortion(outcome.inputs, x), _distortion(eight, x)
        still = answers.argmax(1) == ostrich
        row = (
            among, _part(int(outcome.success.sum()), len(rows)), f"{whole.mean():.5f}",
            _part(int(still.sum()), len(rows)), f"{cut.mean():.5f}", *_passes([outcome], began),
        )  # fmt: skip
        judged = (outcome.success, whole, "") if through is None else (still, cut, " in 8 bits")
        found.append((row, _finding(*judged)))
    _draw(network, x, said[rows], eight, answers, FOLDER / ("ostriches-quick.png" if quick else "ostriches.png"))
    return found


def _finding(ostrich: Bool[Tensor, " n"], distortion: Float[Tensor, " n"], how: str) -> Finding:
    sentence = f"ten photographs become ostriches{how}, with a mean distortion below {DISTORTION}"
    words = f"{int(ostrich.sum())} of {len(ostrich)}, mean {distortion.mean():.5f}, at most {distortion.max():.5f}"
    return Finding(sentence, bool(ostrich.all()) and float(distortion.mean()) < DISTORTION, words)


def _draw(network: Network, x: Tensor, before: Tensor, eight: Tensor, after: Tensor, file: Path) -> None:
    """The figure: two photographs in a row, each with its change and what became of it."""
    panels = []
    for one, first, other, then in zip(x, before, eight, after, strict=True):
        change = (0.5 + 10 * (other - one)).clamp(0, 1)
        size = f"root mean square {float(_distortion(other[None], one[None])):.4f}"
        was, is_ = (said_in_words(top(network, answer)) for answer in (first, then))
        panels += [(was, one), (f"the change, 10 times\n{size}", change), (is_, other)]
    FOLDER.mkdir(exist_ok=True)
    save_png(figure(panels, f"{len(x)} photographs become ostriches, {NETWORKS[0]}", columns=6, side=224), file)


# ------------------------------------------------------------------------------------------------------------- shared


def _victim(network: Network, through: Callable[[Tensor], Tensor] | None = None) -> Victim:
    """Run as fast as it can be, and asked as it is whether it is really fooled."""
    return Victim(network.planned("search"), through=through, rival=network.planned("reading"))


def _distortion(pictures: Float[Tensor, "n c h w"], x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    return (pictures - x).flatten(1).square().mean(1).sqrt()


def _part(some: int, every: int) -> str:
    return f"{some} of {every} ({100 * some / max(every, 1):.1f} %)"


def _passes(outcomes: Sequence[Outcome], began: float) -> tuple[str, str]:
    """Of a photograph that was attacked, in the mean; and seconds since then."""
    every = [(one.forwards[~one.before], one.backwards[~one.before]) for one in outcomes]
    ways = (torch.cat(way).double().mean() for way in zip(*every, strict=True))
    return " / ".join(f"{way:.1f}" for way in ways), f"{time.perf_counter() - began:.0f}"


def _watched(steps: Iterable[Step], words: str) -> None:
    """To its end; it says where it is when it begins, and twice a minute."""
    said = time.monotonic()
    print(words, file=sys.stderr, flush=True)
    for step in steps:
        if time.monotonic() - said > 30:
            said = time.monotonic()
            print(f"{words}, step {step.index}", file=sys.stderr, flush=True)
