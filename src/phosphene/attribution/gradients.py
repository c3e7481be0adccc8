"""Ask the gradient: how much does each pixel move a score?

Baehrens et al. 2010; Simonyan et al. 2014 (arXiv:1312.6034) for saliency, Zeiler & Fergus 2014 (arXiv:1311.2901) for
the deconvnet, Springenberg et al. 2015 (arXiv:1412.6806) for guided backprop. Guided backprop and the deconvnet show
what the lower layers respond to, nearly whatever the class (Adebayo et al. 2018, arXiv:1810.03292); the gradient shows
the score.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.engine import Draw
from phosphene.core.feeding import Fit, feed, target_unit, unit_words
from phosphene.core.figures import grey_heat, signed_picture
from phosphene.core.interception import Rule
from phosphene.core.network import Network
from phosphene.core.objectives import gradient as slope_of
from phosphene.core.pictures import Photo
from phosphene.core.provenance import recipe
from phosphene.core.results import Result
from phosphene.core.terms import Score
from phosphene.core.units import unit_term


def _asked(
    network: Network, photo: Photo, target: str | int | None, score: Score, fit: Fit, rule: Rule, name: str, words: str
) -> Result:
    """The slope of the target's score, signed, as `values` (3, h, w) and as a picture around mid grey."""
    fed = feed(network, photo, fit)
    unit = target_unit(network, fed, target)
    objective = slope_of(network, unit_term([unit], score), rule=rule)
    values, slope = objective(fed, torch.zeros(1, dtype=torch.long), Draw(0, 0, [0]))
    slope = slope.float().cpu()
    asked = unit_words(network, unit, score)
    shown = grey_heat(slope.abs().amax(1)) if name == "saliency" else signed_picture(slope)
    kept: Float[Tensor, 1 * map] = slope.abs().amax(1) if name == "saliency" else slope
    return Result(
        image=shown,
        names=[f"{name}-{unit.stem}" if target is not None else name],
        numbers=[{"target": unit.short, "words": asked, "value": float(values[0]), "norm": float(slope.norm())}],
        panels=[[("what was fed", fed.float().cpu()), (words, shown)]],
        title=f"{name}: {asked} of {network.name}",
        input=fed.float().cpu(),
        values=kept.numpy(),
    )


@recipe("reading")
def gradient(
    network: Network, photo: Photo, *, target: str | int | None = None, score: Score = "logit", fit: Fit = "crop"
) -> Result:
    """Show the gradient of a score with respect to every colour of every pixel; grey is zero.

    Args:
        network: who is asked.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class, a unit LAYER:UNIT, or a sum of units; by default what the network says.
        score: of a class: the unnormalized logit, log p or p.
        fit: how the photograph becomes the network's input.
    """
    return _asked(network, photo, target, score, fit, "gradient", "gradient", "how the score moves with each colour")


@recipe("reading")
def saliency(
    network: Network, photo: Photo, *, target: str | int | None = None, score: Score = "logit", fit: Fit = "crop"
) -> Result:
    """Show how strongly a score depends on each pixel: the largest |gradient| of its three colours (Simonyan et al.).

    Args:
        network: who is asked.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class, a unit LAYER:UNIT, or a sum of units; by default what the network says.
        score: of a class: the unnormalized logit, log p or p.
        fit: how the photograph becomes the network's input.
    """
    return _asked(network, photo, target, score, fit, "gradient", "saliency", "how much the score depends on a pixel")


@recipe("reading")
def guided(
    network: Network, photo: Photo, *, target: str | int | None = None, score: Score = "logit", fit: Fit = "crop"
) -> Result:
    """Show the gradient that passes rectifiers only where both it and their input are positive (Springenberg et al.).

    Args:
        network: who is asked; it must have ReLUs or their kin.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class, a unit LAYER:UNIT, or a sum of units; by default what the network says.
        score: of a class: the unnormalized logit, log p or p.
        fit: how the photograph becomes the network's input.
    """
    return _asked(network, photo, target, score, fit, "guided", "guided", "what speaks for it, layer by layer")


@recipe("reading")
def deconvnet(
    network: Network, photo: Photo, *, target: str | int | None = None, score: Score = "logit", fit: Fit = "crop"
) -> Result:
    """Show the signal that passes rectifiers only where it is positive itself (Zeiler & Fergus).

    Args:
        network: who is asked; it must have ReLUs or their kin.
        photo: a path, `skimage:NAME`, or pixels.
        target: a class, a unit LAYER:UNIT, or a sum of units; by default what the network says.
        score: of a class: the unnormalized logit, log p or p.
        fit: how the photograph becomes the network's input.
    """
    return _asked(network, photo, target, score, fit, "deconvnet", "deconvnet", "what the network retraces to")
