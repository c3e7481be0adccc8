"""Ways down: from parameters to an update of them, row by row.

The first axis of every parameter counts problems; an update touches the rows that it is given and no others, and what
it does to one row does not depend on the others.
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.optimization.engine import Evaluate, Optimizer, Update
from phosphene.core.optimization.settings import Schedule

Rate = float | Callable[[int], float]
"""A step's length, or a function that tells it for the first move (0), the second (1), ..."""

Size = Rate | Float[Tensor, " problems"]
"""Of a step: one for all problems, or one for each."""


def scheduled(schedule: Schedule, rate: float, steps: int) -> Rate:
    """How the rate falls in so many steps.

    Args:
        schedule: "steady"; "cosine", rate (1 + cos(pi i / steps)) / 2 (Loshchilov & Hutter 2017, arXiv:1608.03983, eq.
            5, without restarts); or "tenths", a tenth after a quarter of the steps and a hundredth after three
            (Mahendran & Vedaldi 2015, arXiv:1412.0035: 100, 200 and 100).
    """
    if schedule == "cosine":
        return lambda index: rate * (1 + math.cos(math.pi * min(index / max(steps, 1), 1))) / 2
    if schedule == "tenths":
        return lambda index: rate * 0.1 ** ((4 * index >= steps) + (4 * index >= 3 * steps))
    return rate


def _at(parameter: Tensor, rows: Int[Tensor, " n"]) -> slice | Tensor:
    """An index of these rows; a slice where it is all of them, which needs no copy."""
    return slice(None) if len(rows) == len(parameter) else rows.to(parameter.device)


def _mean_abs(gradient: Tensor) -> Tensor:
    return gradient.abs().flatten(1).mean(1).view(-1, *[1] * (gradient.dim() - 1))


def along(direction: Callable[[Tensor], Tensor], size: Size) -> Optimizer:
    """Steps of `size` against direction(gradient), for each problem."""

    def start(parameters: list[Tensor]) -> Update:
        count = 0

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            nonlocal count
            length = size(count) if callable(size) else size
            count += 1
            for parameter, gradient in zip(parameters, gradients, strict=True):
                at = _at(parameter, rows)
                own = length[rows.to(length.device)].to(parameter) if isinstance(length, Tensor) else length
                own = own.view(-1, *[1] * (parameter.dim() - 1)) if isinstance(own, Tensor) else own
                parameter[at] -= own * direction(gradient[at])

        return update

    return start


def steepest(size: Size) -> Optimizer:
    """Steps of `size` times the gradient: gradient descent, the lectures' loop."""
    return along(lambda gradient: gradient, size)


def sign(size: Size) -> Optimizer:
    """Steps of `size` against the sign of the gradient: steepest descent in the l-inf norm (FGSM, PGD)."""
    return along(torch.sign, size)


def normalized(size: Size) -> Optimizer:
    """Steps of `size` / mean |gradient| against the gradient, for each problem (DeepDream)."""
    return along(lambda gradient: gradient / (_mean_abs(gradient) + 1e-30), size)


def masked(optimizer: Optimizer, part: Tensor) -> Optimizer:
    """The same steps, of which each value goes only so far: 1 all of the way, 0 not at all.

    Args:
        part: is broadcast to the parameters.
    """

    def start(parameters: list[Tensor]) -> Update:
        inner = optimizer(parameters)

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            before = [parameter.clone() for parameter in parameters]
            inner(values, gradients, rows, evaluate)
            for parameter, old in zip(parameters, before, strict=True):
                parameter.copy_(torch.lerp(old, parameter, part.to(parameter).expand_as(parameter)))

        return update

    return start


def momentum(rate: Rate = 0.05, kept: float = 0.9) -> Optimizer:
    """Heavy ball (Polyak 1964, doi:10.1016/0041-5553(64)90137-5), the same numbers as `torch.optim.SGD`.

    v = kept v + g, x = x - rate v: a move goes on, and where gradients agree it becomes 1 / (1 - kept) times as long.
    """

    def start(parameters: list[Tensor]) -> Update:
        moves = [torch.zeros_like(p) for p in parameters]
        count = 0

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            nonlocal count
            length = rate(count) if callable(rate) else rate
            count += 1
            for p, v, g in zip(parameters, moves, gradients, strict=True):
                at = _at(p, rows)
                v[at] = kept * v[at] + g[at]
                p[at] -= length * v[at]

        return update

    return start


