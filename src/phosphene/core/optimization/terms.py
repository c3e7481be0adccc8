"""What activations are to be: one number per picture, to be made small (negate it to make it large).

Terms add, scale and negate. A term with data per problem indexes it through the view, `data[r.rows[r.of]]`, and ends
in `r.mean`, which goes from views back to pictures.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.detections import CORNERS, overlap
from phosphene.core.networks.head import SOFTMAX, Head, Score


@dataclass(frozen=True)
class Reading:
    """What was read of a network.

    Attributes:
        pictures: (n, 3, h, w), or with alpha (n, 4, h, w).
        rows: (n), the problem that each picture belongs to.
        views: (m, 3, h', w'), what the network was shown; for a prior alone, the pictures.
        of: (m), the picture that each view shows.
        layers: activations by name, (m, channels, ...).
        head: what the logits among them mean.
    """

    pictures: Float[Tensor, "n c h w"]
    rows: Int[Tensor, " n"]
    views: Float[Tensor, "m cc hh ww"]
    of: Int[Tensor, " m"]
    layers: Mapping[str, Tensor] = field(default_factory=dict)
    head: Head = SOFTMAX

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
    """The mean of a channel over its positions; problem i has units[i]."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer]
        return r.mean(y[torch.arange(len(y)), _per_problem(units, r.problems)].reshape(len(y), -1).mean(1))

    return Term(of, frozenset([layer]), f"channel of {layer}")


def neuron(layer: str, units: Sequence[int], positions: Sequence[tuple[int, int] | None]) -> Term:
    """One position of a channel; problem i has units[i] at positions[i] (row, column), None for the middle."""
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


