"""How natural a layer's activations are: their distance from what photographs do there, as terms.

A layer's activations at one place are a vector y over the channels; over photographs it has a mean m and a covariance
C. That of `embedded:photo` is in the package (`training/natural.py`); of every other network one measures it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from phosphene.core.errors import Mistake, did_you_mean
from phosphene.core.networks.network import Network
from phosphene.core.optimization.terms import Reading, Term

MEASURED = Path(__file__).with_name("natural.safetensors")


@dataclass(frozen=True)
class Statistics:
    """Of the activations of a layer at a place, over photographs and places.

    Attributes:
        mean, deviation: of each channel.
        correlation: of all pairs of them; 0 beside a channel that never changes.
    """

    mean: Float[Tensor, " channels"]
    deviation: Float[Tensor, " channels"]
    correlation: Float[Tensor, "channels channels"]

    def whitening(self, shrinkage: float = 0.05) -> Float[Tensor, "channels channels"]:
        """W with W^T W = ((1 - s) C + s diag C)^-1: whatever s > 0 is, no direction is impossible.

        Channels that never change count as if they changed by 1 % of the others' mean deviation.
        """
        deviation = self.deviation.double()
        deviation = deviation.clamp(min=max(0.01 * float(deviation.mean()), 1e-12))
        mixed = (1 - shrinkage) * self.correlation.double()
        mixed.diagonal().fill_(1.0)
        factor = torch.linalg.cholesky(mixed)
        return torch.linalg.solve_triangular(factor, torch.diag(1 / deviation), upper=False)


def measured(activations: Iterable[Float[Tensor, "n channels ..."]]) -> Statistics:
    """The statistics of a layer's activations on photographs, batch by batch.

    Raises:
        Mistake: there are none.
    """
    many, sums, squares = 0, torch.zeros(()), torch.zeros(())
    for y in activations:
        flat = y.double().flatten(2).movedim(1, 0).flatten(1) if y.dim() > 2 else y.double().T
        many, sums, squares = many + flat.shape[1], sums + flat.sum(1), squares + flat @ flat.T
    if not many:
        raise Mistake("natural statistics need at least one photograph")
    mean = sums / many
    covariance = squares / many - torch.outer(mean, mean)
    deviation = covariance.diagonal().clamp(min=0).sqrt()
    scale = torch.where(deviation > 1e-6 * mean.abs().clamp(min=1e-6), 1 / deviation, 0.0)
    return Statistics(mean, deviation, covariance * torch.outer(scale, scale))


def shipped(network: Network, layer: str = "") -> tuple[str, Statistics]:
    """A layer, and its statistics in the package.

    Args:
        layer: of the network; by default one near the picture, which noise excites.
    Raises:
        Mistake: they are of another network, or not of this layer.
    """
    with safe_open(MEASURED, "pt") as file:
        about = file.metadata()
        if network.sha256 != about["sha256"]:
            raise Mistake(
                f"what is natural was measured for {about['network']} and not for {network.name}; in Python, "
                "prior=natural_density(layer, measured(activations)) takes any network"
            )
        layers = about["layers"].split(",")
        name = network.layer(layer).name if layer else about["default"]
        if name not in layers:
            there = did_you_mean(name, layers) or f"; there are {', '.join(layers)}"
            raise Mistake(f"what is natural was not measured at {name} of {network.name}{there}")
        mean, deviation, lower = (file.get_tensor(f"{name}.{what}") for what in ("mean", "deviation", "correlation"))
    correlation = torch.zeros(len(mean), len(mean))
    rows, columns = torch.tril_indices(len(mean), len(mean), -1)
    correlation[rows, columns] = correlation[columns, rows] = lower.float()
    correlation.diagonal().copy_((deviation > 0).float())
    return name, Statistics(mean, deviation, correlation)


def natural_density(layer: str, statistics: Statistics, shrinkage: float = 0.05) -> Term:
    """Mean over places of (y - m)^T C^-1 (y - m) / channels: about 1 in a photograph, 0 where all is average.

    Twice the negative logarithm of the normal density of N(m, C), up to a constant, a channel and place.

    Raises (when read):
        Mistake: the layer has another number of channels.
    """
    whitening = statistics.whitening(shrinkage)

    def of(reading: Reading) -> Float[Tensor, " n"]:
        z = _white(reading.layers[layer], statistics.mean, whitening, layer)
        return reading.mean(z.square().mean((1, 2)))

    return Term(of, frozenset([layer]), f"density of {layer}")


def natural_match(layer: str, statistics: Statistics, shrinkage: float = 0.05) -> Term:
    """(|mean z|^2 + |covariance of z - 1|^2) / channels, z = C^(-1/2) (y - m): 0 where both are those of photographs.

    What a layer does in this one picture, over its places, is to be what it does in all: style transfer's loss, with
    photographs in general for the style.

    Raises (when read):
        Mistake: the layer has another number of channels.
    """
    whitening = statistics.whitening(shrinkage)

    def of(reading: Reading) -> Float[Tensor, " n"]:
        z = _white(reading.layers[layer], statistics.mean, whitening, layer)
        mean = z.mean(2, keepdim=True)
        apart = torch.einsum("map,mbp->mab", z - mean, z - mean) / z.shape[2]
        apart = apart - torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        return reading.mean((mean.square().sum((1, 2)) + apart.square().sum((1, 2))) / z.shape[1])

    return Term(of, frozenset([layer]), f"statistics of {layer}")


def _white(
    y: Float[Tensor, "m channels ..."], mean: Float[Tensor, " c"], whitening: Float[Tensor, "c c"], layer: str
) -> Float[Tensor, "m channels places"]:
    if y.shape[1] != len(mean):
        raise Mistake(f"{layer} has {y.shape[1]} channels, and the statistics are of {len(mean)}")
    dtype = torch.promote_types(y.dtype, torch.float32)
    flat = y.to(dtype).flatten(2) if y.dim() > 2 else y.to(dtype)[..., None]
    with torch.autocast(flat.device.type, enabled=False):  # a difference from what is usual has few digits left
        return whitening.to(flat) @ (flat - mean.to(flat)[:, None])
