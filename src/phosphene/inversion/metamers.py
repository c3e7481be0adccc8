"""What a code leaves free: several pictures that a layer can't tell apart, and where they differ.

Two lights of different spectra that look the same are metamers; so are two pictures with the same code (Freeman &
Simoncelli 2011, doi:10.1038/nn.2889; for networks Feather et al. 2019). Inversion from one start gives one of them, and
says nothing about the others. Here many starts go down together. A picture whose code is nearer than that of the one
farthest behind waits for it, so that all of them end at the same error and differ in nothing that the error could
explain. Where they all agree, the code holds the picture; where they differ, it is free.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Nouns, ascent
from phosphene.core.optimization.engine import Evaluate, Evaluation, Objective, Optimizer, Update
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, values
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term, code_distance
from phosphene.core.optimization.transforms import Transform
from phosphene.core.options import Bounds, Seed, Steps, Weight
from phosphene.core.pictures.colours import heat
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import Fit, code, feed
from phosphene.inversion.freedom import Freedom, freedom
from phosphene.inversion.invert import INVERT

AHEAD = 0.02
"""By how much, of the largest error, one may be smaller before its picture waits."""


class Abreast:
    """Problems that go down together: a picture ahead of the last one by more than `AHEAD` does not move.

    The error that is compared is the term's own, without priors.

    Args:
        many: how many problems.
    """

    def __init__(self, many: int) -> None:
        self.errors = torch.full((many,), torch.inf, dtype=torch.float64)

    def reading(self, network: Network, term: Term, transform: Transform) -> Objective:
        """`gradient`, whose values are remembered."""
        plain = gradient(network, term, transform)

        def objective(pictures: Tensor, rows: Int[Tensor, " n"], key: Key) -> Evaluation:
            found = plain(pictures, rows, key)
            self.errors[rows.cpu()] = found.values.cpu().double()
            return found

        return objective

    def optimizer(self, inner: Optimizer) -> Optimizer:
        """The same steps, of those who are not ahead."""

        def start(parameters: list[Tensor]) -> Update:
            update = inner(parameters)

            def behind(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
                moving = self.errors[rows] >= (1 - AHEAD) * self.errors[rows].max()
                update(values[moving.to(values.device)], gradients, rows[moving], evaluate)

            return behind

        return start

    def best(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps, each with the pictures of that whose largest error is the smallest so far."""
        kept, least = None, torch.inf
        for step in steps:
            if kept is None or self.errors.max() < least:
                kept, least = step, float(self.errors.max())
            yield replace(step, pictures=kept.pictures, values=kept.values)


@recipe("picture")
def metamers(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    many: Annotated[int, Bounds(2, 64)] = 8,
    error: Annotated[float, Bounds(0, 1)] = 0.0,
    steps: Steps = 400,
    tv: Weight = 0.02,
    rate: Weight = 0.05,
    fit: Fit = "crop",
    seed: Seed = 0,
    **given: Unpack[FurtherOptions],
) -> Run:
    """Find several pictures that LAYER can tell neither from PHOTO nor from each other, and show where they differ.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: whose activations are the code; by default a layer above the middle.
        many: how many pictures, each from a start of its own.
        error: of the code, |code - wanted|^2 / |wanted|^2, at which a picture stops; 0 to go as low as all of them get.
        steps: how many moves.
        tv: the weight of total variation; what it prefers is shared by all pictures, 0 leaves them free.
        rate: adam's step.
        fit: how the photograph becomes the network's input.
        seed: of the starts.
    """
    fed = feed(network, photo, fit)
    name = network.layer(layer).name if layer else halfway(network)
    reading = network.planned("reading")
    wanted = code(reading, fed, name)
    term = code_distance(name, wanted.expand(many, *wanted.shape[1:]))
    size, chosen = (fed.shape[2], fed.shape[3]), INVERT.but({**given, "steps": steps, "tv": tv, "rate": rate})
    abreast, how = Abreast(many), ascent(chosen, network, size, Nouns.among(given))
    stop = (lambda pictures, rows, there: abreast.errors[rows] <= error) if error else how.stop
    how = replace(how, redirected=False, reading=abreast.reading, optimizer=abreast.optimizer(how.optimizer), stop=stop)
    path = abreast.best(how.trajectory(network, [(range(many), -term)], Key(seed), size).steps)
    left = freedom(network, fed, name)
    names = [f"{name}-{i + 1}" for i in range(many)]

    def finish(step: Step) -> Result:
        found = (seen(network, step.pictures) * 255).round() / 255
        errors = values(reading, term, found.to(fed), torch.arange(many))
        title = f"Pictures that {name} of {network.name} can't tell apart"
        return _told(name, title, found.float().cpu(), errors.tolist(), fed.float().cpu(), left, step.index, names)

    return Run(path, total=steps, names=names, finish=finish, shown=lambda step: seen(network, step.pictures))


def _told(
    layer: str, title: str, found: Float[Tensor, "n 3 h w"], errors: list[float], fed: Float[Tensor, "1 3 h w"],
    left: Freedom, steps: int, names: list[str],
) -> Result:  # fmt: skip
    """The pictures beside the photograph, and the deviation among them."""
    apart = deviation(found)
    shown = heat(apart[None], signed=False)
    caption = f"where they differ: deviation {float(apart.mean()):.3f} on average, up to {float(apart.max()):.2f}"
    own = [(f"error {error:.4f}", one[None]) for error, one in zip(errors, found, strict=True)]
    panels = [("the network's input", fed), *own, (caption, shown)]
    spread = max(errors) / max(min(errors), 1e-12) - 1
    words = f"errors {min(errors):.4f} to {max(errors):.4f} (within {100 * spread:.1f} %); {left}"
    across = 5 if len(panels) > 6 else len(panels)
    strips = [Strip("", panels[i : i + across]) for i in range(0, len(panels), across)]
    numbers: list[dict[str, Any]] = [{"layer": layer, "error": error, "steps": steps} for error in errors]
    numbers[0] |= {"freedom": left.record(), "deviation": float(apart.mean())}
    return Result(
        image=found, names=names, numbers=numbers, title=f"{title}: {words}", input=fed,
        panels=[[panels[0], own[0], panels[-1]], *([panel] for panel in own[1:])],
        drawing=rows(strips, title, words, across, 220),
    )  # fmt: skip


def deviation(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "h w"]:
    """The root of the variance over pictures, a mean over colours: 0 where all are the same, at most about .5."""
    return pictures.double().var(0, correction=0).mean(0).sqrt()
