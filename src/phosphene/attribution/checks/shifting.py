"""Does a map depend on where zero is? Shift the pictures and what the network subtracts from them by the same colour.

Kindermans et al. 2017 (arXiv:1711.00867): the shifted network computes the same of shifted pictures, so a map that
says why it does should be the same. Gradients are; what multiplies with the picture is only where it measures the
picture from a point that is shifted too.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.checks.likeness import seen
from phosphene.attribution.maps import About, Method, found
from phosphene.attribution.question import Pictures, Question

SHIFT = -1.0
"""Of every colour, so that [0, 1] becomes [-1, 0], as in the paper's own example."""


def shifted(asked: Question, pictures: Pictures, shift: float = SHIFT) -> tuple[Question, Pictures]:
    """The same question about the same network in colours that are counted from another zero."""
    network = asked.network
    return asked.to(network.subtracting([mean + shift for mean in network.mean])), pictures + shift


def change_by_shift(
    method: Method,
    about: About,
    asked: Question,
    pictures: Pictures,
    values: Float[Tensor, "n ..."],
    options: Mapping[str, Any],
    shift: float = SHIFT,
) -> Float[Tensor, " n"]:
    """How much of each map changes, |m' - m| / |m| over pixels; 0 where there is nothing.

    Args:
        values: the maps of the pictures as they are.
    """
    moved = found(method, *shifted(asked, pictures, shift), **options).values
    before, after = (seen(one, about).flatten(1) for one in (values, moved))
    length = before.norm(dim=1)
    return (after - before).norm(dim=1) / length.where(length > 0, 1.0)