@dataclass(frozen=True)
class TokenGrid:
    """Where the patches of a picture are among a layer's tokens: side by side, row by row unless it says otherwise.

    Attributes:
        prefix: how many tokens come before them: the class token, registers.
        columns: how many patches are in a row; None where that depends on the picture's size.
        proportion: the height of a patch as a part of its width, where the columns depend on the picture's size.
        suffix: how many tokens come behind them.
        by_columns: they are column by column.
    """

    prefix: int
    columns: int | None = None
    proportion: float = 1.0
    suffix: int = 0
    by_columns: bool = False

    def token(self, place: tuple[int, int], tokens: int, size: tuple[int, int]) -> int | None:
        """The token of the patch at (row, column) of a picture of (height, width); None where there is no such one."""
        shape, (row, column) = self.shape(tokens, size), place
        if shape is None or column >= shape[1] or row >= shape[0]:
            return None
        return self.prefix + (column * shape[0] + row if self.by_columns else row * shape[1] + column)

    def shape(self, tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
        """How many rows and columns of patches a picture of (height, width) has; None where they are no grid."""
        patches = tokens - self.prefix - self.suffix
        if patches < 1:
            return None
        columns = self.columns or max(1, round((patches * size[1] / size[0] * self.proportion) ** 0.5))
        return None if patches % columns else (patches // columns, columns)

    def placed(
        self, values: Float[Tensor, "... tokens"], size: tuple[int, int]
    ) -> Float[Tensor, "... rows columns"] | None:
        """What the patches say, in their rows and columns on a picture of (height, width); None if they are no grid."""
        shape = self.shape(values.shape[-1], size)
        if shape is None:
            return None
        patches = values[..., self.prefix : values.shape[-1] - self.suffix]
        return patches.unflatten(-1, shape[::-1]).mT if self.by_columns else patches.unflatten(-1, shape)


def token(
    layer: str, units: Sequence[int], positions: Sequence[int | tuple[int, int]], grid: TokenGrid | None = None
) -> Term:
    """A channel at one token, or the mean of an attention head's output there; problem i has units[i].

    Args:
        layer: of shape (n, channels, tokens) or (n, heads, tokens, dimensions) when it is read.
        units: channels or heads.
        positions: the token, or the (row, column) of its patch.
        grid: where those are; needed for rows and columns only.
    Raises (when called):
        Mistake: there is no such token on pictures of this size.
    """
    tokens_of = grid or TokenGrid(0)

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer]
        many, size = y.shape[2], (r.views.shape[2], r.views.shape[3])
        tokens = []
        for position in positions:
            at = position if isinstance(position, int) else tokens_of.token(position, many, size)
            if at is None or at >= many:
                place = (
                    f"token {position}" if isinstance(position, int) else f"the patch at {position[0]},{position[1]}"
                )
                raise Mistake(f"{layer} has {many} tokens on pictures of this size, and {place} is none of them")
            tokens.append(at)
        there = y[torch.arange(len(y)), _per_problem(units, r.problems), _per_problem(tokens, r.problems)]
        return r.mean(there.reshape(len(y), -1).mean(1))

    return Term(of, frozenset([layer]), f"token of {layer}")


Region = tuple[int, int, int, int]
"""x, y, width and height in pixels of the picture that a network is shown."""


def score(
    classes: Sequence[int], kind: Score = "logit", places: Sequence[tuple[int, int] | Region | None] | None = None
) -> Term:
    """The logit, log p or p of a class, by the network's head; problem i has classes[i].

    The unnormalized logit is what Simonyan et al. 2014 (arXiv:1312.6034) ascend and differentiate. Where a network
    answers at several places, it is their mean, or what it says at places[i]: a (row, column) of its answer, or the
    mean over a region of the picture. Of a detector's boxes it is the best one, or the one that overlaps most with the
    region.

    Raises (when called):
        Mistake: a probability of a network that has none; a place of one that answers once; a place that there is not.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers["logits"]
        if places is not None and any(place is not None for place in places):
            own = [places[int(problem)] for problem in r.problems]
            y = torch.cat([_at(y[i : i + 1], place, r) for i, place in enumerate(own)])
        y = r.head.scores(y, kind)
        return r.mean(y[torch.arange(len(y)), _per_problem(classes, r.problems)])

    return Term(of, frozenset(["logits"]), f"the class's {kind}")


def _at(y: Float[Tensor, "1 rows ..."], place: tuple[int, int] | Region | None, r: Reading) -> Tensor:
    """What one picture's answer is there, as an answer without places."""
    if place is None:
        flat = r.head.flat(y)
        return torch.cat([flat, flat.new_zeros(1, y.shape[1] - flat.shape[1])], 1)[..., None]
    if r.head.boxes:
        return _best_box(y, place)
    if y.dim() != 4:
        raise Mistake("the network answers once for the whole picture, so there is no place in its answer")
    if len(place) == 2:
        if place[0] >= y.shape[2] or place[1] >= y.shape[3]:
            raise Mistake(f"the answer has {y.shape[2]} rows and {y.shape[3]} columns, so {place} is not in it")
        return y[..., place[0], place[1], None]
    (left, top, width, height), (rows, columns) = place, y.shape[2:]
    down = _within(top, height, rows, r.views.shape[2])
    across = _within(left, width, columns, r.views.shape[3])
    return y[:, :, down][..., across].flatten(2).mean(2, keepdim=True)


def _within(start: int, length: int, cells: int, side: int) -> slice:
    """The cells of an answer whose centres lie in a stretch of the picture's side; at least the nearest one."""
    first = math.ceil(start * cells / side - 0.5)
    last = math.ceil((start + length) * cells / side - 0.5)
    first = min(max(first, 0), cells - 1)
    return slice(first, max(first + 1, min(last, cells)))


def _best_box(y: Float[Tensor, "1 rows boxes"], place: tuple[int, int] | Region) -> Float[Tensor, "1 rows 1"]:
    """The box that overlaps most with a region."""
    if len(place) != 4:
        raise Mistake("a detector's answer is boxes; give a region x,y,w,h")
    left, top, width, height = place
    region = y.new_tensor([[left, top, left + width, top + height]])
    best = int(overlap(y[:, -CORNERS:].detach(), region)[0].argmax())
    return y[:, :, best : best + 1]


def cross_entropy(classes: Sequence[int]) -> Term:
    """-log p of a class; problem i has classes[i]."""
    return replace(-score(classes, "log-p"), name="cross-entropy")


def energy(layer: str) -> Term:
    """Half the mean square of a layer's activations: DeepDream's objective, whose gradient there is the activation."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        return r.mean(0.5 * r.layers[layer].flatten(1).square().mean(1))

    return Term(of, frozenset([layer]), f"energy of {layer}")


def _along(
    y: Float[Tensor, "m channels positions"], v: Float[Tensor, "m channels ..."], power: float
) -> Float[Tensor, " m"]:
    """The mean over positions of dot * max(.1, cos)^power, dot and cos over the channels; cos is 0 where y is."""
    dot = (y * v).sum(1)
    if power == 0:
        return dot.mean(1)
    lengths = torch.linalg.vector_norm(y, dim=1) * torch.linalg.vector_norm(v, dim=1)
    cosine = dot / lengths.clamp(min=torch.finfo(y.dtype).tiny)
    return (dot * cosine.clamp(min=0.1) ** power).mean(1)


def direction(layer: str, vectors: Float[Tensor, "problems channels"], power: float = 1.0) -> Term:
    """How far a layer goes in a direction: the mean over positions of dot(y, v) max(.1, cos(y, v))^power.

    As in lucid (`objectives.direction`), without its 1e-4 added to the lengths. The cosine keeps the direction from
    being reached by whatever excites the layer most; .1 leaves a gradient where it points the other way.

    Args:
        layer: whose activations y, at each position a vector over the channels.
        vectors: v of each problem; problem i has vectors[i].
        power: of the cosine; 0 is the dot product alone.
    Raises (when called):
        Mistake: the layer has another number of channels.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer].flatten(2) if r.layers[layer].dim() > 2 else r.layers[layer][..., None]
        if y.shape[1] != vectors.shape[1]:
            raise Mistake(f"{layer} has {y.shape[1]} channels, the direction has {vectors.shape[1]} numbers")
        v = vectors.to(y.device, y.dtype)[r.problems.to(y.device)]
        return r.mean(_along(y, v[..., None], power))

    return Term(of, frozenset([layer]), f"direction of {layer}")


