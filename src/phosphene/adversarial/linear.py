"""Linear classifiers, where everything about an attack can be written down: their training, and how near the next
class is.

The score of a class is w_c . x + b_c. Moving every pixel by eps along sign(w_t - w_s) changes the difference of two
scores by eps |w_t - w_s|_1, which no other change of that size does better, and the sum grows with the number of
pixels while eps does not (Goodfellow et al. 2015, arXiv:1412.6572, section 3). So the distance to the class t is
margin / |w_t - w_s|_1 in l-inf and margin / |w_t - w_s|_2 in l2, and the nearest class is the smallest of these
(Moosavi-Dezfooli et al. 2016, arXiv:1511.04599, equation 8).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake, check_range
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs

Norm = Literal["linf", "l2"]

FLAT = 1e-6
"""The largest derivative at which training ends."""

X = (2, -1, 3, -2, 2, 2, 1, -4, 5, 1)
W = (-1, -1, 1, -1, 1, -1, 1, 1, -1, 1)
"""An input of ten numbers and the weights of a logistic regression, of a lecture (Karpathy 2015, "Breaking linear
classifiers on ImageNet"): p = .0474, and .88 once every number is moved by a half along the weights' signs."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear classifier: pictures to scores.

    Attributes:
        weight: of each class, in pixels.
        bias: of each class.
    """

    weight: Float[Tensor, "classes d"]
    bias: Float[Tensor, " classes"]

    def __call__(self, pictures: Float[Tensor, "n ..."]) -> Float[Tensor, "n classes"]:
        return pictures.flatten(1) @ self.weight.T + self.bias

    def margins(self, pictures: Float[Tensor, "n ..."], source: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
        """By how much the source's score is above each other one; infinite for the source itself."""
        scores = self(pictures)
        apart = scores.gather(1, source[:, None]) - scores
        return apart.scatter(1, source[:, None], math.inf)


def softmax_regression(
    pictures: Float[Tensor, "n ..."], labels: Int[Tensor, " n"], classes: int, decay: float = 0.1, most: int = 200
) -> Linear:
    """The linear classifier with the least mean cross-entropy + decay / 2 |W|^2.

    It is convex, so there is one, and no random number in it: L-BFGS from zero. The pictures' mean is taken off first,
    which leaves the minimum over W and b what it is, and its search short.

    Args:
        decay: much of it makes the weights smooth: near the difference of the classes' means.
        most: steps.
    Raises:
        Mistake: a label that is none of the classes, one class only, a decay below 0.
    """
    check_range("decay", decay, 0)
    if classes < 2:
        raise Mistake("a classifier tells at least two classes apart, and there is one")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
        raise Mistake(f"labels are 0 to {classes - 1}, one for each picture")
    x, truth = pictures.flatten(1), F.one_hot(labels, classes).to(pictures)
    mean, one = x.mean(0), torch.zeros(1, dtype=torch.long)
    x = x - mean
    weight, bias = x.new_zeros(1, classes, x.shape[1]), x.new_zeros(1, classes)

    def loss(_: Tensor) -> tuple[Tensor, list[Tensor]]:
        log_p = (x @ weight[0].T + bias).log_softmax(1)
        apart = (log_p.exp() - truth) / len(x)  # the gradient of the scores
        value = -(log_p * truth).sum() / len(x) + decay / 2 * weight.square().sum()
        return value[None], [(apart.T @ x)[None] + decay * weight, apart.sum(0)[None]]

    update, (value, slopes) = lbfgs()([weight, bias]), loss(one)
    for _ in range(most):
        before = value
        update(value, slopes, one, loss)
        value, slopes = loss(one)
        if value >= before or max(float(slope.abs().max()) for slope in slopes) < FLAT:
            break
    return Linear(weight[0], bias[0] - weight[0] @ mean)


# ------------------------------------------------------------------------------------------------------- distances


def distances(
    model: Linear, pictures: Float[Tensor, "n ..."], source: Int[Tensor, " n"], norm: Norm = "linf"
) -> Float[Tensor, "n classes"]:
    """How far each picture is from where each class's score reaches the source's, wherever pixels may go.

    margin / |w_t - w_s|_q with 1/p + 1/q = 1 (Hoelder's inequality): l1 for l-inf, l2 for l2. Infinite for the source,
    and for a class of the same weights; 0 where it is reached already.
    """
    sizes = torch.cdist(model.weight, model.weight, p=1 if norm == "linf" else 2)[source]
    margins = model.margins(pictures, source).clamp(min=0)
    return torch.where(margins > 0, margins / sizes, 0.0)


def moved(
    model: Linear,
    pictures: Float[Tensor, "n ..."],
    source: Int[Tensor, " n"],
    target: Int[Tensor, " n"],
    radius: Float[Tensor, " n"],
    norm: Norm = "linf",
) -> Float[Tensor, "n ..."]:
    """Pictures moved so far the best way from the source's class towards the target's.

    Along sign(w_t - w_s) in l-inf, along w_t - w_s in l2. Pixels may leave [0, 1].
    """
    way = (model.weight[target] - model.weight[source]).to(pictures)
    way = way.sign() if norm == "linf" else F.normalize(way, dim=1)
    return pictures + (radius[:, None] * way).view_as(pictures)


def boxed_distances(
    model: Linear, pictures: Float[Tensor, "n ..."], source: Int[Tensor, " n"]
) -> Float[Tensor, "n classes"]:
    """The l-inf distance to each class among pictures in [0, 1], exactly; infinite where none of them is there.

    Of radius eps, a pixel adds |d_i| min(eps, room_i) to the target's score, d = w_t - w_s, where room_i is how far it
    may go in its direction. The sum grows in straight pieces, less and less steeply, with a corner at every room; the
    distance is on the first piece that reaches the margin.
    """
    x, margins = pictures.flatten(1), model.margins(pictures, source).clamp(min=0)
    found = torch.full_like(margins, math.inf)
    for target in range(margins.shape[1]):
        d = model.weight[target] - model.weight[source]
        room, order = torch.where(d > 0, 1 - x, x).sort(dim=1)
        sizes = d.abs().gather(1, order).double()
        gained = (sizes * room).cumsum(1)  # by the pixels that have met the edge
        left = sizes.flip(1).cumsum(1).flip(1)  # the pixels that still move, from this one on
        at_corner = gained - sizes * room + left * room  # the whole gain where eps is this pixel's room
        piece = torch.searchsorted(at_corner, margins[:, target : target + 1].double().clamp(max=1e300))
        first = piece.clamp(max=x.shape[1] - 1)
        before = (gained - sizes * room).gather(1, first)
        eps = (margins[:, target : target + 1] - before) / left.gather(1, first)
        found[:, target] = torch.where(piece < x.shape[1], eps, math.inf)[:, 0].to(found)
    return torch.where(margins > 0, found, 0.0)


def bisected(
    reached: Callable[[Float[Tensor, " n"]], Bool[Tensor, " n"]], many: int, high: float = 1.0, halvings: int = 40
) -> Float[Tensor, " n"]:
    """The smallest radius of each row for which `reached` is true, found by asking alone.

    Args:
        reached: (radii) -> whether each row is reached; true for every radius above the smallest.
        many: rows.
        high: the largest radius.
        halvings: of the interval; 40 leave 1e-12 of it.
    Returns:
        Float64; infinite where not even `high` is enough.
    """
    low, top = torch.zeros(many, dtype=torch.float64), torch.full((many,), high, dtype=torch.float64)
    never = ~reached(top)
    for _ in range(halvings):
        middle = (low + top) / 2
        there = reached(middle)
        low, top = torch.where(there, low, middle), torch.where(there, middle, top)
    return torch.where(never, math.inf, top)


@dataclass(frozen=True, eq=False)
class Shortest:
    """The nearest other class of each picture, and how far it is in l-inf, float64.

    Attributes:
        source, target: the class that it is taken for, and the nearest other one in the box.
        free: the closed form: margin / |w_t - w_s|_1, of the class that is nearest without a box.
        boxed: the smallest radius in the box, exactly.
        searched: the smallest at which the classifier was seen to say another class, moved along the sign, in the box.
        at_edge: of the pixels that are to be moved, the part that meets 0 or 1 before `boxed`.
    """

    source: Int[Tensor, " n"]
    target: Int[Tensor, " n"]
    free: Float[Tensor, " n"]
    boxed: Float[Tensor, " n"]
    searched: Float[Tensor, " n"]
    at_edge: Float[Tensor, " n"]


def shortest(model: Linear, pictures: Float[Tensor, "n ..."], batch: int = 250) -> Shortest:
    """The shortest ways to another class, by the closed forms and by a search that only looks at what is said."""
    exact = Linear(model.weight.double(), model.bias.double())
    parts = [_shortest(exact, part.double()) for part in pictures.split(batch)]
    return Shortest(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _shortest(model: Linear, pictures: Float[Tensor, "n ..."]) -> tuple[Tensor, ...]:
    """As the fields of `Shortest`."""
    source = model(pictures).argmax(1)
    free = distances(model, pictures, source).amin(1)
    boxed, target = boxed_distances(model, pictures, source).min(1)

    def left(radius: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        return model(moved(model, pictures, source, target, radius).clamp(0, 1)).argmax(1) != source

    searched = bisected(left, len(pictures))
    reach = moved(model, pictures, source, target, boxed.nan_to_num(posinf=1.0)).flatten(1)
    at_edge = ((reach < 0) | (reach > 1)).double().mean(1)
    return source, target, free, boxed, searched, at_edge


def in_levels(
    model: Linear, pictures: Float[Tensor, "n ..."], found: Shortest
) -> tuple[Float[Tensor, "n ..."], Int[Tensor, " n"]]:
    """8-bit pictures that are taken for another class, and by how many of 255 levels pixels were moved for it.

    That many levels are the radius in the box, rounded up, and one more where a pixel's own rounding takes it back.
    """

    def changed(levels: Int[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        radius = (levels.double() / 255).to(pictures)
        return moved(model, pictures, found.source, found.target, radius).clamp(0, 1)

    levels = (255 * found.boxed.clamp(max=1) - 1e-6).ceil().clamp(min=1).long()
    levels = levels + (model(changed(levels)).argmax(1) == found.source)
    return changed(levels), levels


# ------------------------------------------------------------------------------------------------------- dimension


def radius_of_one_deviation(dimension: int, models: int, key: Key = Key()) -> Float[Tensor, " models"]:
    """How far every number has to move until a random linear score has moved by one standard deviation.

    Of independent inputs of deviation 1, the score w . x has the deviation |w|_2, and a step of eps along sign(w) moves
    it by eps |w|_1: the radius is |w|_2 / |w|_1, of weights w ~ N(0, 1).
    """
    w = key.normal(torch.arange(models), dimension)
    return w.norm(dim=1) / w.norm(p=1, dim=1)


def expected_radius(dimension: float) -> float:
    """What `radius_of_one_deviation` tends to: sqrt(pi / (2 d)), as |w_i| is sqrt(2 / pi) in the mean and 1 in the root
    mean square."""
    return math.sqrt(math.pi / (2 * dimension))
