"""The pixels themselves."""

from jaxtyping import Float, Int
from torch import Tensor


class Pixels:
    """The pixels themselves, (n, 3, h, w) in [0, 1], or with alpha (n, 4, h, w)."""

    def __init__(self, pictures: Float[Tensor, "n c h w"]) -> None:
        self.parameters = [pictures.detach().clone()]

    def __call__(self) -> Float[Tensor, "n c h w"]:
        return self.parameters[0].clone()  # pictures that were handed out don't change with the next update

    def pull(self, gradient: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The gradient itself."""
        return [gradient]

    def assign(self, pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"]) -> None:
        """Set these rows to these pictures."""
        own = self.parameters[0]
        if len(rows) == len(own):
            own.copy_(pictures)
        else:
            own[rows.to(pictures.device)] = pictures
