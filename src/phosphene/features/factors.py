"""A few groups of channels in place of hundreds: non-negative matrix factorization of a layer's activations.

A ~ M D with nothing negative in it: A holds the activations, positions by channels; M says how much of each group is
at each position, D which channels a group is made of (Olah et al. 2018, doi:10.23915/distill.00010, "Making Things
Human-Scale").
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake, check_range
from phosphene.core.extras import needed


@dataclass(frozen=True)
class Factors:
    """Groups, the one with the most activation first.

    Attributes:
        maps: how much of each group is where.
        directions: the channels of each group, of length 1.
        error: |A - M D| / |A|, A being the positive part of the activations.
        negative: the part of the activations' square that was left out because it is of negative values.
    """

    maps: Float[Tensor, "groups h w"]
    directions: Float[Tensor, "groups channels"]
    error: float
    negative: float


def factorized(code: Float[Tensor, "1 channels h w"], groups: int, seed: int = 0) -> Factors:
    """The positive part of these activations as so many groups, in float64 on the CPU.

    Least squares by coordinate descent from a singular value decomposition (scikit-learn's `NMF`, "nndsvda").

    Raises:
        Mistake: more groups than channels or positions, nothing positive, or scikit-learn is not installed.
    """
    decomposition, exceptions = (
        needed(f"sklearn.{name}", "grid --groups", "scikit-learn", "maps") for name in ("decomposition", "exceptions")
    )
    said = code[0].detach().cpu().double()
    channels, height, width = said.shape
    check_range("groups", groups, 1, min(channels, height * width))
    matrix = said.clamp(min=0).flatten(1).T.contiguous()
    if not matrix.any():
        raise Mistake("nothing in these activations is positive, and groups are found in the positive part only")
    model = decomposition.NMF(groups, init="nndsvda", random_state=seed, max_iter=500)
    with warnings.catch_warnings():  # the error tells how good it is
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        maps = torch.from_numpy(model.fit_transform(matrix.numpy()))
    directions = torch.from_numpy(model.components_)
    lengths = directions.norm(dim=1)
    maps, directions = maps * lengths, directions / lengths.clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    order = maps.sum(0).argsort(descending=True, stable=True)
    maps, directions = maps[:, order], directions[order]
    return Factors(
        maps=maps.T.reshape(groups, height, width),
        directions=directions,
        error=float((matrix - maps @ directions).norm() / matrix.norm()),
        negative=float(said.clamp(max=0).square().sum() / said.square().sum()),
    )
