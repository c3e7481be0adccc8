"""What is asked of a network about photographs: one unit or class for each, and what it says as pixels change.

Every method of this family is a function of a `Question` and the pictures that were fed. Variants of them (along a
path, under noise, behind masks) go through the network in one batch, whatever picture they belong to: `rows` tells.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from phosphene.core.errors import Mistake, first_line
from phosphene.core.networks.network import Network
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.engine import NotFinite
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient, pulled, values
from phosphene.core.optimization.terms import Reading, Score, Term
from phosphene.core.pictures.files import Photo
from phosphene.core.units.inputs import Fit, feed, logits, unit_words
from phosphene.core.units.labels import class_index, label
from phosphene.core.units.spelling import parse_unit, region_of, similar
from phosphene.core.units.units import AnyUnit, Sum, Unit, unit_term

Pictures = Float[Tensor, "n c h w"]
Rows = Int[Tensor, " n"]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        network: the network to read.
        units: what about each picture; all of one signature.
        score: of classes: the logit, log p or p.
        batch: so many pictures go through the network at a time.
    """

    network: Network
    units: Sequence[AnyUnit]
    score: Score = "logit"
    batch: int = 16

    @cached_property
    def term(self) -> Term:
        """The number that is asked about: problem i is picture i."""
        return unit_term(list(self.units), self.score)

    def words(self, index: int) -> str:
        """What is asked about a picture, for captions."""
        unit = self.units[index]
        if isinstance(unit, Sum) and _classes(unit):
            (_, this), (_, that) = unit.parts
            names = (label(self.network, part.index or 0) for part in (this, that) if isinstance(part, Unit))
            return f"{self.score} of {' rather than '.join(names)}"
        return unit_words(self.network, unit, self.score)

    def values(self, pictures: Pictures, rows: Rows) -> Float[Tensor, " n"]:
        """What the network says; picture i is a variant of the rows[i]-th one.

        Raises:
            NotFinite: it says something that is not finite.
        """
        parts = [values(self.network, self.term, x, r) for x, r in self._parts(pictures, rows)]
        return self.finite(torch.cat(parts))

    def gradients(
        self, pictures: Pictures, rows: Rows, rule: Rule = "gradient"
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]:
        """What the network says, and how that moves with every colour of every pixel, signed.

        Args:
            rule: what the backward pass does at rectifiers.
        """
        objective = gradient(self.network, self.term, rule=rule)
        parts = [objective(x, r, Key(0, range(len(self.units)), step=0)) for x, r in self._parts(pictures, rows)]
        said = torch.cat([part.values for part in parts])
        return said, self._unsaturated(said, torch.cat([part.gradients for part in parts]))

    def layer_gradients(
        self, pictures: Pictures, rows: Rows, layer: str
    ) -> tuple[Float[Tensor, "n channels ..."], Float[Tensor, "n channels ..."]]:
        """A layer's activations, channels on axis 1, and how what the network says moves with each.

        Raises:
            Mistake: what is asked does not depend on that layer.
        """
        found, gradients = [], []
        for x, r in self._parts(pictures, rows):
            with torch.inference_mode(False), torch.enable_grad(), ExitStack() as until:
                # a leaf, so that there is a graph even where the weights are frozen
                fed = x.detach().clone().requires_grad_()
                read = self.network.read(fed, self.term.layers | {layer}, until=until)
                of = torch.arange(len(fed), device=fed.device)
                said = self.term.of(Reading(fed, r.to(fed.device), fed, of, read, self.network.head))
                unrelated = f"{self.words(0)} does not depend on {layer}; give a layer that comes before it"
                at_layer = pulled(said, read[layer], self.network.name, unrelated)
            found.append(read[layer].detach())
            gradients.append(self._unsaturated(said.detach(), at_layer))
        return torch.cat(found), self.finite(torch.cat(gradients))

    def _unsaturated(self, said: Tensor, gradients: Tensor) -> Tensor:
        """Gradients; zero where p is 1 to its last digit: there autograd's are what the rounding of 1 - p leaves."""
        if self.score == "logit" or not of_classes(self.units):
            return gradients
        if self.score == "log-p" and any(isinstance(unit, Sum) for unit in self.units):
            return gradients
        below = 1 - said.abs() if self.score == "p" else -said
        saturated = below <= torch.finfo(said.dtype).eps
        return gradients.masked_fill(saturated.view(-1, *[1] * (gradients.dim() - 1)), 0)

    def of(self, rows: Sequence[int]) -> "Question":
        """The same about some of the pictures, in this order."""
        return Question(self.network, [self.units[row] for row in rows], self.score, self.batch)

    def to(self, network: Network) -> "Question":
        """The same of another network of this architecture."""
        return Question(network, self.units, self.score, self.batch)

    def _parts(self, pictures: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        # one by one where they are read so: what was read of several is joined, and no part of the way to the answer
        many = self.batch if self.network.together else 1
        return zip(pictures.split(many), rows.split(many), strict=True)

    def finite(self, numbers: Tensor) -> Tensor:
        """The same numbers.

        Raises:
            NotFinite: some are not.
        """
        if not numbers.isfinite().all():
            raise NotFinite(f"{self.network.name} answers with values that are not finite; its weights may be damaged")
        return numbers


def copied(network: Network) -> nn.Module:
    """A copy of the network's model, to be changed.

    Raises:
        Mistake: it can't be copied.
    """
    try:
        return deepcopy(network.model)
    except Exception as error:  # whatever a stranger's model raises
        raise Mistake(
            f"{network.name} can't be copied, so its weights can't be changed: {first_line(error)}"
        ) from error


def every(pictures: Pictures) -> Rows:
    """The rows of pictures that are each their own."""
    return torch.arange(len(pictures))


def of_classes(units: Sequence[AnyUnit]) -> bool:
    """Whether classes are asked about, alone or one against another: their p can be told."""
    parts = [part for unit in units for part in ([p for _, p in unit.parts] if isinstance(unit, Sum) else [unit])]
    return all(isinstance(part, Unit) and part.layer == "logits" and part.index is not None for part in parts)


def _classes(unit: Sum) -> bool:
    """Whether it is one class against another."""
    classes = [isinstance(part, Unit) and part.layer == "logits" for _, part in unit.parts]
    return [weight for weight, _ in unit.parts] == [1, -1] and all(classes)


def as_list(photos: Photo | Sequence[Photo]) -> list[Photo]:
    """One photograph or several, as a list; an array of several pictures is taken apart."""
    if isinstance(photos, (np.ndarray, Tensor)) and photos.ndim == 4 and len(photos) > 1:
        return [photos[i] for i in range(len(photos))]
    return list(photos) if isinstance(photos, (list, tuple)) else [cast(Photo, photos)]


def fed_together(network: Network, photos: Photo | Sequence[Photo], fit: Fit) -> Pictures:
    """What the network is fed for one photograph or several, on its device: 8-bit pixels.

    Raises:
        Mistake: there are none, or (with "whole") they are of different sizes.
    """
    given = as_list(photos)
    if not given:
        raise Mistake("there is no photograph to ask about")
    pictures = [feed(network, photo, fit) for photo in given]
    sizes = {tuple(picture.shape[2:]) for picture in pictures}
    if len(sizes) > 1:
        some = " and ".join(f"{h} x {w}" for h, w in sorted(sizes)[:2])
        raise Mistake(f"fit 'whole' leaves these photographs at different sizes ({some} px ...); take crop or squash, "
                      "or one photograph at a time")  # fmt: skip
    return torch.cat(pictures)


def class_of(network: Network, given: str | int) -> int:
    """The class of this name or number.

    Raises:
        Mistake: there is none, or it is a unit.
    """
    if isinstance(given, str) and ":" in given and given.partition(":")[0] in network.layers:
        raise Mistake(f"'{given}' is not a class; for a unit write it as unit (--unit {given})")
    return class_index(network, given)


def usual_score(network: Network, score: Score) -> Score:
    """What is usually asked about classes: of plain numbers, which have no probabilities, the number itself."""
    return score if network.head.has_probabilities else "logit"


def question(
    network: Network,
    pictures: Pictures,
    *,
    target: str | int | None = None,
    against: str | int | None = None,
    unit: str | AnyUnit | None = None,
    region: str | None = None,
    similar_to: Photo | None = None,
    score: Score = "logit",
    batch: int = 16,
) -> Question:
    """What is asked about these pictures.

    Args:
        target: a class; by default the one that the network says, of each picture its own.
        against: another class: why the target rather than this one, the difference of their scores.
        unit: instead of a class, a unit LAYER:UNIT, or a sum of units.
        region: of a class map, or of a detector's boxes: X,Y,WIDTH,HEIGHT in pixels.
        similar_to: instead of a class, how similar the network's code is to that of this picture.
        score: of a class: the logit, log p or p.
    Raises:
        Mistake: no such class, unit or region; a unit and a class; a class against itself.
    """
    given = {"a class": target, "another class": against, "a region": region}
    given = {words: value for words, value in given.items() if value is not None}
    if unit is not None and similar_to is not None:
        raise Mistake("a unit and a similar picture can't both be asked about; leave one out")
    if similar_to is not None and given:
        raise Mistake(f"a similar picture and {next(iter(given))} can't both be asked about; leave one out")
    if similar_to is not None:
        return Question(network, [similar(network, network.layer("logits"), similar_to)] * len(pictures), score, batch)
    if unit is not None:
        if given:
            raise Mistake(f"a unit and {next(iter(given))} can't both be asked about; leave one out")
        (asked, *more) = parse_unit(network, str(unit))
        if more:
            raise Mistake(f"'{unit}' names several units; one is asked about at a time")
        return Question(network, [asked] * len(pictures), score, batch)
    if target is None:
        said = torch.cat([logits(network, some) for some in pictures.split(batch)])
        classes = [int(index) for index in network.head.decided(said)]
    else:
        classes = [class_of(network, target)] * len(pictures)
    place = None if region is None else region_of(network, region)
    units: list[AnyUnit] = [Unit("logits", index, place) for index in classes]
    if against is not None:
        other = class_of(network, against)
        if other in classes:
            raise Mistake(f"{label(network, other)} is what would be asked about; give --against another class")
        units = [Sum(((1.0, Unit("logits", index, place)), (-1.0, Unit("logits", other, place)))) for index in classes]
    return Question(network, units, score, batch)
