"""Linear models whose nearest wrongly classified input is known exactly, in every norm: what attacks are measured by.

The logits are z = W x + b. Class j overtakes class y as soon as r moves their difference by m = z_y - z_j > 0, and with
v = w_j - w_y the smallest such r is, far from the bounds, m / dual norm of v (Hölder): m / |v|_1 in l-inf, m / |v|_2 in
l2, m / |v|_inf in l1. Of several classes the nearest counts. In l0 the bounds always matter: value i is worth at most
|v_i| times its room, and the most valuable are taken first. Near the bounds l-inf and l1 are linear programs, and l2's
r = min(t |v|, room), whose one number t is found by bisection.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linprog
from torch import Tensor

from phosphene.adversarial.norms import Norm, dual
from tests.small import noise, normal

DIMENSIONS = [10, 100, 3072, 150_528]
"""Up to the numbers of CIFAR's and ImageNet's pictures."""


@dataclass(frozen=True)
class Linear:
    """n inputs of a linear model, and how far the nearest wrongly classified input of each is.

    Attributes:
        weight, bias: of the logits.
        x: all within [0, 1].
        labels: what the model says of them.
        optimum: the distances; never quite reached, for on the boundary two classes are equal. In l0 it is reached.
    """

    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    x: Float[Tensor, "n d"]
    labels: Int[Tensor, " n"]
    optimum: Float[Tensor, " n"]

    def model(self, x: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """The victim."""
        return x @ self.weight.to(x).T + self.bias.to(x)


def far(norm: Norm, d: int, classes: int = 2, n: int = 4, seed: int = 0) -> Linear:
    """Inputs in the middle of [0, 1], whose smallest change stays far away from 0 and 1 (in l0 it goes to them).

    The other classes are from 1 to 2 times as far as the nearest, whose logit is some 5 below that of the input's own;
    the nearest change moves no value by more than .05; in l0 it takes up to a twentieth of the values, at most some 40.
    """
    weight, away = normal(classes, d, seed=seed), 0.1 * (noise(n, d, seed=seed + 1) - 0.5)
    labels = torch.arange(n) % classes
    v = weight[None] - weight[labels][:, None]
    own = torch.nn.functional.one_hot(labels, classes).bool()
    if norm == "l0":
        many = min(40, max(2, round(d / 20)))
        reach = 0.5 * (v.abs().topk(many, 2).values.sum(2) - v.abs().topk(many, 2).values[:, :, -1] / 2)
    else:
        largest = v.abs().amax(2) / v.square().sum(2) if norm == "l2" else 1 / dual(v.flatten(0, 1), norm).view(n, -1)
        reach = 0.05 / largest
    ratio = 1 + noise(n, classes, seed=seed + 2)
    ratio = ratio / ratio.masked_fill(own, torch.inf).amin(1, keepdim=True)
    wanted = torch.where(own, 0.0, -reach * ratio)  # the logits, that of the own class being 0
    differ = v.masked_fill(own[..., None], 0)
    lacking = wanted - torch.einsum("nkd,nd->nk", differ, away)
    x = 0.5 + away + torch.stack([torch.linalg.pinv(differ[i]) @ lacking[i] for i in range(n)])
    scale = 5 / reach.masked_fill(own, torch.inf).amin()
    return _solved(scale * weight, -0.5 * scale * weight.sum(1), x, norm, exact_bounds=norm == "l0")


@cache
def near(norm: Norm, n: int = 50, d: int = 20, classes: int = 4, seed: int = 0) -> Linear:
    """Inputs of which two fifths of the values are 0 and as many 1, with the optimum by a solver."""
    weight, kind = normal(classes, d, seed=seed), noise(n, d, seed=seed + 1)
    x = torch.where(kind < 0.4, 0.0, torch.where(kind < 0.8, 1.0, noise(n, d, seed=seed + 2)))
    return _solved(weight, -0.5 * weight.sum(1), x, norm, exact_bounds=True)


def _solved(weight: Tensor, bias: Tensor, x: Tensor, norm: Norm, *, exact_bounds: bool) -> Linear:
    logits = x @ weight.T + bias
    labels = logits.argmax(1)
    optimum = []
    for one, z, y in zip(x, logits, labels, strict=True):
        others = [j for j in range(len(weight)) if j != y]
        optimum.append(min(_nearest(weight[j] - weight[y], z[y] - z[j], one, norm, exact_bounds) for j in others))
    return Linear(weight, bias, x, labels, torch.tensor(optimum, dtype=x.dtype))


def _nearest(v: Tensor, m: Tensor, x: Tensor, norm: Norm, exact_bounds: bool) -> float:
    if not exact_bounds:
        return (m / dual(v[None], norm)).item()
    return smallest(v.numpy(), m.item(), np.where(v > 0, 1 - x, x), norm)


def smallest(v: np.ndarray, m: float, room: np.ndarray, norm: Norm) -> float:
    """The least norm of r with v . r >= m, where r_i has the sign of v_i and |r_i| <= room_i; inf where there is none.

    Args:
        v, room: (d,).
    """
    worth = np.abs(v)
    if worth @ room < m:
        return np.inf
    if norm == "l0":
        return float(np.searchsorted(np.sort(worth * room)[::-1].cumsum(), m, side="right") + 1)
    if norm == "l2":
        low, high = 0.0, 1.0
        while worth @ np.minimum(high * worth, room) < m:
            high *= 2
        for _ in range(100):
            t = (low + high) / 2
            low, high = (t, high) if worth @ np.minimum(t * worth, room) < m else (low, t)
        return float(np.linalg.norm(np.minimum(high * worth, room)))
    d = len(v)
    if norm == "l1":  # min sum r
        found = linprog(np.ones(d), A_ub=-worth[None], b_ub=[-m], bounds=np.stack([np.zeros(d), room], 1))
    else:  # min e with r_i <= e: the variables are (r, e)
        cost, value = np.append(np.zeros(d), 1), np.append(-worth, 0)
        rows = np.concatenate([value[None], np.concatenate([np.eye(d), -np.ones((d, 1))], 1)])
        ends = np.stack([np.zeros(d + 1), np.append(room, np.inf)], 1)
        found = linprog(cost, A_ub=rows, b_ub=np.append(-m, np.zeros(d)), bounds=ends)
    assert found.status == 0
    return float(found.fun)
