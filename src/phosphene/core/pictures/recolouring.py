"""Pictures in the colours of another: its chroma, its histogram, or its colours' mean and covariance."""

import torch
from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""

FLAT = 1e-6
"""A variance that a picture of one colour has of each: it can't be stretched to another's."""


def luma(pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """How bright pixels are (BT.601)."""
    return (pictures.new_tensor(LUMA).view(1, 3, 1, 1) * pictures).sum(1, keepdim=True)


def with_chroma(pictures: Float[Tensor, "n 3 h w"], of: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Pictures in the chroma of another: red and blue less luma are its own, clipped to [0, 1].

    What luma has changed is added to it.
    """
    of = of.to(pictures)
    weights = pictures.new_tensor(LUMA).view(1, 3, 1, 1)
    return (of + (weights * (pictures - of)).sum(1, keepdim=True)).clamp(0, 1)


def with_histogram(pictures: Float[Tensor, "n 3 h w"], of: Float[Tensor, "1 3 hh ww"]) -> Float[Tensor, "n 3 h w"]:
    """In each colour the k-th darkest pixel gets the k-th darkest value of the other; of another size, a value between
    its."""
    flat = pictures.flatten(2)
    values = of.to(pictures).flatten(2).sort(2).values
    if values.shape[2] != flat.shape[2]:
        values = torch.nn.functional.interpolate(values, size=flat.shape[2], mode="linear")
    ranks = flat.argsort(dim=2, stable=True)
    return torch.empty_like(flat).scatter_(2, ranks, values.expand(len(flat), -1, -1)).view_as(pictures)


def with_covariance(pictures: Float[Tensor, "n 3 h w"], of: Float[Tensor, "1 3 hh ww"]) -> Float[Tensor, "n 3 h w"]:
    """Colours carried linearly so that their mean and covariance are those of the other, clipped to [0, 1].

    x' = S*^(1/2) S^(-1/2) (x - m) + m*, with roots that turn no colour into another more than they must (Gatys et al.
    2016, arXiv:1606.05897, their image analogies' match).
    """
    wanted = of.double().flatten(2)
    made = []
    for one in pictures.double():
        flat = one.flatten(1)
        here, there = (torch.cov(x, correction=0) + FLAT * torch.eye(3, dtype=x.dtype) for x in (flat, wanted[0]))
        moved = _power(there, 0.5) @ _power(here, -0.5) @ (flat - flat.mean(1, keepdim=True))
        made.append((moved + wanted[0].mean(1, keepdim=True)).view_as(one))
    return torch.stack(made).clamp(0, 1).to(pictures)


def _power(matrix: Float[Tensor, "c c"], exponent: float) -> Float[Tensor, "c c"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=FLAT).pow(exponent)) @ vectors.mT
