"""Noise of several coarsenesses, added up: a Laplacian pyramid (Burt & Adelson 1983)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import check_range
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.colours import coloured, decorrelated, uncoloured
from phosphene.core.optimization.parameterizations.traced import Traced


class Laplacian(Traced):
    """Levels of a pyramid in decorrelated colours, through a sigmoid (lucid, `laplacian_pyramid_image`).

    x = sigmoid(C sum_k up(theta_k)), level k with h // 2^k by w // 2^k places (at least 1), `up` bilinear. Values start
    as N(0, deviation^2). Unlike `Fourier`, what a step changes stays in its place.

    A picture has many such sums; the one chosen takes the mean of the coarsest level's cells first, then that of what
    is left on the next level, until the finest takes the rest, so that nothing is lost.

    Args:
        problems: the identity of each picture for the random start.
        size: (height, width).
        levels: how many, from 1, each half as large as the one before.
        start: pictures to start from instead, (n, 3, h, w); clipped to [.002, .998], where the sigmoid can be inverted.
    Raises:
        Mistake: fewer than one level.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        start: Float[Tensor, "n 3 h w"] | None = None,
        levels: int = 4,
        deviation: float = 0.01,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        check_range("levels", levels, 1)
        height, width = size
        self.size = height, width
        self.sizes = [(max(1, height >> k), max(1, width >> k)) for k in range(levels)]
        self.colour = decorrelated(dtype).to(device)
        if start is None:
            rows, key = torch.arange(len(problems)), Key(seed, problems)
            drawn = [key.child(k).normal(rows, 3, *shape) for k, shape in enumerate(self.sizes)]
            parameters = [(deviation * numbers).to(device, dtype) for numbers in drawn]
        else:
            parameters = self._decomposed(start.to(device, dtype))
        self.parameters = [parameter.requires_grad_() for parameter in parameters]

    def _up(self, level: Tensor) -> Float[Tensor, "n 3 h w"]:
        return F.interpolate(level, self.size, mode="bilinear")

    def _decomposed(self, pictures: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        rest, levels = uncoloured(pictures, self.colour), []
        for shape in reversed(self.sizes[1:]):
            levels.append(F.adaptive_avg_pool2d(rest, shape))
            rest = rest - self._up(levels[-1])
        return [rest, *reversed(levels)]

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        finest, *coarser = self.parameters
        return coloured(sum((self._up(level) for level in coarser), finest), self.colour)

    @torch.no_grad()
    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to the levels of these pictures."""
        for parameter, level in zip(self.parameters, self._decomposed(pictures), strict=True):
            parameter[rows.to(pictures.device)] = level
