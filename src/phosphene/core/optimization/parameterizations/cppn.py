"""A picture as a function of the place: compositional pattern producing networks (Stanley 2007)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.parameterizations.traced import Traced


def places(size: tuple[int, int]) -> Float[Tensor, "hw 2"]:
    """(x, y) of the middle of every pixel, row by row; the longer side is from -sqrt(3) to sqrt(3), deviation 1."""
    height, width = size
    unit = 2 * math.sqrt(3) / max(size)
    y, x = ((torch.arange(side, dtype=torch.float64) + 0.5 - side / 2) * unit for side in (height, width))
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], 2).flatten(0, 1)


def composite(x: Tensor) -> Tensor:
    """atan(x) / .67 beside (atan(x)^2 - .45) / .396: mean 0 and deviation 1 for x of N(0, 1) (lucid, not biased)."""
    angle = x.atan()
    return torch.cat([angle / 0.67, (angle.square() - 0.45) / 0.396], -1)


class CPPN(Traced):
    """A small network for each problem that turns places into colours (Stanley 2007, doi:10.1007/s10710-007-9028-8).

    x(place) = sigmoid(W_last a(... a(W_1 place + b_1) ...) + b_last), a: `composite`. Its pictures have no resolution:
    `at` shows them at any size. Weights start as N(0, 1 / inputs), biases and the last layer as 0, so that the picture
    starts grey. After lucid's `param/cppn.py` (Mordvintsev et al. 2018, doi:10.23915/distill.00012), except that a
    place is the middle of its pixel, so that sizes agree with each other; that the picture needn't be square; that of
    lucid's two activations the unbiased one is used, not the default; and that its biases start as N(0, .1^2).

    Args:
        problems: the identity of each picture for the random start.
        size: (height, width).
        layers, hidden: how many layers before the last, and how many units each has, before `composite` doubles them.
    Raises:
        Mistake: a start, which a few thousand weights can't be solved for.
    """

    def __init__(
        self,
        problems: Sequence[int],
        size: tuple[int, int],
        *,
        seed: int = 0,
        start: Float[Tensor, "n 3 h w"] | None = None,
        layers: int = 8,
        hidden: int = 24,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if start is not None:
            raise Mistake("a CPPN can't start from a picture, for which it has no weights; Fourier and Laplacian can")
        height, width = size
        self.size = height, width
        self.places = places(self.size).to(device, dtype)
        rows, key, inputs = torch.arange(len(problems)), Key(seed, problems), 2
        self.parameters = []
        for layer in range(layers):
            weight = key.child(layer).normal(rows, inputs, hidden) / math.sqrt(inputs)
            self.parameters += [weight.to(device, dtype), torch.zeros(len(rows), 1, hidden, dtype=dtype, device=device)]
            inputs = 2 * hidden
        self.parameters += [torch.zeros(len(rows), many, 3, dtype=dtype, device=device) for many in (inputs, 1)]
        for parameter in self.parameters:
            parameter.requires_grad_()

    def _drawn(self) -> Float[Tensor, "n 3 h w"]:
        return self._colours(self.places).unflatten(2, self.size)

    def _colours(self, places: Float[Tensor, "hw 2"]) -> Float[Tensor, "n 3 hw"]:
        *weights, last = zip(self.parameters[::2], self.parameters[1::2], strict=True)
        y = places.expand(len(last[0]), *places.shape)
        for weight, bias in weights:
            y = composite(torch.baddbmm(bias, y, weight))
        return torch.baddbmm(last[1], y, last[0]).sigmoid().transpose(1, 2)

    @torch.no_grad()
    def at(self, size: tuple[int, int]) -> Float[Tensor, "n 3 h w"]:
        """The same pictures at another (height, width): resolved anew, not scaled."""
        return self._colours(places(size).to(self.places)).unflatten(2, tuple(size))

    def assign(self, pictures: Float[Tensor, "n 3 h w"], rows: Int[Tensor, " n"]) -> None:
        """Impossible: there are far fewer weights than pixels.

        Raises:
            Mistake: always.
        """
        raise Mistake("a CPPN can't be set to given pictures, for which it has no weights; Fourier and Laplacian can")
