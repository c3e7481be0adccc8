"""The rules of layer-wise relevance propagation, for one layer each.

Relevance of the output y of a layer is handed out to its inputs x in proportion to what each contributed. Written with
c = R / value, "relevance per unit of activation", a rule is the backward pass of a *surrogate*: the layer computes y as
ever, but its gradient is that of

    s(x) = z(x) (y / z)      with the ratio held constant

because x c_x = x (dz/dx)^T (c_y y / z) = x (dz/dx)^T (R_y / z), and this is Bach et al.'s formula for the contributions
that z is the sum of. So relevance is the gradient times the input of a network whose layers have surrogates (the view
of Shrikumar et al. 2016, Ancona et al. 2018, Montavon et al. 2019), a layer without a rule keeps its gradient, and the
rules combine with any graph: shared modules, functions, in-place operations.

What z is: with x+ = max(x, 0), x- = min(x, 0) and w+, w- likewise, biases counting as weights of an input 1,

    epsilon    z = w x                                          Bach et al. 2015, doi:10.1371/journal.pone.0130140
    z-plus     z = w+ x+ + w- x-                                Montavon et al. 2017, doi:10.1016/j.patcog.2016.11.008
    alpha-beta alpha times the above, minus beta times z = w- x+ + w+ x-                  Bach et al. 2015, eq. 60
    gamma      z = (w + gamma w+) x+ + (w + gamma w-) x- where y > 0, with w+ and w- exchanged where y < 0
                                     Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10; Andeol et al. 2021
    flat       z = 1 for each input that y sees                  Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4
    box        z = w x - w+ low - w- high, for pixels between low and high                Montavon et al. 2017

as zennit 0.5.1 has them (Anders et al. 2021, arXiv:2106.13200), its stabilizer included: z + sign(z) epsilon, where the
sign of 0 is 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STABILIZER = 1e-6
"""Added to what is divided by, in all rules but epsilon, which has its own (zennit's default)."""

Change = Callable[[Tensor], Tensor]


def _same(w: Tensor) -> Tensor:
    return w


def positive(w: Tensor) -> Tensor:
    """Its positive part."""
    return w.clamp(min=0)


def negative(w: Tensor) -> Tensor:
    """Its negative part, which is negative."""
    return w.clamp(max=0)


@dataclass(frozen=True)
class Linear:
    """A linear layer: a convolution, a fully connected layer.

    Attributes:
        function: (x, weight, bias) -> y; what else it takes, strides and the like, is given already.
    """

    function: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor, change: Change = _same, bias: bool = True) -> Tensor:
        """What it says with changed weights, with or without its bias, which is changed alike."""
        given = change(self.bias) if bias and self.bias is not None else None
        return self.function(x, change(self.weight), given)


Rule = Callable[[Linear, Tensor, Tensor], Tensor]
"""(layer, x, y = layer(x)) -> the surrogate; only its gradient counts."""

FirstRule = Callable[[Linear, Tensor, Tensor, Tensor, tuple[Tensor, Tensor]], Tensor]
"""(layer, x, one, y, (low, high)) -> the surrogate of the layer that sees the picture, whose gradient is the relevance
itself, not relevance per unit. `one` is 1 and has the gradient 1, so x * one is x with the gradient x; x has none."""


def told(value: Tensor, surrogate: Tensor) -> Tensor:
    """The value with the gradient of the surrogate."""
    return value.detach() + (surrogate - surrogate.detach())


def stabilized(z: Tensor, epsilon: float) -> Tensor:
    """z, moved away from 0 by epsilon."""
    tiny = torch.finfo(z.dtype).tiny
    return z + torch.where(z >= 0, 1, -1) * max(epsilon, tiny)


def shared(z: Tensor, y: Tensor, epsilon: float = STABILIZER) -> Tensor:
    """The surrogate that hands out y's relevance in proportion to the parts of z."""
    return z * (y / stabilized(z, epsilon)).detach()


def passed(x: Tensor, y: Tensor) -> Tensor:
    """The surrogate that hands y's relevance on to x, element by element; where x is 0 it is lost."""
    near = x.abs() < 1e-12  # beyond that, y / x might leave float32
    return x * torch.where(near, 0, y / torch.where(near, 1, x)).detach()


def carrier(x: Tensor) -> Tensor:
    """1 in x's shape, with the gradient 1: what is multiplied with it gets its own value as the gradient."""
    return 1 + (x - x.detach())


# ------------------------------------------------------------------------------------------------------ the rules


def epsilon(size: float) -> Rule:
    """All contributions alike; those that cancel out are damped where y is not large against `size`."""
    return lambda layer, x, y: shared(y, y, size)


def z_plus(layer: Linear, x: Tensor, y: Tensor) -> Tensor:
    """What contributed positively, alone."""
    return shared(_agreeing(layer, x), y)


def alpha_beta(alpha: float, beta: float) -> Rule:
    """alpha times what contributed positively less beta times what contributed negatively; alpha - beta = 1."""

    def rule(layer: Linear, x: Tensor, y: Tensor) -> Tensor:
        return alpha * shared(_agreeing(layer, x), y) - beta * shared(_opposing(layer, x), y)

    return rule


def gamma(size: float) -> Rule:
    """What contributed in y's own direction, favoured by `size`."""

    def rule(layer: Linear, x: Tensor, y: Tensor) -> Tensor:
        def more_positive(w: Tensor) -> Tensor:
            return w + size * w.clamp(min=0)

        def more_negative(w: Tensor) -> Tensor:
            return w + size * w.clamp(max=0)

        up = _split(layer, x, more_positive, more_negative)
        down = _split(layer, x, more_negative, more_positive)
        return torch.where(y > 0, shared(up, y), torch.where(y < 0, shared(down, y), 0))

    return rule


def _agreeing(layer: Linear, x: Tensor) -> Tensor:
    return _split(layer, x, positive, negative)


def _opposing(layer: Linear, x: Tensor) -> Tensor:
    return _split(layer, x, negative, positive)


def _split(layer: Linear, x: Tensor, for_positive: Change, for_negative: Change) -> Tensor:
    """The layer with one change of its weights for positive inputs, the bias's among them, another for negative."""
    z = layer(x.clamp(min=0), for_positive)
    if not (x < 0).any():  # behind a rectifier, which is nearly always
        return z
    return z + layer(x.clamp(max=0), for_negative, bias=False)


# ------------------------------------------------------------------------------------------- where the picture is seen


def first(rule: Rule) -> FirstRule:
    """A rule like any other."""
    return lambda layer, x, one, y, bounds: rule(layer, x * one, layer(x * one))


def flat(layer: Linear, x: Tensor, one: Tensor, y: Tensor, bounds: tuple[Tensor, Tensor]) -> Tensor:
    """All pixels that a position sees alike, whatever their colours: no edges of the photograph in the map."""
    return shared(layer(one, torch.ones_like, bias=False), y)


def box(layer: Linear, x: Tensor, one: Tensor, y: Tensor, bounds: tuple[Tensor, Tensor]) -> Tensor:
    """What a pixel contributed more than it would at its worst, which is black or white."""
    low, high = bounds
    own = layer(x * one, bias=False)
    z = own - layer(low * one, positive, bias=False) - layer(high * one, negative, bias=False)
    return shared(z, y)


# ------------------------------------------------------------------------------------------------------ which for which


@dataclass(frozen=True)
class Rules:
    """Which rule for which layer.

    Attributes:
        convolution: for convolutions.
        connected: for fully connected layers.
        picture: for the layer that sees the picture, whichever it is; none: as for others of its kind.
    """

    convolution: Rule
    connected: Rule
    picture: FirstRule | None = None
