"""How much of a picture a code leaves free, counted where it can be.

A small change dx of the picture changes the code by J dx, with the Jacobian J of the layer at the picture. So the code
is blind to the null space of J: to as many dimensions as there are values in the picture, less the rank of J. Of a
layer that is linear (affine) J is the same everywhere, and the number is exact. Of any other it holds at this picture,
as far as a numeric rank tells. Where J is too large to be had, its rank is at most the number of outputs that respond
at all; a closed rectifier does not. So at least the rest is free.

Whether J is the same at another picture, and which rows of it are zero, is asked without J: by the gradient of a sum of
outputs with random weights, which is J^T r. It is the same, or zero, for random r only where all rows are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import NoGradient, gradient
from phosphene.core.optimization.terms import Reading, Term
from phosphene.inversion.codes import SCORES, Code, is_score

PASSES = 4096
"""So many rows of a Jacobian are computed at most."""
WORK = 2**34
"""At most so many products make a rank, about ten seconds: the shorter side squared times the longer one."""
ROOM = 2**25
"""At most so many numbers in a Jacobian: 256 MB in float64."""

Kind = Literal["exact", "here", "at least"]


@dataclass(frozen=True)
class Freedom:
    """How many dimensions a code leaves free.

    Attributes:
        inputs: values of the picture.
        held: dimensions in which a change of the picture changes the code.
        kind: "exact" for a linear layer; "here", the numeric rank at this picture; "at least", counted outputs.
    """

    inputs: int
    held: int
    kind: Kind

    @property
    def free(self) -> int:
        """The rest."""
        return max(0, self.inputs - self.held)

    def __str__(self) -> str:
        many = f"{self.free:,} of {self.inputs:,} dimensions are free".replace(",", " ")
        return {
            "exact": f"exactly {many}: the layer is linear",
            "here": f"{many} about this photograph, by the rank of the Jacobian",
            "at least": f"at least {many}: {self.held:,} outputs respond".replace(",", " "),
        }[self.kind]

    def record(self) -> dict[str, Any]:
        """As it is written down, ready for JSON."""
        return {"inputs": self.inputs, "held": self.held, "free": self.free, "kind": self.kind}


def freedom(network: Network, fed: Float[Tensor, "1 c h w"], code: Code) -> Freedom:
    """How many dimensions of a picture its code leaves free, as said above.

    Args:
        network: the network to read.
        fed: the picture.
        code: what a layer says about it.
    """
    reading, said = network.planned("reading"), code.values.flatten()
    units = torch.arange(len(said), device=said.device)
    silent = said == 0
    if silent.any() and not _pull(reading, fed, code.layer, silent).any():
        units = units[~silent]
    inputs, held = fed.numel(), len(units)
    small, large = sorted((inputs, held))
    if held > PASSES or small * large > ROOM or small**2 * large > WORK:
        return Freedom(inputs, min(inputs, held), "at least")
    jacobian = _rows(reading, fed, code.layer, units)
    precision = torch.finfo(network.dtype).eps
    rank = int(torch.linalg.matrix_rank(jacobian.cpu().double(), rtol=large * precision)) if held else 0
    return Freedom(inputs, rank, "exact" if _linear(reading, fed, code.layer, len(said)) else "here")


def _linear(network: Network, fed: Tensor, layer: str, many: int) -> bool:
    """Whether the Jacobian is the same at a picture of noise as here."""
    other = Key(0, [0]).uniform(torch.zeros(1, dtype=torch.long), *fed.shape[1:]).to(fed)
    every = torch.ones(many, dtype=torch.bool, device=fed.device)
    here, there = (_pull(network, one, layer, every) for one in (fed, other))
    return bool((here - there).norm() <= 1e-4 * here.norm())


def _pull(network: Network, picture: Tensor, layer: str, some: Tensor) -> Tensor:
    """J^T r for random r, 0 but for some outputs."""
    weights = Key(0, [1]).normal(torch.zeros(1, dtype=torch.long), len(some)).to(picture) * some.to(picture)
    rows = torch.zeros(1, dtype=torch.long)
    return _gradient(network, layer, lambda said, rows: (said * weights).sum(1), picture, rows)


def _rows(network: Network, fed: Tensor, layer: str, units: Tensor, together: int = 16) -> Float[Tensor, "m inputs"]:
    """The rows of the Jacobian that belong to these outputs."""

    def own(said: Tensor, rows: Tensor) -> Tensor:
        return said.gather(1, units[rows][:, None])[:, 0]

    every = torch.arange(len(units)).split(together)
    found = [_gradient(network, layer, own, fed.expand(len(rows), -1, -1, -1), rows).flatten(1) for rows in every]
    return torch.cat([fed.new_zeros(0, fed.numel()), *found])


def _gradient(
    network: Network, layer: str, number: Callable[[Tensor, Tensor], Tensor], pictures: Tensor, rows: Tensor
) -> Tensor:
    """That of a number of a code, (n, outputs) and rows to (n), with respect to pictures; 0 where it never changes."""
    score = is_score(network, layer)

    def of(r: Reading) -> Float[Tensor, " n"]:
        said = r.head.scores(r.layers["logits"], SCORES[layer]) if score else r.layers[layer]
        return number(said.flatten(1), r.rows.to(said.device))

    term = Term(of, frozenset(["logits" if score else layer]), f"outputs of {layer}")
    try:
        return gradient(network, term)(pictures, rows, Key().at(0)).gradients
    except NoGradient:
        return torch.zeros_like(pictures)
