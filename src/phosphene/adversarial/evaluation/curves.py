"""Accuracy as a function of the radius, from the distance of the nearest picture that fools."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.evaluation.parts import ROUNDING


def accuracy_at(nearest: Float[Tensor, " n"], eps: float) -> float:
    """The share of pictures that nothing was found for within eps."""
    return float((nearest > eps + ROUNDING).double().mean())


def staircase(nearest: Float[Tensor, " n"], furthest: float) -> list[tuple[float, float]]:
    """(radius, accuracy) where it falls, from 0 to `furthest`: two points for each step, and the ends.

    Args:
        nearest: infinite where nothing was found, 0 where the network is wrong without any change.
    """
    many = len(nearest)
    steps = torch.unique(nearest[(nearest > 0) & (nearest <= furthest)], sorted=True).tolist()
    points = [(0.0, float((nearest > 0).double().mean()))]
    for radius in steps:
        points += [(radius, points[-1][1]), (radius, int((nearest > radius).sum()) / many)]
    return [*points, (furthest, points[-1][1])]


def median(nearest: Float[Tensor, " n"]) -> float | None:
    """The median distance of the pictures that the network is right about; None where that one was not fooled."""
    right = nearest[nearest > 0].sort().values
    if not len(right):
        return None
    middle = float((right[(len(right) - 1) // 2] + right[len(right) // 2]) / 2)
    return middle if math.isfinite(middle) else None
