"""What a code leaves free: several pictures that a layer can't tell apart, and where they differ.

Two lights of different spectra that look the same are metamers; so are two pictures with the same code (Freeman &
Simoncelli 2011, doi:10.1038/nn.2889; of networks Feather et al. 2019). Inversion from one start gives one of them, and
says nothing about the others. Here many starts go down together, and in the end those whose code came nearer go back a
little on their own way, until all are at the same error: so they differ in nothing that the error could explain. Where
they all agree, the code holds the picture; where they differ, it is free.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import ascent
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Seed, Steps, Weight
from phosphene.core.pictures.colours import heat
from phosphene.core.pictures.eight_bit import nearest_levels
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.sheets import Strip, rows
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.inputs import Fit
from phosphene.inversion.codes import errors
from phosphene.inversion.freedom import Freedom, freedom
from phosphene.inversion.invert import Subject, subject
from phosphene.inversion.presets import AnyPreset, setup
from phosphene.inversion.search import ERROR, searched

DEVIATION = 0.3
"""Of the starting noise, at least: what the code can't see stays as it began, so starts are to differ. At .01 they are
all grey, at 1 as strong as a photograph, and the noise that is left in them doubles the error."""

FALLEN = 0.1
"""A picture is remembered when its error has fallen by this part since the last one that was."""

HALVINGS = 12
"""Of the way back to a remembered picture: in the end the place is known to 1/4096 of it."""


class Trail:
    """Pictures that several problems had on their way down, a few of each: those from the largest error of all on."""

    def __init__(self) -> None:
        self._kept: list[list[tuple[float, Tensor]]] = []

    def noted(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The same steps, remembered."""
        for step in steps:
            reached = step.outputs[ERROR].cpu().double().tolist()
            self._kept = self._kept or [[] for _ in reached]
            for own, error, picture in zip(self._kept, reached, step.pictures, strict=True):
                if not own or error < (1 - FALLEN) * own[-1][0]:
                    own.append((error, picture.clone()))
                above = [k for k, (one, _) in enumerate(own) if one >= max(reached)]
                del own[: max(0, len(above) - 2)]  # one to spare, as errors of 8-bit pictures are others
            yield step

    def back(self, row: int) -> Iterator[Float[Tensor, "3 h w"]]:
        """The pictures of a problem, the last one first."""
        return (picture for _, picture in reversed(self._kept[row]))


def levelled(
    measured: Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, " n"]],
    pictures: Float[Tensor, "n 3 h w"],
    trail: Trail,
    least: float = 0.0,
) -> Float[Tensor, "n 3 h w"]:
    """Pictures as far back on straight lines to their trail as they need to be, to have the largest error of all.

    Args:
        measured: the errors of pictures.
        trail: of the same problems.
        least: the error to go back to, where the largest is below it.
    """
    reached = measured(pictures)
    wanted, ends = max(least, float(reached.max())), pictures.clone()
    for row, error in enumerate(reached.tolist()):
        if error < wanted:
            further = (one for one in trail.back(row) if float(measured(one[None])[0]) >= wanted)
            ends[row] = next(further, pictures[row])
    low = torch.zeros(len(pictures), 1, 1, 1, dtype=pictures.dtype, device=pictures.device)
    high = torch.ones_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beyond = (measured(torch.lerp(pictures, ends, middle)) > wanted).view(-1, 1, 1, 1).to(pictures.device)
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    return torch.lerp(pictures, ends, low)


