"""Where a picture may be: projections, (pictures, rows) -> the nearest allowed pictures."""

from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.optimization.engine import Constraint


def box(low: float = 0.0, high: float = 1.0) -> Constraint:
    """Every value between low and high."""
    return lambda pictures, rows: pictures.clamp(low, high)


def linf(center: Float[Tensor, "problems c h w"], radius: float) -> Constraint:
    """No value further than `radius` (in pixel units of [0, 1]) from its problem's center, and within [0, 1]."""

    def project(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        middle = center[rows]
        return pictures.clamp(middle - radius, middle + radius).clamp(0, 1)

    return project
