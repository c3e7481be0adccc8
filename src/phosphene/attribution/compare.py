"""The same question to every method: their pictures side by side.

What does not apply to a network (attention rollout to a convolutional one, rules for rectifiers where there are none)
is left out, and said.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch

from phosphene.attribution.emptiness import blanked, empty
from phosphene.attribution.explanation import drawn, file_names
from phosphene.attribution.maps import AnyExplainer, Growing, Maps
from phosphene.attribution.methods.cam import grad_cam, grad_cam_plus_plus, guided_grad_cam, layer_cam
from phosphene.attribution.methods.gradient_free_cam import ablation_cam, eigen_cam, score_cam
from phosphene.attribution.methods.gradients import deconvnet, gradient, guided, saliency
from phosphene.attribution.methods.lrp import lrp
from phosphene.attribution.methods.occlusion import occlusion
from phosphene.attribution.methods.paths import gradient_shap, input_x_gradient, integrated, smoothgrad
from phosphene.attribution.methods.rise import rise
from phosphene.attribution.methods.rollout import rollout
from phosphene.attribution.question import Pictures, Question, fed_together, question, usual_score
from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.engine import NotFinite
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score
from phosphene.core.options import Batch, Bounds, Words
from phosphene.core.pictures.files import Photo, Photos
from phosphene.core.pictures.sheets import grid
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Panel, Result, Run
from phosphene.core.units.inputs import Fit

RECIPES: tuple[AnyExplainer, ...] = (
    gradient, saliency, deconvnet, guided, input_x_gradient, integrated, gradient_shap, smoothgrad,
    grad_cam, grad_cam_plus_plus, layer_cam, score_cam, ablation_cam, eigen_cam, guided_grad_cam, lrp, rise, rollout,
    occlusion,
)  # fmt: skip
"""Every method of our own, in the order in which they are shown."""

EVERY = (
    "gradient,saliency,deconvnet,guided,input-x-gradient,integrated,gradient-shap,smoothgrad,grad-cam,grad-cam++,"
    "layer-cam,score-cam,ablation-cam,eigen-cam,guided-grad-cam,lrp,rise,rollout,occlusion"
)
"""Their names; written out, so that a picture's record tells which there were when it was made."""

PART = 100  # of the progress, for each method


@dataclass(frozen=True)
class Compared(Step):
    """The methods' maps so far, and why some have none, by their names."""

    maps: Mapping[str, Maps] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@recipe("search")
def compare(
    network: Network,
    photos: Photo | Photos,
    *,
    target: Annotated[
        str | int | None, Words("a class; by default what the network says, of each photograph its own")
    ] = None,
    against: Annotated[str | int | None, Words("another class: why the target rather than this one")] = None,
    unit: Annotated[str | None, Words("instead of a class, a unit LAYER:UNIT or a sum of units")] = None,
    score: Annotated[
        Score | None, Words("of a class: the logit, log p or p; by default what is usual for each method")
    ] = None,
    methods: Annotated[str, Words("the methods, by their names, separated by commas")] = EVERY,
    masks: Annotated[int, Bounds(1, 100_000), Words("how many of them RISE takes, which takes longest")] = 1000,
    fit: Annotated[Fit, Words("how a photograph becomes the network's input")] = "crop",
    batch: Annotated[Batch, Words("so many pictures go through the network at a time")] = 16,
) -> Run:
    """Show what every method says, side by side, each with its usual options.

    Args:
        network: the network to read.
        photos: one or several: a path, `skimage:NAME`, or pixels.
    """
    chosen = _chosen(methods)
    fed = fed_together(network, photos, fit)
    first = question(network, fed, target=target, against=against, unit=unit, score=score or "logit", batch=batch)
    named = any(given is not None for given in (target, against, unit))
    names = file_names(photos, "all", [one.stem for one in first.units] if named else None)

    def asked(one: AnyExplainer) -> Question:
        # each is run for what it is usually run for, so that it says what it says alone
        own = network.planned(one.about.purpose)
        return Question(own, first.units, score or usual_score(network, one.about.score), batch)

    def finish(step: Step) -> Result:
        assert isinstance(step, Compared)
        return _side_by_side(step, first, names)

    steps = _asked_in_turn(chosen, asked, fed, {rise: {"masks": masks}})
    return Run(steps, total=PART * len(chosen), names=names, finish=finish)


