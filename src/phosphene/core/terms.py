"""What is asked of activations: one number per picture, to be made small (negate it to make it large).

Terms add, scale and negate. A term with data per problem indexes it through the view, `data[r.rows[r.of]]`, and ends
in `r.mean`, which goes from views back to pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake

Score = Literal["logit", "log-p", "p"]


@dataclass(frozen=True)
class Reading:
    """What a network said.

    Attributes:
        pictures: (n, 3, h, w), or with alpha (n, 4, h, w).
        rows: (n), the problem that each picture belongs to.
        views: (m, 3, h', w'), what the network was fed.
        of: (m), the picture that each view shows.
        layers: activations by name, (m, channels, ...).
    """

    pictures: Float[Tensor, "n c h w"]
    rows: Int[Tensor, " n"]
    views: Float[Tensor, "m 3 hh ww"]
    of: Int[Tensor, " m"]
    layers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def problems(self) -> Int[Tensor, " m"]:
        """The problem that each view belongs to."""
        return self.rows[self.of]

    def mean(self, values: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
        """Numbers per view to numbers per picture."""
        n = len(self.pictures)
        many = values.new_zeros(n).index_add(0, self.of, torch.ones_like(values.detach()))
        return values.new_zeros(n).index_add(0, self.of, values) / many


@dataclass(frozen=True)
class Term:
    """One number per picture, read off a Reading."""

    of: Callable[[Reading], Float[Tensor, " n"]]
    layers: frozenset[str] = frozenset()
    name: str = "term"
    parts: tuple["Term", ...] = ()

    @property
    def leaves(self) -> tuple["Term", ...]:
        """The terms that it was added up from."""
        return self.parts or (self,)

    def __add__(self, other: "Term") -> "Term":
        return Term(
            lambda r: self.of(r) + other.of(r),
            self.layers | other.layers,
            f"{self.name} + {other.name}",
            self.leaves + other.leaves,
        )

    def __rmul__(self, weight: float) -> "Term":
        parts = tuple(weight * part for part in self.parts)
        return replace(self, of=lambda r: weight * self.of(r), name=f"{weight:g} {self.name}", parts=parts)

    def __neg__(self) -> "Term":
        return -1.0 * self

    def __sub__(self, other: "Term") -> "Term":
        return self + -other


def _per_problem(numbers: Sequence[int], views: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
    return torch.as_tensor(numbers, device=views.device)[views]


def channel(layer: str, units: Sequence[int]) -> Term:
    """The mean of a channel over its positions; problem i asks for units[i]."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer]
        return r.mean(y[torch.arange(len(y)), _per_problem(units, r.problems)].reshape(len(y), -1).mean(1))

    return Term(of, frozenset([layer]), f"channel of {layer}")


def neuron(layer: str, units: Sequence[int], positions: Sequence[tuple[int, int] | None]) -> Term:
    """One position of a channel; problem i asks for units[i] at positions[i] (row, column), None for the middle."""
    rows, columns = (1 + max((place[axis] for place in positions if place), default=0) for axis in (0, 1))

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer]
        if rows > y.shape[2] or columns > y.shape[3]:
            size = f"{y.shape[2]} rows and {y.shape[3]} columns"
            raise Mistake(f"{layer} has only {size} on pictures of this size; give another position, or a larger size")
        middle = (y.shape[2] // 2, y.shape[3] // 2)
        places = torch.tensor([middle if p is None else p for p in positions], device=y.device)[r.problems]
        return r.mean(y[torch.arange(len(y)), _per_problem(units, r.problems), places[:, 0], places[:, 1]])

    return Term(of, frozenset([layer]), f"neuron of {layer}")


def score(classes: Sequence[int], kind: Score = "logit") -> Term:
    """The logit, log p or p of a class; problem i asks for classes[i].

    The unnormalized logit is what Simonyan et al. 2014 (arXiv:1312.6034) ascend and differentiate.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers["logits"].flatten(2).mean(2) if r.layers["logits"].dim() > 2 else r.layers["logits"]
        y = {"logit": lambda z: z, "log-p": lambda z: z.log_softmax(1), "p": lambda z: z.softmax(1)}[kind](y)
        return r.mean(y[torch.arange(len(y)), _per_problem(classes, r.problems)])

    return Term(of, frozenset(["logits"]), f"the class's {kind}")


def cross_entropy(classes: Sequence[int]) -> Term:
    """-log p of a class; problem i has classes[i]."""
    return replace(-score(classes, "log-p"), name="cross-entropy")


def energy(layer: str) -> Term:
    """Half the mean square of a layer's activations: DeepDream's objective, whose slope there is the activation."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        return r.mean(0.5 * r.layers[layer].flatten(1).square().mean(1))

    return Term(of, frozenset([layer]), f"energy of {layer}")


def code_distance(layer: str, code: Float[Tensor, "problems *shape"]) -> Term:
    """|Phi(x) - code|^2 / |code|^2 (Mahendran & Vedaldi 2015, arXiv:1412.0035, eq. 2); a code for each problem."""
    size = code.flatten(1).square().sum(1)

    def of(r: Reading) -> Float[Tensor, " n"]:
        apart = (r.layers[layer] - code[r.problems]).flatten(1).square().sum(1)
        return r.mean(apart / size[r.problems])

    return Term(of, frozenset([layer]), f"distance to the code of {layer}")
