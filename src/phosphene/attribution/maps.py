"""What methods are and what they find.

A method is a function (question, pictures, options) -> numbers for every pixel. There are two kinds. A *sensitivity* (a
gradient) says how the score would move if a colour did; its sign says in which direction, so a pixel matters as much as
the largest of its |gradients|. A *contribution* says how much of the score a pixel accounts for: what it adds is
positive, what it takes away is negative, and a pixel's is the sum over its colours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.question import Pictures, Question
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import Purpose
from phosphene.core.optimization.terms import Score
from phosphene.core.pictures.files import Photo, Photos
from phosphene.core.results.recipes import Recipe
from phosphene.core.results.results import Panel, Result, Run

Kind = Literal["sensitivity", "contribution"]
Show = Literal["colours", "grey", "heat", "overlay"]


@dataclass(frozen=True)
class Maps:
    """What a method found.

    Attributes:
        values: (n, 3, h, w), for each colour, signed; or (n, h, w), for each pixel.
        facts: of each picture, what else there is to be said, ready for JSON.
        panels: of each picture, further captioned pictures for its figure.
        further_values: further numbers by name, (n, ...).
    """

    values: Float[Tensor, "n ..."]
    facts: Sequence[dict[str, Any]] = ()
    panels: Sequence[Sequence[Panel]] = ()
    further_values: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Growing:
    """The same, of a method that takes its time.

    Attributes:
        total: how many parts there are.
        steps: after each of them how many are done, and what is found so far.
    """

    total: int
    steps: Iterator[tuple[int, Maps]]

    def last(self) -> Maps:
        """What is found in the end."""
        *_, (_, maps) = self.steps
        return maps


Method = Callable[..., Tensor | Maps | Growing]
"""(question, pictures, *, options) -> what it found."""


def found(method: Method, asked: Question, pictures: Pictures, **options: Any) -> Maps:
    """What a method finds, in the end."""
    made = method(asked, pictures, **options)
    return made if isinstance(made, Maps) else made.last() if isinstance(made, Growing) else Maps(made)


def pixels(values: Float[Tensor, "n ..."], kind: Kind) -> Float[Tensor, "n h w"]:
    """How much each pixel matters: the largest |gradient| of its colours, or the sum of their contributions."""
    if values.dim() == 3:
        return values
    return values.abs().amax(1) if kind == "sensitivity" else values.sum(1)


@dataclass(frozen=True)
class About:
    """What is to be known about a method to show it.

    Attributes:
        name: as it is called on the command line.
        words: what its picture shows, for a caption.
        kind: what its numbers are.
        show: how they are shown unless it is said otherwise.
        asks: whether it answers a question, or is about the picture alone.
        complete: whether it promises that the numbers add up to the score.
        relative: whether its numbers mean something only beside each other, so that the smallest is shown as nothing.
        score: what is asked about classes unless it is said otherwise.
        purpose: what the network is run for.
    """

    name: str
    words: str
    kind: Kind
    show: Show
    asks: bool = True
    complete: bool = False
    relative: bool = False
    score: Score = "logit"
    purpose: Purpose = "reading"


P = ParamSpec("P")
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Explainer(Recipe[Concatenate[Network, Photo | Photos, P], R]):
    """A recipe that was made of a method: (network, photos, *, options) -> Result or Run.

    Attributes:
        method: (question, pictures, *, its own options) -> what it finds.
        about: what is to be known to show that.
    """

    method: Method
    about: About

    if TYPE_CHECKING:  # photographs may be given by name, which `Concatenate` alone can't say

        def __call__(self, network: Network, photos: Photo | Photos, *args: P.args, **kwargs: P.kwargs) -> R: ...


AnyExplainer = Explainer[..., Any]


@runtime_checkable
class Explains(Protocol):
    """From a method to its recipe, which takes steps where the method does."""

    @overload
    def __call__(self, method: Callable[Concatenate[Question, Pictures, P], Growing]) -> Explainer[P, Run]: ...
    @overload
    def __call__(self, method: Callable[Concatenate[Question, Pictures, P], Tensor | Maps]) -> Explainer[P, Result]: ...
