"""Are the pixels that a map puts first those that the network needs? Take them away, or give it only them.

Petsiuk et al. 2018 (arXiv:1806.07421, RISE). *Deletion*: pixels go in the map's order, the largest first, and become
the network's own mean colour; what it says should fall at once. *Insertion*: the same pixels come into the blurred
photograph; it should rise at once. The area under each curve is one number; it means something only beside the areas of
an order that knows nothing (random pixels) and of one that knows the picture alone (its edges).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.attribution.baselines import baseline_pictures
from phosphene.attribution.question import Pictures, Question, every, of_classes
from phosphene.core.optimization.keys import Key

POINTS = 32
"""Steps of a curve."""

RANDOM = 3
"""Orders that the random baseline is the mean of."""

Order = Int[Tensor, "n h w"]
"""The place of each pixel, from 0 for the first."""


@dataclass(frozen=True)
class Curves:
    """What the network says while pixels go or come.

    Attributes:
        deletion, insertion: (n, steps + 1), from the whole photograph to nothing and from nothing to the whole one: p
            of the class, or what the unit says as a share of what it says about the photograph.
    """

    deletion: Float[Tensor, "n steps"]
    insertion: Float[Tensor, "n steps"]

    def areas(self) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Under both, by the trapezoidal rule over shares from 0 to 1."""
        deleted, inserted = (torch.trapezoid(c, dx=1 / (c.shape[1] - 1)) for c in (self.deletion, self.insertion))
        return deleted, inserted


@dataclass(frozen=True)
class Compared:
    """The curves of a map beside those of other orders; None as long as they are not computed."""

    own: Curves
    edges: Curves | None = None
    random: Sequence[Curves] = field(default_factory=list)

    @property
    def by_chance(self) -> Curves | None:
        """The mean over random orders."""
        if not self.random:
            return None
        ways = ([one.deletion for one in self.random], [one.insertion for one in self.random])
        return Curves(*(torch.stack(way).mean(0) for way in ways))


def order(maps: Float[Tensor, "n h w"], seed: int = 0) -> Order:
    """The largest first; equal ones in random order, the same for each picture.

    Without the latter the zeros of a map would go row by row, and so would a flat part of the picture.
    """
    first = _shuffled(maps, 1, seed)[0]
    by_size = maps.detach().cpu().flatten(1)[:, first].argsort(dim=1, descending=True, stable=True)
    return _places(first[by_size]).view(maps.shape)


def random_order(maps: Float[Tensor, "n h w"], index: int, seed: int = 0) -> Order:
    """The index-th random order, the same for each picture."""
    return _places(_shuffled(maps, index + 2, seed)).view(1, *maps.shape[1:]).expand(maps.shape)


def _shuffled(maps: Tensor, step: int, seed: int) -> Int[Tensor, "1 m"]:
    drawn = Key(seed, [0], step=step).uniform(torch.zeros(1, dtype=torch.long), maps[0].numel())
    return drawn.argsort(dim=1)


def _places(pixels: Int[Tensor, "n m"]) -> Int[Tensor, "n m"]:
    """From the pixel at each place to the place of each pixel."""
    places = torch.arange(pixels.shape[1]).expand_as(pixels)
    return torch.empty_like(pixels).scatter_(1, pixels, places)


def edges(pictures: Pictures) -> Float[Tensor, "n h w"]:
    """Where the grey picture changes: the length of its gradient by Sobel's filters."""
    from skimage.filters import sobel

    grey = pictures.detach().double().mean(1).cpu().numpy()
    return torch.stack([torch.from_numpy(sobel(one)) for one in grey])


def curves(asked: Question, pictures: Pictures, first: Order, points: int = POINTS) -> Curves:
    """Deletion and insertion of pixels in this order."""
    asked = in_p(asked)
    zero, blurred = (
        baseline_pictures(asked.network, pictures, "zero"),
        baseline_pictures(asked.network, pictures, "blur"),
    )
    both = [_along(asked, *ends, first, points) for ends in ((pictures, zero), (blurred, pictures))]
    if asked.score != "p" or not of_classes(asked.units):
        # a unit has no scale of its own, nor has a plain number
        whole = asked.values(pictures, every(pictures)).abs().cpu()
        both = [curve / torch.where(whole > 0, whole, 1.0)[:, None] for curve in both]
    return Curves(*both)


def _along(
    asked: Question, start: Tensor, end: Tensor, first: Order, points: int
) -> Float[Tensor, "n steps"]:  # fmt: skip
    """What the network says as the pixels of `start` become those of `end`, all pictures and steps in one batch."""
    n, _, height, width = start.shape
    counts = (torch.linspace(0, 1, points + 1, dtype=torch.float64) * height * width).round().long()
    rows, steps = torch.arange(n).repeat_interleave(points + 1), torch.arange(points + 1).repeat(n)
    said = []
    for some, at in zip(rows.split(asked.batch), steps.split(asked.batch), strict=True):
        done = (first[some] < counts[at].view(-1, 1, 1))[:, None].to(start.device)
        said.append(asked.values(torch.where(done, end[some], start[some]), some))
    return torch.cat(said).double().cpu().view(n, points + 1)


def in_p(asked: Question) -> Question:
    """The same question, of classes in probabilities where they have some."""
    probable = of_classes(asked.units) and asked.network.head.has_probabilities
    return replace(asked, score="p") if probable else asked


def compared(
    asked: Question,
    pictures: Pictures,
    maps: Float[Tensor, "n h w"],
    *,
    points: int = POINTS,
    random: int = RANDOM,
    seed: int = 0,
) -> Iterator[Compared]:
    """The curves of a map, then those of the picture's edges and of random orders, after each of them."""
    found = Compared(curves(asked, pictures, order(maps, seed), points))
    yield found
    found = replace(found, edges=curves(asked, pictures, order(edges(pictures), seed), points))
    yield found
    for index in range(random):
        another = curves(asked, pictures, random_order(maps, index, seed), points)
        found = replace(found, random=[*found.random, another])
        yield found
