"""Pictures that autograd leads back to their parameters."""

import torch
from jaxtyping import Float
from torch import Tensor


class Traced:
    """What all have in common that are a formula, `_drawn`: its transposed derivative."""

    parameters: list[Tensor]
    _pictures: Tensor | None = None

    def _drawn(self) -> Float[Tensor, "n c h w"]:
        raise NotImplementedError

    def __call__(self) -> Float[Tensor, "n c h w"]:
        with torch.enable_grad():
            self._pictures = self._drawn()
        return self._pictures

    def pull(self, gradient: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """The gradients of the parameters, for a gradient of the pictures that the last call returned."""
        assert self._pictures is not None
        return list(torch.autograd.grad(self._pictures, self.parameters, gradient.to(self._pictures)))
