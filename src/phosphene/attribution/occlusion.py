"""Cover a part and see what the network then says (Zeiler & Fergus 2014, arXiv:1311.2901, figure 7)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.engine import NotFinite, Step
from phosphene.core.errors import Mistake, check_range
from phosphene.core.feeding import Fit, feed, target_unit, unit_words
from phosphene.core.figures import heat, overlay
from phosphene.core.network import Network
from phosphene.core.objectives import values
from phosphene.core.pictures import Photo
from phosphene.core.provenance import recipe
from phosphene.core.results import Result, Run
from phosphene.core.terms import Score
from phosphene.core.units import AnyUnit, unit_term


def places(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin along one side: every `stride` pixels, the last one flush with the end."""
    last = max(length - window, 0)
    return sorted({*range(0, last, stride), last})


def _scores(network: Network, unit: AnyUnit, kind: Score, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " n"]:
    said = values(network, unit_term([unit], kind), pictures, torch.zeros(len(pictures), dtype=torch.long))
    if not said.isfinite().all():
        raise NotFinite(f"{network.name} answers with values that are not finite; its weights may be damaged")
    return said


def _drops(
    network: Network, fed: Tensor, unit: AnyUnit, kind: Score, window: tuple[int, int], stride: int, batch: int
) -> Iterator[Step]:
    """Each step covers `batch` more places; its picture is the map so far, the mean drop of the score, three times."""
    _, _, height, width = fed.shape
    corners = [(r, c) for r in places(height, window[0], stride) for c in places(width, window[1], stride)]
    before = _scores(network, unit, kind, fed)
    total, count = torch.zeros(2, 1, 1, height, width, device=fed.device, dtype=fed.dtype)
    for start in range(0, len(corners), batch):
        part = corners[start : start + batch]
        covered = fed.expand(len(part), -1, -1, -1).clone()
        for picture, (r, c) in zip(covered, part, strict=True):
            picture[:, r : r + window[0], c : c + window[1]] = 0.5
        for drop, (r, c) in zip(before - _scores(network, unit, kind, covered), part, strict=True):
            total[..., r : r + window[0], c : c + window[1]] += drop
            count[..., r : r + window[0], c : c + window[1]] += 1
        mean = (total / count.clamp(min=1)).float().cpu()
        yield Step(min(start + batch, len(corners)), mean.expand(-1, 3, -1, -1), before.float().cpu())


@recipe("search")
def occlusion(
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    score: Score = "logit",
    window: int | None = None,
    stride: int | None = None,
    batch: int = 16,
    fit: Fit = "crop",
) -> Run:
    """Show how much a score drops when a grey square covers each place; red is what speaks for it, blue against.

    A pixel's value is the mean drop over the squares that cover it.

    Args:
        network: who is asked.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class, a unit LAYER:UNIT, or a sum of units; by default what the network says.
        score: of a class: the unnormalized logit, log p or p.
        window: side of the square in pixels; by default a seventh of the shorter side.
        stride: from square to square in pixels; by default half a window.
        batch: squares at a time.
        fit: how the photograph becomes the network's input.
    """
    for name, given in (("window", window), ("stride", stride), ("batch", batch)):
        check_range(name, given, 1)
    fed = feed(network, photo, fit)
    unit = target_unit(network, fed, target)
    side = window or max(1, round(min(fed.shape[2:]) / 7))
    step_by = stride or max(1, side // 2)
    if side > min(fed.shape[2:]):
        raise Mistake(f"a window of {side} px does not fit a picture of {fed.shape[2]} x {fed.shape[3]} pixels")
    asked = unit_words(network, unit, score)
    stem = f"occlusion-{unit.stem}" if target is not None else "occlusion"
    total = len(places(fed.shape[2], side, step_by)) * len(places(fed.shape[3], side, step_by))

    def finish(step: Step) -> Result:
        drops, shown = step.pictures[:, 0], fed.float().cpu()
        words = f"how much the {asked} drops where a {side} px square is grey"
        return Result(
            image=heat(drops, signed=True),
            names=[stem],
            numbers=[
                {
                    "target": unit.short,
                    "words": asked,
                    "value": float(step.values[0]),
                    "largest drop": float(drops.max()),
                    "window": side,
                    "stride": step_by,
                    "places": step.index,
                }
            ],
            panels=[[("what was fed", shown), (words, overlay(shown, drops, signed=True))]],
            title=f"occlusion: {asked} of {network.name}",
            input=shown,
            values=drops.numpy(),
        )  # fmt: skip

    steps = _drops(network, fed, unit, score, (side, side), step_by, batch)

    def shown(step: Step) -> Tensor:
        return heat(step.pictures[:, 0], signed=True)

    return Run(steps, total=total, names=[stem], finish=finish, shown=shown)
