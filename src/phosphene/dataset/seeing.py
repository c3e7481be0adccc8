"""What each position of a layer can see, exactly, the border included: by a formula, and by pixels that are no numbers.

Inside of the picture the receptive field is calculated along the graph. Near the border that is not enough: a window
looks into padding, which sees nothing, so of a dilated or a strided window less is left than the field clipped at the
border. There, and where no formula tells at all, it is tried. A row of the picture is made nan, and whatever the
network computes with it becomes nan: sums, products (also with a weight of 0), maxima, rectifiers. What a position can
see is where nan reaches it; dead rectifiers, by which a gradient would be stopped, hide nothing. Rows are tried from
the border inwards until every position that the formula leaves open has been reached: a few forward passes for most
networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.index.boxes import seen_box
from phosphene.core.networks.network import Network
from phosphene.core.networks.plan import plain
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField
from phosphene.core.units.exemplars import Box, Position

AT_A_TIME = 16
"""Pictures in one forward pass, at most; the first has one, as the outermost line reaches most of what is open."""

Bounds = Int[Tensor, "units places 2"]
"""The first row (or column) of pixels that each place of each unit sees, and the one behind the last."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What the units of a layer see.

    Attributes:
        size: (height, width) of the pictures that the network was trained on.
        field: calculated along the graph; None where that can't be, or where units see everything.
        rows, columns: at the network's own size; None where units see everything.
    """

    size: tuple[int, int]
    field: ReceptiveField | None = None
    rows: Bounds | None = None
    columns: Bounds | None = None

    def box(self, unit: int, position: Position, size: tuple[int, int]) -> tuple[Box, bool]:
        """What a unit sees from here of a picture of (height, width), and whether the border cuts it off.

        At another size than the network's own it is the field, clipped at the border, or else the whole picture.
        """
        if not isinstance(position, tuple):
            return (0, 0, *size), False
        cut = False
        box = 0, 0, *size
        if self.field is not None:
            field = self.field.of(unit)
            box = seen_box(field, position, size)
            cut = box != tuple(map(round, field.box(*position)))
        if self.rows is not None and self.columns is not None and size == self.size:
            (top, bottom), (left, right) = (
                self.rows[unit, position[0]].tolist(),
                self.columns[unit, position[1]].tolist(),
            )
            box = top, left, bottom, right
        return box, cut

    def boxes(
        self, units: Int[np.ndarray, " m"], places: Int[np.ndarray, "m 2"], sizes: Int[np.ndarray, "m 2"]
    ) -> Int[np.ndarray, "m 5"]:
        """Many boxes (top, left, bottom, right), and a 1 where the border cuts one off.

        Args:
            places: rows and columns; a column of -1 stands for no place.
            sizes: (height, width) of each picture.
        """
        found = np.zeros((len(units), 5), np.int64)
        usual = (places[:, 1] >= 0) & (sizes == self.size).all(1)
        if self.rows is None or self.columns is None:
            usual[:] = False
        else:
            at, (rows, columns) = units[usual], places[usual].T
            down, across = self.rows.numpy()[at, rows], self.columns.numpy()[at, columns]
            found[usual, :4] = np.stack([down[:, 0], across[:, 0], down[:, 1], across[:, 1]], 1)
            found[usual, 4] = self._cut(0, rows, at) | self._cut(1, columns, at)
        for i in np.flatnonzero(~usual).tolist():
            position = (int(places[i, 0]), int(places[i, 1])) if places[i, 1] >= 0 else None
            box, cut = self.box(int(units[i]), position, (int(sizes[i, 0]), int(sizes[i, 1])))
            found[i] = *box, cut
        return found

    def _cut(self, axis: int, places: Int[np.ndarray, " m"], units: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Whether the field leaves the picture along an axis."""
        if self.field is None:
            return np.zeros(len(places), bool)
        fields = [self.field.of(unit) for unit in range(int(units.max()) + 1)] if len(units) else []
        axes = [one.columns if axis else one.rows for one in fields]
        offset, stride, size = (
            np.array([getattr(one, name) for one in axes])[units] for name in ("offset", "stride", "size")
        )
        first = np.rint(offset + places * stride)
        return (first < 0) | (first + np.rint(size) > self.size[axis])

    def __str__(self) -> str:
        return (
            "the whole picture" if self.rows is None else "found by trying" if self.field is None else str(self.field)
        )


