"""What a layer remembers: find a picture with the same code (Mahendran & Vedaldi 2015, arXiv:1412.0035).

argmin |Phi(x) - Phi_0|^2 / |Phi_0|^2 + lambda TV(x), over Fourier coefficients from noise. Where the code is the same
and the picture is not, the layer has forgotten the difference. The normalized error is that of the 8-bit picture.
"""

from dataclasses import replace
from typing import Unpack

import torch

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Nouns, ascent
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import FurtherOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import code_distance
from phosphene.core.options import Seed, Steps, Weight
from phosphene.core.pictures.files import Photo
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import Fit, feed

INVERT = Settings(steps=400, tv=0.02)
"""Adam on Fourier coefficients, without transforms: the code is to be met place by place."""


@recipe("picture")
def invert(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    steps: Steps = 400,
    tv: Weight = 0.02,
    rate: Weight = 0.05,
    fit: Fit = "crop",
    seed: Seed = 0,
    **given: Unpack[FurtherOptions],
) -> Run:
    """Find a picture that LAYER can't tell from PHOTO, starting at noise.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: whose activations are the code; by default a layer above the middle.
        steps: how many moves.
        tv: the weight of total variation, which prefers smooth pictures among those with the same code.
        rate: adam's step.
        fit: how the photograph becomes the network's input.
        seed: of the start.
    """
    fed = feed(network, photo, fit)
    name = network.layer(layer).name if layer else halfway(network)
    with torch.no_grad():
        code = network.planned("reading").read(fed, [name])[name]
    if not code.isfinite().all() or not code.any():
        what = "nothing but zeros" if code.isfinite().all() else "values that are not finite"
        raise Mistake(f"{name} of {network.name} says {what} about this photograph; there is nothing to invert")
    term = code_distance(name, code)
    size, chosen = (fed.shape[2], fed.shape[3]), INVERT.but({**given, "steps": steps, "tv": tv, "rate": rate})
    how = replace(ascent(chosen, network, size, Nouns.among(given)), redirected=False)
    path = how.trajectory(network, [([0], -term)], Key(seed), size).steps

    def finish(step: Step) -> Result:
        found = (seen(network, step.pictures) * 255).round() / 255
        error = values(network.planned("reading"), term, found.to(fed), torch.zeros(1, dtype=torch.long))
        shown = found.float().cpu()
        return Result(
            image=shown,
            names=[name],
            numbers=[{"layer": name, "error": float(error[0]), "steps": step.index}],
            panels=[[("the network's input", fed.float().cpu()), (f"from {name}; error {float(error[0]):.3f}", shown)]],
            title=f"What {name} of {network.name} remembers",
            input=fed.float().cpu(),
        )

    return Run(path, total=steps, names=[name], finish=finish, shown=lambda step: seen(network, step.pictures))