def _chosen(names: str) -> list[AnyExplainer]:
    """The methods of these names.

    Raises:
        Mistake: one is none of ours, or there is no name.
    """
    known = {one.about.name: one for one in RECIPES}
    chosen = list(dict.fromkeys(name for name in (part.strip() for part in names.split(",")) if name))
    unknown = next((name for name in chosen if name not in known), None)
    if unknown is not None or not chosen:
        near = did_you_mean(unknown or "", known) or f"; there are {', '.join(known)}"
        raise Mistake(f"there is no method '{unknown or names}' to be shown beside others{near}")
    return [known[name] for name in chosen]


def _asked_in_turn(
    chosen: Sequence[AnyExplainer],
    asked: Callable[[AnyExplainer], Question],
    fed: Pictures,
    options: Mapping[AnyExplainer, Mapping[str, int]],
) -> Iterator[Compared]:
    """The maps after each part of each method's work."""
    maps: dict[str, Maps] = {}
    left_out: dict[str, str] = {}
    pictures = shown(asked(chosen[0]).network, fed).float().cpu()

    def at(part: float) -> Compared:
        done = math.floor(part * PART)
        return Compared(done, pictures, torch.zeros(len(fed)), maps=dict(maps), left_out=dict(left_out))

    for i, one in enumerate(chosen):
        try:
            made = one.method(asked(one), fed, **options.get(one, {}))
            if isinstance(made, Growing):
                for done, maps[one.about.name] in made.steps:
                    yield at(i + 0.99 * done / made.total)
            else:
                maps[one.about.name] = made if isinstance(made, Maps) else Maps(made)
        except NotFinite:
            raise
        except Mistake as mistake:
            left_out[one.about.name] = str(mistake)
        yield at(i + 1)


def _side_by_side(step: Compared, asked: Question, names: Sequence[str]) -> Result:
    """One sheet and one figure for each photograph."""
    known = {one.about.name: one.about for one in RECIPES}
    fed, methods = step.pictures, [known[name] for name in step.maps]
    found = {one.name: blanked(step.maps[one.name], one) for one in methods}
    pictures = {one.name: drawn(asked.network, found[one.name].values, one, fed, one.show, "own") for one in methods}
    nothing = {one.name: empty(found[one.name], one).tolist() for one in methods}
    sheets, panels, numbers = [], [], []
    for i in range(len(fed)):
        row: list[Panel] = [("the network's input", fed[i : i + 1])]
        row += [
            (f"{name}: nothing anywhere" if nothing[name][i] else name, picture[i : i + 1])
            for name, picture in pictures.items()
        ]
        sheets.append(grid(torch.cat([picture for _, picture in row])))
        panels.append(row)
        facts = {name: maps.facts[i] if maps.facts else {} for name, maps in step.maps.items()}
        answer = {"target": asked.units[i].short, "words": asked.words(i), "methods": facts}
        without = {"nothing in": [name for name, of in nothing.items() if of[i]]}
        numbers.append(answer | {"left out": dict(step.left_out)} | (without if without["nothing in"] else {}))
    what = asked.words(0) if len(fed) == 1 else "every method"
    why = f"; left out: {', '.join(step.left_out)}" if step.left_out else ""
    return Result(
        image=torch.cat(sheets), names=names, panels=panels, input=fed, numbers=numbers,
        title=f"{what} of {asked.network.name}{why}",
        further_values={name: maps.values.float().cpu().numpy() for name, maps in step.maps.items()},
    )  # fmt: skip
