"""Which photographs of many are a unit's exemplars: by activation or by relevance, read anew or out of an index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phosphene.attribution.channel_relevance import relevance_peaks
from phosphene.core.errors import Mistake
from phosphene.core.index.classes import numbers_of
from phosphene.core.index.index import Index
from phosphene.core.index.photographs import Indexed, threshold_of
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import Photo
from phosphene.core.units.exemplars import Band, Peak, Peaks, banded, distinctive, peaks
from phosphene.core.units.inputs import Fit
from phosphene.core.units.labels import label
from phosphene.core.units.units import Unit


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        network: whose units.
        photos: among which photographs.
        many: so many of each unit.
        band: which of them.
        target: the class for which relevance counts instead of activation.
        fit: how a photograph becomes the network's input.
        batch: so many photographs at a time.
    """

    network: Network
    photos: Sequence[Photo]
    many: int
    band: Band = "strongest"
    target: int | None = None
    fit: Fit = "crop"
    batch: int = 16

    def of(self, named: Sequence[Unit], layers: Sequence[str], each: int) -> dict[Unit, list[Peak]]:
        """The exemplars of each of these units, and of `each` units of each of these layers that stand out most.

        Raises:
            Mistake: there are too few photographs; no unit of a layer stands out; or a band has no photograph.
        """
        if len(self.photos) < self.many:
            raise Mistake(
                f"{len(self.photos)} photographs are too few to show the best {self.many} of each unit; give more of "
                "them"
            )
        found = self._indexed(named, layers, each) if isinstance(self.photos, Indexed) else None
        found = self._read(self.photos, named, layers, each) if found is None else found
        for unit, best in found.items():
            if not best:
                least = f"{threshold_of(self.photos):g}, where it begins to answer"
                raise Mistake(f"no photograph excites {unit} above {least}; take --band strongest")
        return found

    def _read(
        self, photos: Sequence[Photo], named: Sequence[Unit], layers: Sequence[str], each: int
    ) -> dict[Unit, list[Peak]]:
        """By reading every photograph."""
        every = list(dict.fromkeys([unit.layer for unit in named] + list(layers)))
        if self.target is None:
            read = peaks(self.network, photos, every, self.fit, self.batch)
        else:
            read = relevance_peaks(self.network, photos, every, self.target, self.fit, self.batch)
        picked = [Unit(name, i) for name in layers for i in _distinctive(name, read[name], self.many, each)]
        units = dict.fromkeys([*named, *picked])
        return {unit: banded(read[unit.layer], unit.index or 0, self.many, self.band) for unit in units}

    # ------------------------------------------------------------------------------------------------- out of an index

    def _indexed(self, named: Sequence[Unit], layers: Sequence[str], each: int) -> dict[Unit, list[Peak]]:
        """By what the index knows; relevance, which it does not, by reading the photographs of the class once."""
        photos = self.photos
        assert isinstance(photos, Indexed)
        if self.target is None:
            picked = [Unit(name, i) for name in layers for i in self._standing_out(photos, name, each)]
            units = dict.fromkeys([*named, *picked])
            return {unit: photos.exemplars(unit.layer, unit.index or 0, self.many, self.band) for unit in units}
        return self._relevant(photos, named, layers, each)

    def _relevant(
        self, photos: Indexed, named: Sequence[Unit], layers: Sequence[str], each: int
    ) -> dict[Unit, list[Peak]]:
        """By relevance, which an index does not know: the photographs of the class are read, once."""
        read: dict[Unit, list[Peak]] = {}

        def found(index: Index) -> dict[Unit, list[Peak]]:
            if not read:
                numbers = self._of_class(index)
                for unit, best in self._read([photos[i] for i in numbers], named, layers, each).items():
                    read[unit] = [Peak(numbers[one.photo], one.position, one.value) for one in best]
            return read

        def picked(layer: str) -> Callable[[Index], list[Any]]:
            return lambda index: [unit.index for unit in found(index) if unit.layer == layer]

        def best(unit: Unit) -> Callable[[Index], list[Peak]]:
            return lambda index: found(index)[unit]

        about = f"relevance {self.target} {self.band} {self.many}"
        units = dict.fromkeys(named)
        for name in layers:
            own = photos.answer(f"{name} distinctive {about} {each} {len(named)}", picked(name))
            units |= dict.fromkeys(Unit(name, i) for i in own)
        return {unit: photos.found(f"{unit} {about}", best(unit)) for unit in units}

    def _standing_out(self, photos: Indexed, layer: str, each: int) -> list[int]:
        units = photos.distinctive(layer, self.many, each)
        if not units:
            raise _alike(layer)
        return units

    def _of_class(self, index: Index) -> list[int]:
        """The photographs of the class.

        Raises:
            Mistake: there are too few, or the index's classes are not the network's.
        """
        own = [number for number, of in numbers_of(index, self.network).items() if of == self.target]
        numbers = [int(i) for i in np.flatnonzero(np.isin(index.labels, own))]
        if len(numbers) < self.many:
            name = label(self.network, self.target or 0)
            raise Mistake(
                f"the index {index.folder} has {len(numbers)} photographs of {name}, and {self.many} are to be shown; "
                "relevance for a class is looked for in its own photographs: give a smaller --count, or a folder"
            )
        return numbers


def _distinctive(layer: str, found: Peaks, count: int, many: int) -> list[int]:
    """The units whose best photographs stand out most.

    Raises:
        Mistake: none do.
    """
    distinct = distinctive(found, count)
    units = [int(i) for i in distinct.argsort(descending=True, stable=True)[:many] if distinct[i] > 0]
    if not units:
        raise _alike(layer)
    return units


def _alike(layer: str) -> Mistake:
    return Mistake(f"all units of {layer} say the same about all of these photographs; name some with --unit")
