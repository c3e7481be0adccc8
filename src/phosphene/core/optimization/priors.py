"""What natural pictures have in common: terms that read the picture alone.

A regularizer of the input optimization, argmin L(f(x)) + lambda R(x), says which of the many pictures with the same
code to prefer. Each is one number per picture, in pixel units ([0, 1]), and means over pixels, so that a weight keeps
its meaning when the size changes.

A prior becomes a setting, and so an option of every recipe that ascends, by a field of `PriorWeights`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.optimization.operators import bilateral_filtered, blurred, colour
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.wavelets import Wavelet, decomposed
from phosphene.core.options import Bounds, Words


def power(x: Tensor, exponent: float) -> Tensor:
    """x ** exponent for x >= 0, whose gradient at 0 is 0 instead of infinite."""
    if exponent >= 1:
        return x**exponent
    zero = x == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, x) ** exponent)


def total_variation(beta: float = 1.0) -> Term:
    """Total variation, mean over pixels of (dx^2 + dy^2)^(beta / 2), forward differences, replicated border.

    Args:
        beta: 1 keeps edges sharp, 2 is smoother and what Mahendran & Vedaldi used (arXiv:1412.0035, eq. 4).
    Raises:
        ValueError: beta is not positive.
    """
    if beta <= 0:
        raise ValueError(f"total_variation needs beta > 0, got {beta}; 1 keeps edges, 2 smooths")

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        right = x.diff(dim=3, append=x[..., :, -1:])
        down = x.diff(dim=2, append=x[..., -1:, :])
        return power(right.square() + down.square(), beta / 2).mean((1, 2, 3))

    return Term(of, name="total variation")


def l_alpha(alpha: float = 2.0, center: Sequence[float] = (0.5,)) -> Term:
    """Mean over pixels and colours of |x - center|^alpha.

    alpha 2 is the L2 prior of Simonyan et al. 2014 (arXiv:1312.6034, eq. 1), about the data set's mean colour; 6 only
    keeps values from growing (Mahendran & Vedaldi 2015, arXiv:1412.0035, section 2).

    Raises:
        ValueError: alpha is not positive.
    """
    if alpha <= 0:
        raise ValueError(f"l_alpha needs alpha > 0, got {alpha}; 2 is the usual decay, 6 bounds the values")

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        return power((x - colour(center, x)).abs(), alpha).mean((1, 2, 3))

    return Term(of, name=f"L{alpha:g} norm")


def high_pass(deviation: float = 1.0) -> Term:
    """Mean over pixels and colours of (x - blurred x)^2 / 2, the blurred picture held fixed.

    Its gradient is what a blur takes away, so every step of size s is s parts of a Gaussian blur of `deviation` pixels
    (lucid's `blur_input_each_step`).

    Raises:
        ValueError: the deviation is not positive.
    """
    if deviation <= 0:
        raise ValueError(f"high_pass needs a deviation above 0 pixels, got {deviation}")

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        return 0.5 * (x - blurred(x.detach(), deviation)).square().mean((1, 2, 3))

    return Term(of, name="high-pass energy")


def bilateral(deviation: float = 1.5, contrast: float = 0.1) -> Term:
    """Mean over pixels and colours of (x - B x)^2 / 2, B x the picture under a bilateral filter, held fixed.

    Its gradient is what a bilateral filter takes away (Tomasi & Manduchi 1998, doi:10.1109/ICCV.1998.710815): noise
    and faint texture, and not edges of more than `contrast`. It is to `high_pass` what the filter is to a blur.

    Raises:
        ValueError: a deviation is not positive.
    """
    if deviation <= 0 or contrast <= 0:
        given = f"{deviation} pixels and {contrast} of contrast"
        raise ValueError(f"bilateral needs deviations above 0, got {given}")

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        return 0.5 * (x - bilateral_filtered(x.detach(), deviation, contrast)).square().mean((1, 2, 3))

    return Term(of, name="bilateral energy")


def wavelet_sparsity(wavelet: Wavelet = "db2", levels: int = 4) -> Term:
    """Sum of the absolute values of a picture's orthonormal wavelet coefficients but the coarsest, a pixel and colour.

    Natural pictures have few that are large (Donoho & Johnstone 1994, doi:10.1093/biomet/81.3.425): the L1 norm lets
    those be and makes small ones 0. The border is mirrored, as a picture that goes around has an edge there.

    Raises:
        ValueError: there are no levels.
    """
    if levels < 1:
        raise ValueError(f"wavelet_sparsity needs at least 1 level, got {levels}")

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures[:, :3]
        _, details = decomposed(x, wavelet, levels)
        sizes = [detail.abs().flatten(1).sum(1) for detail in details]
        return torch.stack(sizes or [x.new_zeros(len(x))]).sum(0) / x[0].numel()

    return Term(of, name=f"{wavelet} wavelet sparsity")


def opacity() -> Term:
    """Mean alpha: 0 where nothing of the picture is to be seen, 1 where there is no hole in it.

    Raises (when read):
        Mistake: the pictures have no alpha.
    """

    def of(reading: Reading) -> Float[Tensor, " n"]:
        x = reading.pictures
        if x.shape[1] != 4:
            raise Mistake(f"opacity needs pictures with alpha, 4 channels, not {x.shape[1]}; see Transparent")
        return x[:, 3].mean((1, 2))

    return Term(of, name="opacity")


@dataclass(frozen=True)
class Weighs:
    """Beside a setting's type: the prior whose weight it is.

    Attributes:
        prior: from the colour that the network calls zero, and from the values of `shape`, to the term.
        shape: settings that say more about it.
    """

    prior: Callable[..., Term]
    shape: tuple[str, ...] = ()


@dataclass(frozen=True)
class PriorWeights:
    """The weight of each prior, 0 for none."""

    tv: Annotated[
        float,
        Bounds(0, 1_000_000),
        Weighs(lambda center, beta: total_variation(beta), ("tv_beta",)),
        Words("weight of the total variation"),
    ] = 0.0
    tv_beta: Annotated[
        float, Bounds(0.1, 4), Words("power of the total variation: 1 keeps edges sharp, 2 smooths them")
    ] = 1.0
    l2: Annotated[
        float,
        Bounds(0, 1_000_000),
        Weighs(lambda center: l_alpha(2, center)),
        Words("weight of the mean square distance from the mean colour"),
    ] = 0.0
    l6: Annotated[
        float,
        Bounds(0, 1_000_000),
        Weighs(lambda center: l_alpha(6, center)),
        Words("weight of the mean sixth power of the distance from the mean colour, which bounds values"),
    ] = 0.0
    high_pass: Annotated[
        float, Bounds(0, 1_000_000), Weighs(lambda center: high_pass()), Words("weight of what a blur removes")
    ] = 0.0
    bilateral: Annotated[
        float,
        Bounds(0, 1_000_000),
        Weighs(lambda center: bilateral()),
        Words("weight of what a bilateral filter removes: noise and faint texture, but no edges"),
    ] = 0.0
    wavelets: Annotated[
        float,
        Bounds(0, 1_000_000),
        Weighs(lambda center, wavelet: wavelet_sparsity(wavelet), ("wavelet",)),
        Words("weight of the absolute wavelet coefficients, of which natural pictures have few that are large"),
    ] = 0.0
    wavelet: Annotated[Wavelet, Words("which: Haar's, or Daubechies' with two to four vanishing moments")] = "db2"


def weighted_priors(weights: PriorWeights, center: Sequence[float]) -> Iterator[Term]:
    """Those whose weight is not 0, times their weight."""
    for name, hint in get_type_hints(type(weights), include_extras=True).items():
        for note in getattr(hint, "__metadata__", ()):
            if isinstance(note, Weighs) and getattr(weights, name):
                yield getattr(weights, name) * note.prior(center, *(getattr(weights, one) for one in note.shape))
