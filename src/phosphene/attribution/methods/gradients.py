"""Ask the gradient: how much does each pixel move a score?

Baehrens et al. 2010; Simonyan et al. 2014 (arXiv:1312.6034) for saliency, Zeiler & Fergus 2014 (arXiv:1311.2901) for
the deconvnet, Springenberg et al. 2015 (arXiv:1412.6806) for guided backprop. Guided backprop and the deconvnet show
what the lower layers respond to, nearly whatever the class (Adebayo et al. 2018, arXiv:1810.03292); the gradient shows
the score. What the two pass back at each rectifier, smooth and bent ones too, is in `core.interception.ruled`; max
pooling passes back to where its maximum was.
"""

from typing import Unpack

from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Maps
from phosphene.attribution.question import Pictures, Question, every
from phosphene.core.networks.rectifiers import Rule


def gradients(asked: Question, pictures: Pictures, rule: Rule = "gradient") -> Maps:
    """The gradient of every colour, and what is told beside it: the score and the length of the whole gradient."""
    values, signed = asked.gradients(pictures, every(pictures), rule)
    lengths = signed.flatten(1).norm(dim=1)
    return Maps(signed, [{"value": float(v), "norm": float(n)} for v, n in zip(values, lengths, strict=True)])


@explains("how the score moves with each colour", "sensitivity", "colours")
def gradient(asked: Question, pictures: Pictures, **common: Unpack[Common]) -> Maps:
    """Show the gradient of a score with respect to every colour of every pixel; grey is zero."""
    return gradients(asked, pictures)


@explains("how much the score depends on a pixel", "sensitivity", "grey")
def saliency(asked: Question, pictures: Pictures, **common: Unpack[Common]) -> Maps:
    """Show how strongly a score depends on each pixel: the largest |gradient| of its colours (Simonyan et al.)."""
    maps = gradients(asked, pictures)
    return Maps(maps.values.abs().amax(1), maps.facts)


@explains("what the network retraces to", "sensitivity", "colours", purpose="search")
def deconvnet(asked: Question, pictures: Pictures, **common: Unpack[Common]) -> Maps:
    """Show the signal that passes rectifiers only where it is positive itself (Zeiler & Fergus)."""
    return gradients(asked, pictures, "deconvnet")


@explains(
    "what speaks for it, layer by layer", "sensitivity", "colours", beside=(gradient, deconvnet), purpose="search"
)
def guided(asked: Question, pictures: Pictures, **common: Unpack[Common]) -> Maps:
    """Show the gradient that passes rectifiers where both it and their input are positive (Springenberg et al.)."""
    return gradients(asked, pictures, "guided")