def sights(network: Network, layers: Sequence[str]) -> dict[str, Sight]:
    """What units of these layers see."""
    placed = {}
    for name in dict.fromkeys(layers):
        layer = network.layer(name)
        if name != "logits" and len(layer.shape) == 3 and max(layer.shape[1:]) > 1:
            placed[name] = layer.field
    found = {name: Sight(network.size) for name in layers}
    try:
        rows, columns = (_bounds(network, placed, axis) for axis in (0, 1))
    except Mistake:  # it looks at numbers that are none
        return found | {name: Sight(network.size, field) for name, field in placed.items()}
    return found | {name: Sight(network.size, placed[name], rows[name], columns[name]) for name in placed}


def _bounds(network: Network, layers: Mapping[str, ReceptiveField | None], axis: int) -> dict[str, Bounds]:
    """What each place sees along an axis: calculated where the formula stays inside of the picture, else tried."""
    length = network.size[axis]
    bounds = {name: _calculated(network, name, field, axis) for name, field in layers.items()}
    before = _reached(network, {name: one[..., 0] < 0 for name, one in bounds.items()}, axis, range(length))
    behind = _reached(
        network, {name: one[..., 1] > length for name, one in bounds.items()}, axis, range(length - 1, -1, -1)
    )  # fmt: skip
    for name, one in bounds.items():
        first = torch.where(one[..., 0] < 0, before[name], one[..., 0]).clamp(0, length - 1)
        last = torch.where(one[..., 1] > length, behind[name] + 1, one[..., 1])
        bounds[name] = torch.stack([first, torch.maximum(last, first + 1)], 2)  # padding alone: the nearest pixel
    return bounds


def _calculated(network: Network, name: str, field: ReceptiveField | None, axis: int) -> Bounds:
    """By the formula, which may leave the picture; beyond both borders where there is none."""
    units, *places = network.layer(name).shape
    if field is None:
        return torch.tensor([-1, network.size[axis] + 1]).expand(units, places[axis], 2)

    def along(one: Axis) -> Int[Tensor, "places 2"]:
        first = (one.offset + torch.arange(places[axis]) * one.stride).round().long()
        return torch.stack([first, first + round(one.size)], 1)

    fields = [field.of(unit) for unit in range(units)] if field.parts else [field]
    return torch.stack([along(one.columns if axis else one.rows) for one in fields]).expand(units, places[axis], 2)


@torch.no_grad()
def _reached(
    network: Network, wanted: Mapping[str, Bool[Tensor, "units places"]], axis: int, lines: Sequence[int]
) -> dict[str, Int[Tensor, "units places"]]:
    """The first of these lines of pixels that reaches each wanted place; of one that none reaches, the first line."""
    reading = network.planned("reading").following(plain(str(network.dtype).removeprefix("torch.")))
    found = {name: torch.full(one.shape, -1) for name, one in wanted.items()}
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, network.channels, *network.size, generator=generator)
    first, many = 0, 1
    while first < len(lines):
        open_ones = [name for name, one in wanted.items() if (one & (found[name] < 0)).any()]
        if not open_ones:
            break
        part = lines[first : first + many]
        first, many = first + many, min(2 * many, AT_A_TIME)
        pictures = noise.repeat(len(part), 1, 1, 1)
        for i, line in enumerate(part):
            pictures.select(2 + axis, line)[i] = torch.nan
        with torch.backends.cudnn.flags(enabled=False):  # its fast convolutions spread nan over tiles
            answers = reading.read(pictures, open_ones)
        for name, y in answers.items():
            for line, hit in zip(part, y.isnan().any(3 - axis).cpu(), strict=True):
                found[name] = torch.where(hit & (found[name] < 0), line, found[name])
    return {name: torch.where(one < 0, lines[0], one) for name, one in found.items()}
