"""The photographs of an index in place of a folder: found in it, opened only where they are shown.

A recipe that takes photographs takes these as well, `Indexed(Index.open(folder))`. As a sequence they are all of the
index, each read when it is asked for. What a recipe would read all of them for, which ones excite a unit most, the
index knows already: `exemplars`, `distinctive`, `drawn`. Each answer is kept, with the photographs that it names. A
picture's record holds these alone, with their hashes, and the answers: it is made again from them, without the others.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, get_args, overload

import numpy as np
import torch

from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.samples import bare_name
from phosphene.core.units.exemplars import THRESHOLD, Band, Peak, Position
from phosphene.core.units.network_input import Fit
from phosphene.core.units.photographs import photo_name

MOST_IMAGES = 10**10
"""That a record may speak of."""


@dataclass(frozen=True, eq=False)
class Indexed(Sequence[Photo]):
    """The photographs of an index.

    Attributes:
        source: it; None where it is not there any more, and what was asked is known from a record.
        answers: what was asked of it, and what it said, as JSON holds it.
        kept: from the number of a photograph to it, where they are known from a record.
        facts: of a record: how many photographs there were, how they were fed, and above what a unit answers.
    """

    source: Index | None
    answers: dict[str, Any] = field(default_factory=dict)
    kept: Mapping[int, Photo] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.facts["count"] if self.source is None else self.source.count

    @overload
    def __getitem__(self, index: int) -> Photo: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Photo]: ...

    def __getitem__(self, index: int | slice) -> Photo | Sequence[Photo]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        if self.source is not None:
            photo = self.source.photo(index)
            if isinstance(photo, np.ndarray) and photo.ndim == 3 and len(photo) == 1:
                return photo[0]  # grey, which becomes RGB
            return photo
        # one that was not used is a name without a file, which is said when it is opened
        return self.kept.get(index, f"photograph {index} of an index, of which only those that were used are known")

    @property
    def fit(self) -> Fit:
        """How photographs became the network's input."""
        return self.facts["fit"] if self.source is None else self.source.fit

    @property
    def threshold(self) -> float:
        """Above which a unit answers, as the index was told."""
        return self.facts["threshold"] if self.source is None else float(self.source.facts["threshold"])

    def name(self, number: int) -> str:
        """What a photograph is called."""
        if self.source is not None:
            return bare_name(self.source.ids[number])
        return str(self.facts["names"].get(str(number), number))

    # ---------------------------------------------------------------------------------------------------- what it says

    def knows(self, layer: str) -> bool:
        """Whether the layer is in the index; from a record, whether it was asked about."""
        if self.source is not None:
            return layer in self.source.layers
        return any(question.startswith(f"{layer}:") for question in self.answers)

    def exemplars(self, layer: str, unit: int, count: int, band: Band = "strongest") -> list[Peak]:
        """The photographs of a band of a unit, `count` of them or as many as there are.

        Raises:
            Mistake: the index has no such layer or unit, or keeps fewer of each.
        """

        def asked(index: Index) -> list[Peak]:
            return [Peak(one.image, one.position, one.value) for one in index.exemplars(layer, unit, band, count)]

        return self.found(f"{layer}:{unit} {band} {count}", asked)

    def distinctive(self, layer: str, count: int, many: int) -> list[int]:
        """The units of a layer whose `count` strongest photographs stand out most from all, `many` or as many as do.

        In standard deviations over all photographs, as `core.units.exemplars.distinctive`.
        """

        def asked(index: Index) -> list[Any]:
            found = index.statistics(layer)
            best = np.array([
                np.mean([one.value for one in index.exemplars(layer, unit, "strongest", count)], dtype=np.float64)
                for unit in range(index.units(layer))
            ])  # fmt: skip
            with np.errstate(invalid="ignore", divide="ignore"):
                out = np.where(found.deviation > 0, (best - found.mean) / found.deviation, 0.0)
            return [int(i) for i in np.argsort(-out, kind="stable")[:many] if out[i] > 0]

        return self.answer(f"{layer} distinctive {count} {many}", asked)

    def most_exciting(self, layer: str, unit: int, many: int) -> list[int]:
        """The numbers of the `many` photographs that excite a unit most in the mean over positions, in their order.

        Codes are kept in half precision, so a few more are among them where some are nearly equal.

        Raises:
            Mistake: the index has no such layer or unit.
        """

        def asked(index: Index) -> list[Any]:
            if not 0 <= unit < index.units(layer):
                raise Mistake(f"{layer} has units 0 to {index.units(layer) - 1}, not {unit}")
            means = np.array(index.codes(layer)[:, unit], dtype=np.float64)
            least = np.sort(means)[-min(many, len(means))]
            return [int(i) for i in np.flatnonzero(means >= least - abs(least) * 2**-10 - 2**-24)]

        return self.answer(f"{layer}:{unit} most {many}", asked)

    def drawn(self, many: int, seed: int) -> list[int]:
        """The numbers of `many` photographs, drawn without repetition; all, if there are no more."""

        def asked(index: Index) -> list[Any]:
            if many >= index.count:
                return list(range(index.count))
            order = Key(seed, step=0).uniform(torch.arange(1), index.count)[0].argsort(stable=True)
            return sorted(order[:many].tolist())

        return self.answer(f"drawn {many} {seed}", asked)

    def found(self, question: str, asked: Callable[[Index], list[Peak]]) -> list[Peak]:
        """Photographs of a unit that are found in another way, kept as an answer to this question."""
        said = self.answer(question, lambda index: [[p.photo, p.value, _plain(p.position)] for p in asked(index)])
        return [Peak(image, tuple(at) if isinstance(at, list) else at, value) for image, value, at in said]

    def answer(self, question: str, asked: Callable[[Index], list[Any]]) -> Any:
        """What was answered to a question, or what is answered now; numbers, alone or with values and positions.

        Raises:
            Mistake: the index is not there any more, and was not asked this.
        """
        if question not in self.answers:
            if self.source is None:
                raise Mistake(f"the record does not say what the index answered to '{question}'; give the index")
            self.answers[question] = asked(self.source)
        return self.answers[question]

    # ------------------------------------------------------------------------------------------------------- records

    @property
    def used(self) -> list[int]:
        """The numbers of the photographs that were named in an answer."""
        named = {
            one[0] if isinstance(one, list) else one
            for question, said in self.answers.items()
            for one in said
            if not _of_units(question)
        }
        return sorted(named)

    def record(self) -> dict[str, Any]:
        """What a picture's record says of the index beside the photographs that were used, ready for JSON."""
        names = {str(number): self.name(number) for number in self.used}
        return {
            "count": len(self), "fit": self.fit, "threshold": self.threshold, "names": names, "answers": self.answers
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Some(Sequence[Photo]):
    """Some of the photographs of an index, opened when they are asked for.

    Attributes:
        photos: all of them.
        numbers: which.
    """

    photos: Indexed
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Photo: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Photo]: ...

    def __getitem__(self, index: int | slice) -> Photo | Sequence[Photo]:
        return Some(self.photos, self.numbers[index]) if isinstance(index, slice) else self.photos[self.numbers[index]]

    def name(self, number: int) -> str:
        """What one of them is called."""
        return self.photos.name(self.numbers[number])