class AdamMemory:
    """Adam's means, carried from pictures of one size to those of the next (crowsonkb, style-transfer-pytorch).

    Attributes:
        first, second: of the gradient and of its square, of each parameter; none before the first step.
        count: how many moves there were: the same for every row that still moves, as all of them began together.
    """

    def __init__(self) -> None:
        self.first: list[Tensor] = []
        self.second: list[Tensor] = []
        self.count = 0

    def tensors(self) -> dict[str, Tensor]:
        """All of it as it now is, by name."""
        means = {"first": self.first, "second": self.second}
        every = {f"{name} {i}": mean.clone() for name, several in means.items() for i, mean in enumerate(several)}
        return every | {"count": torch.tensor(self.count)}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on with what `tensors` said."""
        self.count = int(tensors["count"])
        many = range(sum(name.startswith("first ") for name in tensors))
        self.first, self.second = ([tensors[f"{name} {i}"] for i in many] for name in ("first", "second"))

    def fit(self, parameters: list[Tensor]) -> None:
        """Let the means be those of parameters of other heights and widths: enlarged as pictures are; 0 before any."""
        self.first, self.second = (
            [_at_size(mean, p) for mean, p in zip(means or [torch.zeros_like(p) for p in parameters], parameters,
                                                  strict=True)]
            for means in (self.first, self.second)
        )  # fmt: skip
        self.second = [mean.clamp(min=0) for mean in self.second]


def _at_size(mean: Tensor, like: Tensor) -> Tensor:
    if mean.shape == like.shape:
        return mean
    return torch.nn.functional.interpolate(mean, like.shape[2:], mode="bilinear", align_corners=False)


def adam(
    rate: Rate = 0.05,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    memory: AdamMemory | None = None,
) -> Optimizer:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1), the same numbers as `torch.optim.Adam`.

    Args:
        rate: the step's length.
        memory: of pixels, so that the next size goes on with it.
    """

    def start(parameters: list[Tensor]) -> Update:
        kept = AdamMemory() if memory is None else memory
        kept.fit(parameters)
        first, second = kept.first, kept.second

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            length = rate(kept.count) if callable(rate) else rate
            kept.count += 1
            count = kept.count
            for p, m, v, g in zip(parameters, first, second, gradients, strict=True):
                at = _at(p, rows)
                m[at] = torch.lerp(m[at], g[at], 1 - betas[0])
                v[at] = (v[at] * betas[1]).addcmul_(g[at], g[at], value=1 - betas[1])
                scale = (v[at] / (1 - betas[1] ** count)).sqrt_().add_(eps)
                p[at] -= (m[at] / scale).mul_(length / (1 - betas[0] ** count))

        return update

    return start


def nadam(
    rate: Rate = 1.0, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, psi: float = 4e-3
) -> Optimizer:
    """Adam with Nesterov's momentum (Dozat 2016), the same numbers as `torch.optim.NAdam`."""

    def momentum(count: int) -> float:
        return betas[0] * (1 - 0.5 * 0.96 ** (count * psi))

    def start(parameters: list[Tensor]) -> Update:
        first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        count, product = 0, 1.0

        @torch.no_grad()
        def update(values: Tensor, gradients: list[Tensor], rows: Tensor, evaluate: Evaluate) -> None:
            nonlocal count, product
            length = rate(count) if callable(rate) else rate
            count += 1
            now, after = momentum(count), momentum(count + 1)
            product *= now
            for p, m, v, g in zip(parameters, first, second, gradients, strict=True):
                at = _at(p, rows)
                m[at] = torch.lerp(m[at], g[at], 1 - betas[0])
                v[at] = (v[at] * betas[1]).addcmul_(g[at], g[at], value=1 - betas[1])
                scale = (v[at] / (1 - betas[1] ** count)).sqrt_().add_(eps)
                ahead = g[at] * ((1 - now) / (1 - product)) + m[at] * (after / (1 - product * after))
                p[at] -= length * ahead / scale

        return update

    return start
