"""What in a photograph a unit responds to, accentuated (Hamblin et al. 2024, arXiv:2402.10039).

From the photograph on, in its own Fourier coefficients (or their phases alone), the unit is made larger while a layer
is held near what it said about the photograph: a small exaggeration of what was there. The distance is weighed against
the unit divided by what it says about the photograph, so that a weight keeps its meaning from unit to unit; it is read
off the whole picture, the unit off random crops. What the gradients on the way passed by is shown in grey.
"""

from typing import Unpack

import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Score, code_distance
from phosphene.core.options import Batch, Seed, Weight
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import Fit, code, feed, target_unit, unit_words
from phosphene.core.units.portraits import Portraits, reached
from phosphene.core.units.presets import settings
from phosphene.features.visualize import parts_of


@recipe("picture")
def accentuate(
    network: Network,
    photo: Photo,
    *,
    target: str | int | None = None,
    layer: str | None = None,
    weight: Weight = 1.0,
    score: Score = "logit",
    fit: Fit = "crop",
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Make TARGET see more of what it sees in PHOTO, changing as little as it takes.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class (index or name) or LAYER:UNIT; by default the class that the network says.
        layer: the one that is held near the photograph; by default one above the middle.
        weight: of its distance, |code - photograph's|^2 / |photograph's|^2, against the unit's gain as a part of what
            it said about the photograph.
        score: what is made large for a class: its logit, log p or p.
        parameterization: all of the photograph's Fourier coefficients (the default), or their phases.
        fit: how the photograph becomes the network's input.
        batch: so many views at a time go through the network.
        seed: of the crops.
    """
    fed = feed(network, photo, fit)
    unit = target_unit(network, fed, target)
    name = network.layer(layer).name if layer else halfway(network)
    chosen = settings("accentuation", given)
    if chosen.transparency == "learned":
        raise Mistake("a photograph has no transparency to learn; gradient shows where it mattered")
    distance = code_distance(name, code(network, fed, name))
    parts = parts_of([unit], 1.0, score)
    own = float(reached(network, parts, fed, 1)[0])
    scale = abs(own) or 1.0
    portraits = Portraits(
        network, parts, [0], chosen, (fed.shape[2], fed.shape[3]), nouns=Nouns.among(given), seed=seed,
        start=fed, batch=batch, held=scale * weight * distance if weight else None,
    )  # fmt: skip
    shown = fed.float().cpu()
    what = unit_words(network, unit, score)

    def finish(step: Step) -> Result:
        found = portraits.shown(step)
        picture = found[:, :3].float().cpu()
        alpha = found[:, 3:].float().cpu() if found.shape[1] == 4 else torch.zeros_like(picture[:, :1])
        grey = shown.mean(1, keepdim=True).expand_as(shown)
        mattered = torch.lerp(grey, picture, alpha.square())  # squared, as random crops touch everything a little
        value = float(portraits.reached(step)[0])
        apart = float(values(network, distance, found[:, :3], torch.zeros(1, dtype=torch.long))[0])
        return Result(
            image=picture,
            names=[unit.stem],
            numbers=[
                {
                    "unit": unit.short, "photo": own, "value": value, "layer": name, "distance": apart,
                    "change": float((picture - shown).abs().mean()), "steps": step.index,
                }
            ],
            panels=[[
                (f"the network's input: {what} is {own:.3g}", shown),
                (f"accentuated: {value:.3g}", picture),
                ("where it mattered, the rest in grey", mattered),
            ]],
            title=f"What the {what} of {network.name} sees",
            input=shown,
        )  # fmt: skip

    return Run(portraits.path, total=chosen.steps, names=[unit.stem], finish=finish)
