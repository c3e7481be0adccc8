"""Which units are asked about, and their synthetic pictures: out of a folder, or painted."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from phosphene import catalogue
from phosphene.core.errors import Mistake
from phosphene.core.index.index import Index
from phosphene.core.networks.fingerprint import network_sha256
from phosphene.core.networks.network import Network
from phosphene.core.paths import given_path, is_folder
from phosphene.core.pictures.files import open_photo
from phosphene.core.pictures.writing import png_bytes
from phosphene.core.saving import save
from phosphene.core.units.spelling import parse_units
from phosphene.core.units.units import Unit
from phosphene.dataset.trial.of_units import Painted
from phosphene.faces.running.runner import watch

Channel = tuple[str, int]
"""A layer and one of its units."""


def units_of(index: Index, network: Network, given: Sequence[str]) -> list[Channel]:
    """The units that are named.

    Raises:
        Mistake: one is no channel of a layer of the index.
    """
    found = []
    for one in parse_units(network, given) if given else ():
        if not isinstance(one, Unit) or one.index is None or one.position is not None:
            raise Mistake(f"{one.short} is not one channel of a layer, as LAYER:UNIT is")
        if one.layer not in index.layers:
            raise Mistake(f"the index has no layer {one.layer} (there is {', '.join(index.layers)})")
        found.append((one.layer, one.index))
    return found


def painter(network: Network, record: Path, options: Mapping[str, Any]) -> Callable[[Sequence[Channel]], Painted]:
    """From units to their synthetic pictures: those in the folders that are given, or painted and kept beside a record.

    Raises:
        Mistake: what excites units least is given alone.
    """
    given, against, quiet = options["pictures"], options["against"], options["quiet"]
    if given is None and against is not None:
        raise Mistake("--against is what excites units least; give --pictures, what excites them most, as well")

    def of(units: Sequence[Channel]) -> Painted:
        if given is not None:
            least = {} if against is None else _read(given_path(against, "folder"), units)
            return Painted(_read(given_path(given, "folder"), units), least)
        folders = [record.with_suffix(f".{side}-{network_sha256(network)[:8]}") for side in ("most", "least")]
        for folder, negative in zip(folders, (False, True), strict=True):
            left = [one for one in units if not (folder / _name(*one)).is_file()]
            if left:
                _paint(network, left, folder, negative=negative, quiet=quiet)
        return Painted(*(_read(folder, units) for folder in folders))

    return of


def _read(folder: Path, units: Sequence[Channel]) -> dict[Channel, Float[Tensor, "1 3 _ _"]]:
    if not is_folder(folder):
        raise Mistake(f"there is no folder {folder} of pictures of units")
    found = {}
    for layer, unit in units:
        name = _name(layer, unit)
        if not (folder / name).is_file():
            raise Mistake(f"{folder} has no picture {name} of {layer}:{unit}; {_command(units)} makes them")
        found[layer, unit] = open_photo(folder / name)
    return found


def _painter() -> catalogue.Row:
    """The recipe that paints many units."""
    return next(row for row in catalogue.CATALOGUE if row.many == "units")


def _command(units: Sequence[Channel]) -> str:
    return f"phosphene {_painter().command} {' '.join(f'{layer}:{unit}' for layer, unit in units[:3])}" + (
        " ..." if len(units) > 3 else ""
    )


def _paint(network: Network, units: Sequence[Channel], folder: Path, *, negative: bool, quiet: bool) -> None:
    run = catalogue.recipe(_painter().name)(network, [f"{layer}:{unit}" for layer, unit in units], negative=negative)
    watch(run, "what excites units least" if negative else "what excites units", quiet=quiet)
    folder.mkdir(exist_ok=True)
    save({folder / _name(*unit): png_bytes(picture[:3]) for unit, picture in zip(units, run.image, strict=True)})


def _name(layer: str, unit: int) -> str:
    return f"{Unit(layer, unit).stem}.png"