def similarity(layer: str, vectors: Float[Tensor, "problems channels"]) -> Term:
    """The cosine of a layer's code, the mean over its positions, and a vector; problem i has vectors[i].

    It is what embedding networks (DINO, CLIP's image tower) compare pictures by.

    Raises (when called):
        Mistake: the layer has another number of channels.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer].flatten(2).mean(2) if r.layers[layer].dim() > 2 else r.layers[layer]
        if y.shape[1] != vectors.shape[1]:
            raise Mistake(f"{layer} has {y.shape[1]} channels, the code has {vectors.shape[1]} numbers")
        v = vectors.to(y.device, y.dtype)[r.problems.to(y.device)]
        lengths = torch.linalg.vector_norm(y, dim=1) * torch.linalg.vector_norm(v, dim=1)
        return r.mean((y * v).sum(1) / lengths.clamp(min=torch.finfo(y.dtype).tiny))

    return Term(of, frozenset([layer]), f"similarity in {layer}")


def likeness(layer: str, codes: Float[Tensor, "problems *shape"], power: float = 1.0) -> Term:
    """How far a layer goes where it went for a photograph, position by position: a caricature exaggerates it.

    The mean over positions of dot(y, c) max(.1, cos(y, c))^power, with y and the code c vectors over the channels at
    the same position. (lucid's caricatures, `dot_compare`, take both over all positions at once: there a few strong
    positions decide.)

    Args:
        layer: whose activations y.
        codes: its activations on the photographs, channels on axis 1; problem i has codes[i].
        power: of the cosine; 0 is the dot product alone.
    Raises (when called):
        Mistake: the layer has another shape on pictures of this size.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer]
        if y.shape[1:] != codes.shape[1:]:
            own, given = (" x ".join(map(str, x.shape[1:])) for x in (y, codes))
            raise Mistake(f"{layer} is {own} on pictures of this size, the code is {given}; take pictures of one size")
        c = codes.to(y.device, y.dtype)[r.problems.to(y.device)]
        return r.mean(_along(y.reshape(*y.shape[:2], -1), c.reshape(*y.shape[:2], -1), power))

    return Term(of, frozenset([layer]), f"likeness in {layer}")


def diversity(layer: str, group: Sequence[int]) -> Term:
    """How alike the pictures of a group are: the mean cosine of a picture's Gram matrix with those of the others.

    With y (channels, positions) the Gram matrix is y y^T, not centred, and the mean over a picture's views where it has
    several; the cosine is that of the flattened matrices. To be made small, it leads several pictures of one unit
    apart (Olah et al. 2017, doi:10.23915/distill.00007, "diversity"). Rows are coupled on purpose, unlike in any other
    term: the gradient of a picture is that of the sum over its group, and only those in the same reading are compared.

    Args:
        layer: whose activations.
        group: problem i belongs to group[i]; a group of one has value 0.
    """

    def of(r: Reading) -> Float[Tensor, " n"]:
        y = r.layers[layer].flatten(2) if r.layers[layer].dim() > 2 else r.layers[layer][..., None]
        views = y @ y.transpose(1, 2)
        grams = views.new_zeros(len(r.pictures), *views.shape[1:]).index_add(0, r.of.to(y.device), views)
        flat = torch.nn.functional.normalize(grams.flatten(1), dim=1)  # a sum points where the mean does
        mine = _per_problem(group, r.rows)
        others = (mine[:, None] == mine[None]).to(flat).fill_diagonal_(0)
        return ((flat @ flat.T) * others).sum(1) / others.sum(1).clamp(min=1)

    return Term(of, frozenset([layer]), f"likeness of pictures in {layer}")


def weighted(weights: Sequence[float], term: Term) -> Term:
    """A term with a weight for each problem: problem i has weights[i]."""

    def of(r: Reading) -> Float[Tensor, " n"]:
        values = term.of(r)
        own = torch.tensor(weights, dtype=values.dtype, device=values.device)
        return own[r.rows.to(values.device)] * values

    return replace(term, of=of, name=f"weighted {term.name}", parts=())


def code_distance(layer: str, code: Float[Tensor, "problems *shape"]) -> Term:
    """|Phi(x) - code|^2 / |code|^2 (Mahendran & Vedaldi 2015, arXiv:1412.0035, eq. 2); a code for each problem."""
    size = code.flatten(1).square().sum(1)

    def of(r: Reading) -> Float[Tensor, " n"]:
        apart = (r.layers[layer] - code[r.problems]).flatten(1).square().sum(1)
        return r.mean(apart / size[r.problems])

    return Term(of, frozenset([layer]), f"distance to the code of {layer}")
