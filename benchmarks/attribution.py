"""Occlusion, a window of 32 px every 8 px: bare batched forwards, Captum, the whole computation, and less than that;
guided backprop and integrated gradients of a batch, beside Captum.

The networks are untrained: what they say doesn't matter to the time. Seconds are per position of the window, so that
contestants with other batches compare. The bare forwards are the plain model on pictures that are covered already, in
two memory layouts and several batch sizes; the best of them is the floor. Captum and this program do all of it, 625
positions of one photograph, this program its preparations too.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.byhand import frozen
from benchmarks.timing import Claim, Contestant, Finding, Report, Rows, Spread, Table, race
from phosphene.attribution import guided, integrated
from phosphene.attribution.incremental.reader import How, IncrementalReader
from phosphene.attribution.maps import Explainer, found
from phosphene.attribution.question import Question
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import PURPOSES, REWRITES, Plan
from phosphene.core.units.units import Unit
from phosphene.models.specs import load

WINDOW, STRIDE = 32, 8
FASTER = {"resnet18": 1.3, "vgg11": 2.5}
"""The networks, and how many times as fast as the floor recomputing has to be."""

FULL, INCREMENTAL, LOWER = "phosphene, in full", "phosphene, incremental", "phosphene, incremental, bfloat16"
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}

PATH = 10
"""Gradients along the path of integrated gradients; more take longer in proportion, for everybody."""

Corners = Sequence[tuple[int, int]]


def run(repeats: int, quick: bool) -> Report:
    """The races and what must come out of them."""
    reports = [*(_occlusion(name, repeats, quick) for name in FASTER), _batches(repeats, quick)]
    return Report(
        [table for report in reports for table in report.tables],
        [claim for report in reports for claim in report.claims],
        [note for report in reports for note in report.notes],
    )


# ------------------------------------------------------------------------------------------------------- occlusion


def _occlusion(name: str, repeats: int, quick: bool) -> Report:
    """One network's race; ratios are taken with the best of the bare forwards and the best of Captum's settings."""
    network = load(f"torchvision:{name}?weights=none", device="cpu", precision="float32").planned("search")
    lower = network.following(dict.fromkeys(PURPOSES, Plan("bfloat16", True, REWRITES)))
    side = 96 if quick else network.size[0]
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    corners = _corners(side, 4 * STRIDE if quick else STRIDE)

    bare = {
        f"bare forwards, {batch} at a time, {words}": partial(_bare, network, picture, corners, batch, layout)
        for batch in ([2] if quick else [8, 16, 32, 64])
        for words, layout in LAYOUTS.items()
    }
    others = {
        f"Captum, {at_once} perturbations per evaluation": partial(_captum, network, picture, corners, at_once)
        for at_once in ([4] if quick else [1, 16, 64])
    }
    ours = {
        FULL: partial(_ours, network, picture, corners, "full"),
        INCREMENTAL: partial(_ours, network, picture, corners, "incremental"),
        LOWER: partial(_ours, lower, picture, corners, "incremental"),
    }
    seconds = _a_position(race(ours | bare | others, repeats), len(corners), bare)
    floor, captum = _best(seconds, bare), _best(seconds, others)
    title = f"occlusion of {name}, {side} px, window {WINDOW}, {len(corners)} positions, float32, seconds a position"
    table = Table(title, {INCREMENTAL: seconds[INCREMENTAL]} | seconds)
    return Report(
        [table, _deviations(name, network, lower, picture, corners)],
        [*_claims(name, seconds, floor, captum), _equal(name, network, picture, corners)],
        [f"{name}: {IncrementalReader(*_asked(network, picture), ['logits']).words}."],
    )


def _claims(name: str, seconds: Mapping[str, Spread], floor: str, captum: str) -> list[Claim | Finding]:
    full, part = seconds[FULL], seconds[INCREMENTAL]
    return [
        Claim(
            f"{name}: in full at most 1.05 times as long as {floor}", full.over(seconds[floor]), 1.05, at_least=False
        ),
        Claim(f"{name}: in full no slower than {captum}", full.over(seconds[captum]), 1.0, at_least=False),
        Claim(
            f"{name}: incremental at least {FASTER[name]} times as fast as {floor}",
            seconds[floor].over(part), FASTER[name],
        ),
        Claim(f"{name}: incremental no slower than in full", part.over(full), 1.0, at_least=False),
    ]  # fmt: skip


def _corners(side: int, stride: int) -> Corners:
    places = range(0, side - WINDOW + 1, stride)
    return [(row, column) for row in places for column in places]


def _a_position(seconds: Mapping[str, Spread], many: int, bare: Mapping[str, partial[None]]) -> dict[str, Spread]:
    """A step of a bare contestant is one batch, of the others all positions."""
    return {name: spread.times(1 / (bare[name].args[3] if name in bare else many)) for name, spread in seconds.items()}


def _best(seconds: Mapping[str, Spread], names: Mapping[str, Contestant]) -> str:
    return min(names, key=lambda name: seconds[name].median)


def _asked(network: Network, picture: Tensor) -> tuple[Network, Tensor, Tensor, tuple[int, int]]:
    """The arguments of an incremental reader: the window is grey."""
    return network, picture, torch.full_like(picture, 0.5), (WINDOW, WINDOW)


def _read(network: Network, picture: Tensor, corners: Corners, how: How) -> Tensor:
    """The logits at every position."""
    reader = IncrementalReader(*_asked(network, picture), ["logits"], how)
    parts = [corners[at : at + reader.batch] for at in range(0, len(corners), reader.batch)]
    return torch.cat([reader.read(part)["logits"] for part in parts])


def _ours(network: Network, picture: Tensor, corners: Corners, how: How, tick: Callable[[], None]) -> None:
    tick()
    _read(network, picture, corners, how)
    tick()


@torch.no_grad()
def _bare(
    network: Network, picture: Tensor, corners: Corners, batch: int, layout: torch.memory_format,
    tick: Callable[[], None],
) -> None:  # fmt: skip
    """The plain model, again and again on one batch, about a hundred pictures in all."""
    covered = IncrementalReader(*_asked(network, picture), ["logits"], "full").occluded(corners[:batch])
    x = _plainly_fed(network, covered).contiguous(memory_format=layout)
    model = frozen(network.model)
    tick()
    for _ in range(max(2, 96 // batch)):
        model(x)
        tick()


@torch.no_grad()
def _captum(network: Network, picture: Tensor, corners: Corners, at_once: int, tick: Callable[[], None]) -> None:
    """Everything that it does, with its window at the same places."""
    from captum.attr import Occlusion

    stride = next(column for _, column in corners if column)
    x, grey = (_plainly_fed(network, p) for p in (picture, torch.full_like(picture, 0.5)))
    model: nn.Module = frozen(network.model)
    tick()
    Occlusion(model).attribute(
        x, (3, WINDOW, WINDOW), (3, stride, stride), baselines=grey, target=0, perturbations_per_eval=at_once
    )
    tick()


def _plainly_fed(network: Network, pictures: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.mean, network.std))
    return (pictures - mean) / std


def _equal(name: str, network: Network, picture: Tensor, corners: Corners) -> Finding:
    """Whether recomputing says what the whole computation says."""
    full, part = (_read(network, picture, corners, how) for how in ("full", "incremental"))
    apart = float((full - part).abs().max() / full.abs().max())
    return Finding(
        f"{name}: incremental differs from in full by at most 1e-4 of the largest logit", apart <= 1e-4, f"{apart:.2g}"
    )


def _deviations(name: str, network: Network, lower: Network, picture: Tensor, corners: Corners) -> Rows:
    """What bfloat16 costs: of the logits, and of how they change, which is what an occlusion map shows."""
    clean = network.read(picture, ["logits"])["logits"], lower.read(picture, ["logits"])["logits"]
    exact, near = (_read(one, picture, corners, "incremental") for one in (network, lower))
    change, near_change = exact - clean[0], near - clean[1]
    rows = [
        ("logits", exact, exact - near),
        ("their change under the window", change, change - near_change),
    ]
    return Rows(
        f"{name} in bfloat16, largest deviation from float32 at {len(corners)} positions",
        ("of", "largest value", "largest deviation", "ratio"),
        [
            (words, f"{value.abs().max():.3g}", f"{off.abs().max():.3g}", f"{off.abs().max() / value.abs().max():.3g}")
            for words, value, off in rows
        ],
    )


# --------------------------------------------------------------------------------------------- gradients of a batch


class _OnPixels(nn.Module):
    """The plain model from pictures, as Captum is given it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.model = network, frozen(network.model)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(_plainly_fed(self.network, pictures))