def recalled(record: Mapping[str, Any], photos: Mapping[int, Photo]) -> Indexed:
    """The photographs of an index as a record knows them.

    Args:
        record: as `Indexed.record` writes it; whoever wrote it may be a stranger.
        photos: those that were used, by their numbers.
    Raises:
        Mistake: it is no such record.
    """
    with suppress(KeyError, TypeError, AttributeError):
        facts = {name: record[name] for name in ("count", "fit", "threshold", "names")}
        answers, count = dict(record["answers"]), facts["count"]
        known = type(count) is int and 0 < count < MOST_IMAGES and facts["fit"] in get_args(Fit)
        known = known and type(facts["threshold"]) is float
        names = all(isinstance(name, str) for name in dict(facts["names"]).values())
        if known and names and all(_is_answer(question, said, count) for question, said in answers.items()):
            found = Indexed(None, answers, dict(photos), facts)
            if set(found.used) <= set(photos):
                return found
    raise Mistake("what the record says of an index was not written by this program")


def _is_answer(question: str, said: Any, count: int) -> bool:
    if not isinstance(said, list):
        return False
    if _of_units(question):
        return all(type(one) is int and 0 <= one < 10**6 for one in said)
    return all(_is_place(one, count) if isinstance(one, list) else _is_number(one, count) for one in said)


def _is_place(one: list[Any], count: int) -> bool:
    image, value, at = one if len(one) == 3 else (None, None, None)
    places = at if isinstance(at, list) else [] if at is None else [at]
    return (
        _is_number(image, count)
        and type(value) in (int, float)
        and len(places) <= 2
        and all(_is_number(place, 10**6) for place in places)
    )


def _is_number(one: Any, below: int) -> bool:
    return type(one) is int and 0 <= one < below


def _of_units(question: str) -> bool:
    """Whether an answer names units, and no photographs."""
    return " distinctive " in question


def _plain(position: Position) -> Any:
    return list(position) if isinstance(position, tuple) else position


def named_photo(photos: Sequence[Photo], number: int) -> str:
    """What a photograph is called: its file's name without folder and ending, or its number, counted from 1."""
    if isinstance(photos, (Indexed, Some)):
        return photos.name(number)
    return photo_name(photos[number]) or f"photograph {number + 1}"


def fitting(photos: Sequence[Photo], fit: Fit) -> Fit:
    """How photographs are fed: as it was asked for, or as an index was made.

    Raises:
        Mistake: the index was made otherwise.
    """
    if not isinstance(photos, Indexed) or fit == photos.fit:
        return fit
    if fit != "crop":
        raise Mistake(f"the index was made with --fit {photos.fit}, not {fit}; leave --fit out, or index again")
    return photos.fit


def threshold_of(photos: Sequence[Photo]) -> float:
    """Above which a unit answers: 0, or what an index was told."""
    return photos.threshold if isinstance(photos, Indexed) else THRESHOLD


def check_indexed(photos: Sequence[Photo], network: Network) -> None:
    """Raise a Mistake if these are of an index of another network."""
    if isinstance(photos, Indexed) and photos.source is not None:
        Index.open(photos.source.folder, network)
