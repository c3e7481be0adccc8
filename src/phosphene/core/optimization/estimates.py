"""Gradients from scores alone: for a network behind an interface, which says how much but not which way.

Both estimators compare the score in two opposite directions: with u drawn at random,

    g = mean over u of (f(x + sigma u) - f(x - sigma u)) / (2 sigma) u

Its expectation is the gradient of f averaged over the surroundings of x; for a linear f it is the gradient. Natural
evolution strategies draw u from the normal distribution (Wierstra et al. 2014; against networks Ilyas et al. 2018,
arXiv:1804.08598), SPSA as signs (Spall 1992; against networks Uesato et al. 2018, arXiv:1802.05666).
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake, check_range
from phosphene.core.optimization.engine import Evaluation, NotFinite, Objective
from phosphene.core.optimization.keys import Key

Directions = Literal["normal", "signs"]
Scores = Callable[[Float[Tensor, "m c h w"], Int[Tensor, " m"]], Float[Tensor, " m"]]
"""(pictures, the problem that each belongs to) -> a score for each, to be made small."""


def estimated(
    score: Scores, *, directions: Directions = "normal", many: int = 32, sigma: float = 1e-3, batch: int = 64
) -> Objective:
    """The scores of pictures and an estimate of their gradient, from 2 `many` + 1 scores of each picture.

    Args:
        score: the function of pictures; it need not be differentiable.
        directions: normal numbers (NES) or signs (SPSA), drawn for each problem and step.
        many: how many pairs of opposite directions.
        sigma: how far to go in a direction, in pixel units of [0, 1]; scored pictures may leave [0, 1] by that.
        batch: so many pictures are scored at a time.
    Raises (also when called):
        Mistake: no pair, a distance that is not positive.
        NotFinite: a score is not finite.
    """
    check_range("many", many, 1)
    check_range("batch", batch, 1)
    if sigma <= 0:
        raise Mistake(f"{sigma:g} is not a valid value for sigma: it must be above 0")

    def scored(pictures: Tensor, rows: Tensor, key: Key) -> Tensor:
        with torch.no_grad():
            parts = [score(x, r) for x, r in zip(pictures.split(batch), rows.split(batch), strict=True)]
        scores = torch.cat(parts).to(pictures)
        if not scores.isfinite().all():
            raise NotFinite(f"step {key.step}: a score is not finite")
        return scores

    def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        gradients = torch.zeros_like(pictures)
        for i in range(many):
            numbers = key.child(i).normal(rows, *pictures.shape[1:])
            u = (numbers.sign() if directions == "signs" else numbers).to(pictures)
            ahead, behind = scored(torch.cat([pictures + sigma * u, pictures - sigma * u]), rows.repeat(2), key).chunk(
                2
            )
            gradients += ((ahead - behind) / (2 * sigma * many)).view(-1, 1, 1, 1) * u
        return Evaluation(scored(pictures, rows, key), gradients)

    return objective