def _batches(repeats: int, quick: bool) -> Report:
    """Guided backprop and integrated gradients of several pictures at once."""
    network = load("torchvision:resnet18?weights=none", device="cpu", precision="float32")
    many, side, steps = (2, 64, 2) if quick else (16, 224, PATH)
    pictures = torch.rand(many, 3, side, side, generator=torch.Generator().manual_seed(0))
    tables, claims = [], []
    for recipe, theirs, options in (
        (guided, {"Captum": ("GuidedBackprop", {})}, {}),
        (
            integrated,
            {
                "Captum, all at once": ("IntegratedGradients", {"n_steps": steps}),
                f"Captum, {many} at a time": ("IntegratedGradients", {"n_steps": steps, "internal_batch_size": many}),
            },
            {"steps": steps},
        ),
    ):
        about = recipe.about
        asked = Question(network.planned(about.purpose), [Unit("logits", 1)] * many)
        others = {name: partial(_theirs, network, pictures, *how) for name, how in theirs.items()}
        seconds = race({"phosphene": partial(_found, recipe, asked, pictures, options)} | others, repeats)
        best = _best(seconds, others)
        words = f", {steps} steps" if options else ""
        tables.append(Table(f"{about.name} of {many} pictures of {side} px, resnet18, float32{words}", seconds))
        claims.append(
            Claim(f"{about.name}: no slower than {best}", seconds["phosphene"].over(seconds[best]), 1.0, at_least=False)
        )
    return Report(tables, claims)


def _found(recipe: Explainer, asked: Question, pictures: Tensor, options: Mapping, tick: Callable[[], None]) -> None:
    tick()
    found(recipe.method, asked, pictures, **options)
    tick()


def _theirs(network: Network, pictures: Tensor, name: str, options: Mapping, tick: Callable[[], None]) -> None:
    from captum import attr

    method = getattr(attr, name)(_OnPixels(network))
    tick()
    with warnings.catch_warnings(action="ignore"):
        method.attribute(pictures.clone().requires_grad_(), target=1, **options)
    tick()
