"""Pictures that have their coarse part in common, so that they can be compared and blended place by place."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import check_range
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.colours import coloured, uncoloured
from phosphene.core.optimization.parameterizations.fourier import Fourier
from phosphene.core.optimization.parameterizations.traced import Traced


class Shared(Traced):
    """`Fourier` plus a coarse picture that all problems share (Mordvintsev et al. 2018, doi:10.23915/distill.00012).

    x_i = sigmoid(C (Fourier_i + up(mean_j common_j))), up: bilinear. Neurons that are visualized or interpolated this
    way come out aligned. What is shared is kept once for each problem and averaged, so that parameters count problems
    as everywhere; all copies get the same gradient.

    Here rows are coupled, on purpose: a problem in a batch is not what it is alone. A problem that has stopped keeps
    its own parameters and its copy, but its picture still changes with the others' copies.

    Args:
        problems: the identity of each picture for the random start.
        size: (height, width).
        factor: how coarse the shared part is: h // factor by w // factor places (at least 1).
        decay, deviation: as `Fourier`'s; deviation is the shared part's too.
        start: pictures to start from instead, (n, 3, h, w), with nothing in common yet; clipped to [.002, .998].
    Raises:
        Mistake: a factor under 1.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        start: Float[Tensor, "n 3 h w"] | None = None,
        factor: int = 8,
        decay: float = 1.0,
        deviation: float = 0.01,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        check_range("the factor of what is shared", factor, 1)
        self.own = Fourier(
            problems, size, seed=seed, decay=decay, deviation=deviation, start=start, dtype=dtype, device=device
        )
        shape = [max(1, side // factor) for side in size]
        noise = Key(seed, problems).child(0).normal(torch.arange(len(problems)), 3, *shape)
        common = (noise * (deviation if start is None else 0)).to(device, dtype)
        self.parameters = [*self.own.parameters, common.requires_grad_()]

    def common(self) -> Float[Tensor, "1 3 h w"]:
        """What all have in common, before colours and sigmoid."""
        return F.interpolate(self.parameters[1].mean(0, keepdim=True), self.own.size, mode="bilinear")

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        return coloured(self.own.channels() + self.common(), self.own.colour)

    @torch.no_grad()
    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Set what these rows have of their own so that they show these pictures; what is shared stays."""
        flat = uncoloured(pictures, self.own.colour) - self.common()
        self.parameters[0][rows.to(pictures.device)] = self.own.coefficients(flat)