@recipe("picture")
def metamers(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    many: Annotated[int, Bounds(2, 64)] = 8,
    error: Annotated[float, Bounds(0, 1)] = 0.0,
    preset: AnyPreset = "default",
    steps: Steps | None = None,
    tv: Weight | None = None,
    rate: Weight | None = None,
    patience: Steps = 50,
    fit: Fit = "crop",
    seed: Seed = 0,
    **given: Unpack[FurtherOptions],
) -> Run:
    """Find several pictures that LAYER can tell neither from PHOTO nor from each other, and show where they differ.

    A preset says how, as in `invert`; every option without a default of its own replaces one of its values. What a
    prior prefers is the same for all of them: without one (`--preset plain`), they are as different as they can be.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels; or a file of one code without the picture (`phosphene code`).
        layer: whose activations are the code, or `logits`, `probabilities`, `log-probabilities`; by default a layer
            above the middle.
        many: how many pictures, each from a start of its own.
        error: of the code, |code - wanted|^2 / |wanted|^2, at which a picture stops; 0 to go as low as all of them get.
        preset: default, mahendran, plain, deep-prior.
        steps: how many moves.
        tv: the weight of total variation.
        rate: the length of a move.
        patience: a picture is finished when its error has not fallen by 1 % in so many steps; 0 takes all steps.
        fit: how the photograph becomes the network's input.
        seed: of the starts.
    """
    about = _of_one_code(subject(network, photo, layer, fit))
    (code,) = about.codes
    how = setup(preset, {**given, "steps": steps, "tv": tv, "rate": rate}, network, [code.layer] * many, about.size)
    settings = how.settings
    if isinstance(preset, str) and given.get("deviation") is None:
        settings = replace(settings, deviation=max(DEVIATION, settings.deviation))
    chosen = ascent(settings, network, about.size, how.nouns)
    if error:
        chosen = replace(chosen, stop=lambda pictures, rows, there: there.outputs[ERROR] <= error)
    trail = Trail()
    steps_down = searched(network, [code] * many, chosen, about.size, starts=range(many), seed=seed, patience=patience)
    left: list[Freedom] = []

    def path() -> Iterator[Step]:
        if about.fed is not None:  # takes seconds: begun where the bar is there already
            left.append(freedom(network, about.fed, code))
        yield from trail.noted(steps_down)

    names = [f"{code.layer}-{i + 1}" for i in range(many)]

    def rounded(pictures: Tensor) -> Tensor:
        return nearest_levels(seen(network, pictures))

    def measured(pictures: Tensor) -> Tensor:
        return errors(network, [code] * len(pictures), rounded(pictures))

    def finish(step: Step) -> Result:
        found = rounded(levelled(measured, step.pictures, trail, error))
        reached = errors(network, [code] * many, found).tolist()
        numbers: list[dict[str, Any]] = [{"layer": code.layer, "error": one, "steps": step.index} for one in reached]
        numbers[0] |= {"freedom": left[0].record()} if left else {}
        about_freedom = f"; {left[0]}" if left else ""
        title = f"Pictures that {code.layer} of {network.name} can't tell apart"
        fed = None if about.fed is None else seen(network, about.fed).float().cpu()
        return _told(found.float().cpu(), names, numbers, title, about_freedom, fed)

    return Run(
        path(), total=settings.steps, names=names, finish=finish, shown=lambda step: seen(network, step.pictures)
    )


def _of_one_code(about: Subject) -> Subject:
    if len(about.codes) != 1:
        layers = ", ".join(code.layer for code in about.codes)
        raise Mistake(f"metamers are of one layer at a time, not of {layers}; name one: --layer {about.codes[0].layer}")
    return about


def _told(
    found: Float[Tensor, "n 3 h w"], names: list[str], numbers: list[dict[str, Any]], title: str, freedom: str,
    fed: Float[Tensor, "1 3 h w"] | None,
) -> Result:  # fmt: skip
    """The pictures beside the photograph, and the deviation among them."""
    apart, reached = deviation(found), [one["error"] for one in numbers]
    numbers[0]["deviation"] = float(apart.mean())
    caption = f"where they differ: deviation {float(apart.mean()):.3f} on average, up to {float(apart.max()):.2f}"
    differ: Panel = (caption, heat(apart[None], signed=False))
    first: list[Panel] = [] if fed is None else [("the network's input", fed)]
    own: list[Panel] = [(f"error {error:.4f}", one[None]) for error, one in zip(reached, found, strict=True)]
    spread = max(reached) / max(min(reached), 1e-12) - 1
    words = f"errors {min(reached):.4f} to {max(reached):.4f} (within {100 * spread:.1f} %){freedom}"
    panels = [*first, *own, differ]
    across = min(len(panels), 5)
    strips = [Strip("", panels[i : i + across]) for i in range(0, len(panels), across)]
    return Result(
        image=found, names=names, numbers=numbers, title=f"{title}: {words}", input=fed,
        panels=[[*first, own[0], differ], *([panel] for panel in own[1:])],
        drawing=rows(strips, title, words, across, 220),
    )  # fmt: skip


def deviation(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "h w"]:
    """The root of the variance over pictures, a mean over colours: 0 where all are the same, at most .5."""
    return pictures.double().var(0, correction=0).mean(0).sqrt()
