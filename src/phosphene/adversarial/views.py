"""Gradients of several views of a picture: an example that fools all of them fools other networks more often.

Each takes an objective and returns another one, of the same pictures; they combine.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.optimization.engine import Evaluation, Objective
from phosphene.core.optimization.keys import Key


def diverse(objective: Objective, p: float = 0.5, least: float = 0.9) -> Objective:
    """Each picture, with probability p, made smaller and put anywhere on black (Xie et al. 2019, arXiv:1803.06978).

    The paper enlarges, from 299 to at most 330 pixels; here the size stays, and the content shrinks to `least` of it at
    most, which is as much (299 / 330), for networks of a fixed size. Values and answers are those of the view.
    """

    def over(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        numbers = key.child(0).uniform(rows, 4).to(pictures)
        with torch.enable_grad():
            leaf = pictures.detach().requires_grad_()
            viewed = torch.where((numbers[:, 0] < p).view(-1, 1, 1, 1), _shrunk(leaf, numbers[:, 1:], least), leaf)
        seen = objective(viewed.detach(), rows, key)
        (gradient,) = torch.autograd.grad(viewed, leaf, seen.gradients.to(viewed))
        return seen._replace(gradients=gradient)

    return over


def _shrunk(
    pictures: Float[Tensor, "n c h w"], numbers: Float[Tensor, "n 3"], least: float
) -> Float[Tensor, "n c h w"]:
    """Each by its own factor from `least` to 1, at a random place, bilinear, with 0 around it."""
    factor = least + (1 - least) * numbers[:, :1]
    shift = (1 - factor) * (2 * numbers[:, 1:] - 1)  # of the content's middle, in halves of the picture
    theta = torch.cat([torch.eye(2).to(factor) / factor[..., None], (-shift / factor)[..., None]], 2)
    places = F.affine_grid(theta, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, places, padding_mode="zeros", align_corners=False)


def scaled(objective: Objective, many: int = 5) -> Objective:
    """The mean over x, x / 2, x / 4, ... (Lin et al. 2020, arXiv:1908.06281, equation 9); answers are those of x."""

    def over(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        seen = [objective(pictures / 2**i, rows, key.child(i + 1)) for i in range(many)]
        gradient = torch.stack([one.gradients / 2**i for i, one in enumerate(seen)]).mean(0)
        return Evaluation(torch.stack([one.values for one in seen]).mean(0), gradient, seen[0].outputs)

    return over


def translated(objective: Objective, size: int = 15) -> Objective:
    """The gradient, blurred: nearly the mean over shifts by up to 7 pixels (Dong et al. 2019, arXiv:1904.02884).

    The weights of the shifts are a Gaussian of size 2 k + 1 and standard deviation k / sqrt(3) (section 3.3); an even
    size counts as the next one.
    """
    k = size // 2
    bell = torch.exp(-(torch.arange(-k, k + 1, dtype=torch.float64).square()) / (2 * max(k, 1) ** 2 / 3))
    bell = bell / bell.sum()

    def over(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
        seen = objective(pictures, rows, key)
        c, line = pictures.shape[1], bell.to(pictures)
        down = F.conv2d(seen.gradients, line.view(1, 1, -1, 1).expand(c, 1, -1, 1), padding=(k, 0), groups=c)
        both = F.conv2d(down, line.view(1, 1, 1, -1).expand(c, 1, 1, -1), padding=(0, k), groups=c)
        return seen._replace(gradients=both)

    return over
