"""How tests ask: a method's own function, in float64, on pictures as they are fed."""

import torch

from phosphene.attribution.maps import found
from phosphene.attribution.question import question
from tests.small import levels


def answer(recipe, network, pictures, *, target=None, against=None, unit=None, score=None, batch=16, **options):
    """What a method finds, as Maps."""
    asked = question(
        network, pictures, target=target, against=against, unit=unit, score=score or recipe.about.score, batch=batch
    )
    return found(recipe.method, asked, pictures, **options)


def photos(many=1, size=16, seed=0):
    """8-bit pictures, in float64."""
    return torch.stack([levels(3, size, size, seed=seed + i) for i in range(many)]).double()


def on_pixels(network):
    """The network as a function of RGB pictures, for whoever differentiates it by hand."""
    mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (network.mean, network.std))
    return lambda x: network.model((x - mean) / std)
