"""What units look for: pictures that excite them, found by climbing from noise (Erhan et al. 2009; Olah et al. 2017).

Gradient ascent on the pixels alone finds noise that the network mistakes for what it looks for. Two things make
pictures of it: coordinates in which natural pictures are easy (Fourier coefficients in decorrelated colours), and
transforms that the picture has to survive.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from phosphene.core.engine import Draw, Step, argmin
from phosphene.core.errors import check_range
from phosphene.core.feeding import seen, unit_words, working_dtype
from phosphene.core.network import Network
from phosphene.core.objectives import Objective, chunked, unblocked, values
from phosphene.core.optimizers import adam
from phosphene.core.parameterizations import Fourier
from phosphene.core.pictures import LEAST_SIDE
from phosphene.core.provenance import recipe
from phosphene.core.results import Result, Run
from phosphene.core.terms import Score, Term
from phosphene.core.transforms import Transform, as_is, lucid, strong
from phosphene.core.units import AnyUnit, groups, parse_units, stems, unit_term

Robustness = Literal["strong", "lucid", "none"]


def default_side(network: Network) -> int:
    """Large enough to see something, small enough to be quick: the network's size between 128 and 160 px."""
    return min(network.size) if network.fixed else min(max(min(network.size), 128), 160)


def _transform(robustness: Robustness, size: tuple[int, int]) -> Transform:
    return {"strong": strong(size), "lucid": lucid(), "none": as_is}[robustness]


Parts = list[tuple[list[int], Term]]
"""Units that one term asks for: which problems they are, and what is made small for them."""


def _parts(units: Sequence[AnyUnit], sign: float, kind: Score) -> Parts:
    return [(part, -sign * unit_term([units[i] for i in part], kind)) for part in groups(units)]


def _objective(network: Network, parts: Parts, transform: Transform) -> Objective:
    """Units of several signatures are several objectives over their own rows."""
    objectives = [unblocked(network, term, transform) for _, term in parts]
    if len(parts) == 1:
        return objectives[0]
    part_of, place = torch.empty(2, sum(len(problems) for problems, _ in parts), dtype=torch.long)
    for p, (problems, _) in enumerate(parts):
        part_of[problems], place[problems] = p, torch.arange(len(problems))

    def objective(pictures: Tensor, rows: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        values, slope = pictures.new_zeros(len(pictures)), torch.zeros_like(pictures)
        for p, (problems, _) in enumerate(parts):
            mine = (part_of[rows] == p).nonzero().flatten()
            if len(mine):
                shown = Draw(draw.seed, draw.step, [draw.problems[i] for i in problems], draw.stream)
                values[mine], slope[mine] = objectives[p](pictures[mine], place[rows[mine]], shown)
        return values, slope

    return objective


def _reached(network: Network, parts: Parts, pictures: Tensor, batch: int) -> Tensor:
    """What each unit says about its picture, as it is, without any transform."""
    found = []
    for problems, term in parts:
        rows = torch.arange(len(problems))
        found += [values(network, term, pictures[torch.tensor(problems)[some]], some) for some in rows.split(batch)]
    order = torch.tensor([i for problems, _ in parts for i in problems])
    return torch.cat(found)[order.argsort()]


@recipe("picture")
def visualize(
    network: Network,
    units: Sequence[str | AnyUnit],
    *,
    size: int | None = None,
    steps: int = 256,
    negative: bool = False,
    score: Score = "logit",
    robustness: Robustness = "strong",
    rate: float = 0.05,
    decay: float = 1.0,
    batch: int = 16,
    seed: int = 0,
) -> Run:
    """Paint what excites each of UNITS most: LAYER:UNIT, LAYER:0-63, LAYER:UNIT@ROW,COLUMN or logits:CLASS.

    Also LAYER:all, LAYER (all of it at once), LAYER:UNIT@TOKEN, directions (LAYER:file=VECTOR.npy), and sums of these
    ("mixed4a:3 + 0.5*mixed4a:5").

    Adam on Fourier coefficients in decorrelated colours, under random shifts, scalings and rotations.

    Args:
        network: whose units.
        units: which ones; all of them are painted in one batch.
        size: side of the pictures in pixels.
        steps: how many moves.
        negative: what they dislike instead.
        score: what is climbed for a class: its logit (known to give the best pictures), log p or p.
        robustness: the transforms that a picture must survive.
        rate: Adam's step.
        decay: how much low frequencies are preferred.
        batch: so many pictures at a time go through the network: memory stays flat, and caches are used (16 is 1.3
            times as fast as 64 at 128 px on two cores).
        seed: of the start and the transforms.
    """
    check_range("size", size, LEAST_SIDE, 10_000)
    check_range("steps", steps, 0)
    check_range("batch", batch, 1)
    check_range("decay", decay, 0, 10)
    asked = parse_units(network, units)
    side = size or default_side(network)
    names = [unit.key for unit in asked]
    image = Fourier(names, (side, side), seed=seed, decay=decay, dtype=working_dtype(network), device=network.device)
    sign = -1.0 if negative else 1.0
    parts = _parts(asked, sign, score)
    objective = _objective(network, parts, _transform(robustness, (side, side)))
    path = argmin(image, chunked(objective, batch), optimizer=adam(rate), steps=steps, seed=seed, problems=names)

    def finish(step: Step) -> Result:
        shown = seen(network, step.pictures)
        found = _reached(network.planned("reading"), parts, shown, batch)
        found = torch.where(found.isfinite(), found, step.values.to(found))  # where it fails, the last good one
        reached = [-sign * value for value in found.tolist()]
        words = ["least excites" if negative else "excites" for _ in asked]
        captions = [
            f"{word} the {unit_words(network, unit, score)}: {value:.4g}"
            for word, unit, value in zip(words, asked, reached, strict=True)
        ]
        return Result(
            image=shown.float().cpu(),
            names=stems(asked),
            numbers=[
                {"unit": unit.short, "value": value, "steps": step.index}
                for unit, value in zip(asked, reached, strict=True)
            ],
            panels=[[(c, picture[None])] for c, picture in zip(captions, shown.float().cpu(), strict=True)],
            title=f"{network.name}",
        )

    return Run(path, total=steps, names=stems(asked), finish=finish)
