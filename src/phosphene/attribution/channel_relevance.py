"""How much a channel contributed to a class: relevance of layers, and of one channel down to the pixels.

Activation says that a channel answers to a photograph; relevance says that a class was decided by it. Layer-wise
relevance propagation (`methods/lrp.py`) is stopped at a layer, and what has come there is added up for each channel:

    R_k = sum over positions of R_k,ij        with        sum over k of R_k = the class's logit, less what biases take

Sorted by it, photographs are those in which the network used the channel for that class, which need not be those that
excite it most (relevance maximization, Achtibat et al. 2023, arXiv:2206.03208; zennit-crp). Conditional relevance is
handed on from one channel alone: what of the photograph the class owes to the channel.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.methods.lrp import folding, rules
from phosphene.attribution.methods.propagation import Propagated
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.objectives import NoGradient, pulled
from phosphene.core.pictures.files import Photo
from phosphene.core.units.exemplars import Peaks, check_places, joined, largest
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import fed

RULES = rules("epsilon-plus-flat")
"""zennit-crp's: what contributed positively in convolutions, all alike in fully connected layers and in the pixels."""


def layer_relevance(
    network: Network, pictures: Float[Tensor, "n c h w"], layer: str, target: int, channel: int | None = None
) -> tuple[Float[Tensor, "n channels ..."], Float[Tensor, "n c h w"] | None]:
    """The relevance of every activation of a layer for a class's logit, and of one channel's for every pixel.

    Args:
        network: with batch normalization folded, as `folding` gives it.
        layer: its name; one that the class depends on.
        target: the class.
        channel: whose relevance is handed on to the pixels.
    Raises:
        Mistake: the class does not depend on that layer, or relevance is not finite.
    """
    ends = torch.zeros_like(pictures[:1]), torch.ones_like(pictures[:1])
    low, high = (network.preprocess(end).detach() for end in ends)
    unrelated = f"no class of {network.name} depends on {layer}; give a layer that comes before them"
    with torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
        x = pictures.detach().clone().requires_grad_()
        read = network.read(x, ["logits", layer], lambda fed: Propagated(RULES, fed, (low, high)), until)
        said = network.head.scores(read["logits"], "logit")[:, target]
        try:
            share = pulled(said, read[layer], network.name, unrelated, again=channel is not None)
        except NoGradient:
            raise Mistake(unrelated) from None
        relevance = (share * read[layer]).detach()
        pixels = None
        if channel is not None:
            own = (share.detach() * read[layer])[:, channel]
            pixels = pulled(own, x, network.name) * x.new_tensor(network.std).view(-1, 1, 1)
    if not relevance.isfinite().all():
        raise Mistake(f"the relevance of {layer} is not finite on {network.name}; its weights may be damaged")
    return relevance, pixels


def relevance_peaks(
    network: Network, photos: Sequence[Photo], layers: Sequence[str], target: int, fit: Fit = "crop", batch: int = 16
) -> dict[str, Peaks]:
    """As `core.units.exemplars.peaks`, by relevance: each channel's sum over positions, and where the largest is.

    Raises:
        Mistake: a layer whose units have no place, or on which no class depends.
    """
    for name in layers:
        check_places(network, name)
        if name == "logits":
            raise Mistake("a class has relevance for itself alone; give units of a layer below, such as mixed4a:3")
    found: dict[str, list[Peaks]] = {name: [] for name in layers}
    own = folding(network)
    for _, pictures in fed(network, photos, fit, batch):
        for name in layers:
            relevance, _ = layer_relevance(own, pictures, name, target)
            found[name].append(summed(relevance.float()))
    return {name: joined(parts) for name, parts in found.items()}


def summed(relevance: Float[Tensor, "n channels ..."]) -> Peaks:
    """Of each channel the sum over positions, and where the largest and the smallest are."""
    at = largest(relevance)
    total = relevance.flatten(2).double().sum(2).float().cpu() if relevance.dim() > 2 else relevance.cpu()
    assert at.below is not None
    return Peaks(total, at.places, Peaks(total, at.below.places))
