"""How alike two maps are, as they are looked at: structural similarity and rank correlation.

SSIM (Wang et al. 2004, doi:10.1109/TIP.2003.819861) is what an eye would say of the two pictures, Spearman's rank
correlation whether both put the pixels into the same order; Adebayo et al. 2018 (arXiv:1810.03292) report both. Neither
is enough alone: two maps that are nearly black are alike in SSIM, and two that agree on where the object is are alike
in rank.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from phosphene.attribution.maps import About, pixels
from phosphene.core.pictures.colours import scales

WINDOW = 7
"""px, the side of SSIM's window: scikit-image's own; less in a picture that is smaller."""


@dataclass(frozen=True)
class Likeness:
    """Of each picture, how alike two maps of it are; 1 is the same.

    Attributes:
        ssim: structural similarity of what is seen.
        rank: Spearman's correlation of how much each pixel matters, whatever the sign.
        signed: the same of the signed numbers, of every colour where there are some.
    """

    ssim: Float[Tensor, " n"]
    rank: Float[Tensor, " n"]
    signed: Float[Tensor, " n"]


def seen(values: Float[Tensor, "n ..."], about: About) -> Float[Tensor, "n h w"]:
    """How much each pixel matters in a map as it is looked at, in float64; nothing is 0."""
    one = pixels(values, about.kind).detach().double().cpu()
    return one - one.amin((1, 2), keepdim=True) if about.relative else one


def likeness(values: Float[Tensor, "n ..."], others: Float[Tensor, "n ..."], about: About) -> Likeness:
    """How alike a method's maps of the same pictures are, of two networks.

    Args:
        values, others: (n, 3, h, w) or (n, h, w), signed.
        about: the method; contributions are looked at with their sign, sensitivities without.
    """
    mine, theirs = seen(values, about), seen(others, about)
    contributions = about.kind == "contribution"
    signed = (mine, theirs) if contributions else (values.detach().cpu(), others.detach().cpu())
    return Likeness(
        ssim(mine, theirs, signed=contributions),
        spearman(mine.abs().flatten(1), theirs.abs().flatten(1)),
        spearman(*(one.double().flatten(1) for one in signed)),
    )


def ssim(maps: Float[Tensor, "n h w"], others: Float[Tensor, "n h w"], signed: bool) -> Float[Tensor, " n"]:
    """Structural similarity of two maps, each on its own scale, as they are shown.

    A map goes over its 99.5 % quantile and is cut off at [0, 1]; signed at [-1, 1] and then, like the colours that show
    it, brought to [0, 1] with nothing in the middle: SSIM compares brightnesses, which are not negative, and would call
    a map and its negative alike.
    """
    from skimage.metrics import structural_similarity

    shown = [one / scales(one).view(-1, 1, 1) for one in (maps, others)]
    shown = [(one.clamp(-1, 1) + 1) / 2 if signed else one.clamp(0, 1) for one in shown]
    side = min(WINDOW, *maps.shape[1:])
    window = side - 1 + side % 2
    pairs = zip(*(one.numpy() for one in shown), strict=True)
    return torch.tensor([structural_similarity(a, b, data_range=1.0, win_size=window) for a, b in pairs]).double()


def spearman(numbers: Float[Tensor, "n m"], others: Float[Tensor, "n m"]) -> Float[Tensor, " n"]:
    """Spearman's rank correlation of each row with the other's; equal numbers share their mean rank.

    0 where a row is constant: it puts nothing into any order.
    """
    ranks = [rankdata(one.numpy(), axis=1) for one in (numbers, others)]
    a, b = (one - one.mean(1, keepdims=True) for one in ranks)
    lengths = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return torch.from_numpy((a * b).sum(1) / np.where(lengths > 0, lengths, 1))
