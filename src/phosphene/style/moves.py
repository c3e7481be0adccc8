"""How a picture moves into a style: L-BFGS on pixels that are read within [0, 1].

A picture that is put back into [0, 1] after each move has to be looked at twice, where the move has ended and where it
is put back to. These pixels may leave [0, 1] and are only read within it, as in PyTorch's tutorial of style transfer.
Statistics in bfloat16 are a little rough, so a move is not searched for: it counts unless the value rises by more than
the gradient promised it to fall.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.optimization.ascent import Ascent, Nouns, Size
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.parameterizations.pixels import Pixels

FIRST = 0.01
"""The mean change of a pixel that is tried first at each size."""

HISTORY = 30
"""Pairs; three times as many reach the same objective in as many moves, and ten a hundredth more."""

ANY = 1e9
"""A curvature that every move has: a steep end is no reason to look again."""


class Held(Pixels):
    """Pixels that are read within [0, 1].

    The gradient of a pixel p is g + k (p - clip(p)), g that of what is read: where it is 0, what is read is a minimum
    within [0, 1], as -g points outwards wherever p is outside. k is mean |g| at the start, about how much g
    changes where a pixel goes all the way.
    """

    _back: Tensor | None = None

    def __call__(self) -> Float[Tensor, "n c h w"]:
        return self.parameters[0].clamp(0, 1)

    def pull(self, gradient: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The gradient itself, and what pulls pixels back that are outside."""
        if self._back is None:
            self._back = gradient.abs().mean((1, 2, 3), keepdim=True)
        pixels = self.parameters[0]
        return [torch.addcmul(gradient, self._back, pixels - pixels.clamp(0, 1))]


def by_lbfgs(how: Ascent, nouns: Nouns, *, pixels: bool) -> Ascent:
    """The same ascent by L-BFGS, on held pixels where it is pixels that move.

    Args:
        nouns: what is given instead; an optimizer of the user's stays, and so do parameterizations and constraints.
        pixels: whether the picture is its pixels.
    """
    if nouns.optimizer:
        return how
    steps = lbfgs(history=max(1, min(HISTORY, how.steps)), decrease=-1.0, curvature=ANY, first=FIRST)
    how = replace(how, optimizer=steps)
    if not pixels or nouns.parameterization or nouns.constraint:
        return how
    begin = how.parameterization

    def start(problems: Sequence[int], size: Size, **given: Any) -> Held:
        return Held(begin(problems, size, **given)())

    return replace(how, parameterization=start, constraint=None)
