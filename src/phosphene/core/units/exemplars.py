"""The parts of photographs that excite a unit most, and what of them does: exemplars.

Zeiler & Fergus 2014 (arXiv:1311.2901, figure 2) and Springenberg et al. 2015 (arXiv:1412.6806, figure 3) show what a
unit has learnt by the photographs that excite it most, each cut to the unit's receptive field, and what the deconvnet
or guided backprop traces back in them. They are found (`peaks`, `strongest`, `distinctive`), then cut out (`cut_out`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION
from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.fitting import MID_GREY
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import fed
from phosphene.core.units.units import Unit, unit_term

Position = tuple[int, int] | int | None
"""Of a unit in its layer: (row, column), a token, or None where the layer has no places."""

Sees = Literal["all", "most"]
"""What exemplars are cut to: all that can reach the unit, or where most of it comes from."""

MOST = 0.95  # of the sum of the gradient's squares

Box = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels of the network's input, ends excluded; it may leave the picture."""


# ------------------------------------------------------------------------------------------------------- finding


@dataclass(frozen=True)
class Peaks:
    """How much every channel of a layer is excited by every photograph, at the place where it is most.

    Attributes:
        values: the largest over positions.
        places: where that is: (row, column), (token), or nothing where the layer has no places.
    """

    values: Float[Tensor, "n channels"]
    places: Int[Tensor, "n channels axes"]


@dataclass(frozen=True)
class Peak:
    """Where on one photograph a unit is excited most.

    Attributes:
        photo: the photograph's index.
        position: the place in the layer.
        value: the activation there.
    """

    photo: int
    position: Position
    value: float

    @property
    def short(self) -> str:
        """The value in three figures, without an exponent where it is large."""
        return f"{self.value:.0f}" if 1000 <= abs(self.value) < 1e6 else f"{self.value:.3g}"


@torch.no_grad()
def peaks(
    network: Network, photos: Sequence[Photo], layers: Sequence[str], fit: Fit = "crop", batch: int = 16
) -> dict[str, Peaks]:
    """Read all of these layers on every photograph, in one forward pass a batch; ties go to the first place.

    Raises:
        Mistake: a layer whose units have no place (attention), or values that are not finite.
    """
    for name in layers:
        check_places(network, name)
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in layers}
    for _, pictures in fed(network, photos, fit, batch):
        for name, y in network.read(pictures, layers).items():
            if not y.isfinite().all():
                raise Mistake(f"{name} of {network.name} says values that are not finite; its weights may be damaged")
            found[name].append(_largest(network.head.flat(y) if name == "logits" else y))
    columns = {name: [torch.cat(column) for column in zip(*parts, strict=True)] for name, parts in found.items()}
    return {name: Peaks(*both) for name, both in columns.items()}


def _largest(y: Float[Tensor, "n channels ..."]) -> tuple[Float[Tensor, "n channels"], Int[Tensor, "n channels axes"]]:
    if y.dim() == 2:
        return y.cpu(), torch.zeros(*y.shape, 0, dtype=torch.long)
    values, flat = (part.cpu() for part in y.flatten(2).max(2))
    return values, torch.stack(torch.unravel_index(flat, y.shape[2:]), 2)


def check_places(network: Network, name: str) -> None:
    """Raise a Mistake if units of this layer have no place: no channels over positions, nor channels alone."""
    layer = network.layer(name)
    if layer.tap.function == ATTENTION or len(layer.shape) > 3:
        others = [one.name for one in network.layers.values() if len(one.shape) == 3 and one.tap.function != ATTENTION]
        instead = f"; take {others[-1]}, for example" if others else ""
        raise Mistake(f"units of {layer.name} have no place in the picture (its shape is {layer.shape}){instead}")


def strongest(found: Peaks, channel: int, count: int) -> list[Peak]:
    """The `count` photographs that excite a channel most, strongest first; of equals the first."""
    order = found.values[:, channel].argsort(descending=True, stable=True)[:count].tolist()
    return [Peak(i, _position(found.places[i, channel]), float(found.values[i, channel])) for i in order]


def _position(place: Int[Tensor, " axes"]) -> Position:
    at = place.tolist()
    return (at[0], at[1]) if len(at) == 2 else at[0] if at else None


def distinctive(found: Peaks, count: int) -> Float[Tensor, " channels"]:
    """How far a channel's `count` best photographs stand out from all, in standard deviations over photographs.

    A channel that is excited by just so many photographs, and equally, is the most distinctive; one that says the same
    about all of them has 0.
    """
    values = found.values.double()
    best, mean, spread = values.topk(count, 0).values.mean(0), values.mean(0), values.std(0, correction=0)
    return torch.where(spread > 0, (best - mean) / spread, 0.0)


# ------------------------------------------------------------------------------------------------------- cutting


def visible_box(field: ReceptiveField | None, position: Position, size: tuple[int, int]) -> Box:
    """What a unit at this position sees of a picture of (height, width); along an axis that it covers, all of it.

    Args:
        field: of its layer; None where that is the whole picture.
    """
    if field is None or not isinstance(position, tuple):
        return 0, 0, *size
    top, left, bottom, right = (round(edge) for edge in field.box(*position))
    rows = (0, size[0]) if bottom - top >= size[0] else (top, bottom)
    columns = (0, size[1]) if right - left >= size[1] else (left, right)
    return rows[0], columns[0], rows[1], columns[1]


def cut(picture: Float[Tensor, "1 c h w"], box: Box, outside: float) -> Float[Tensor, "1 c ch cw"]:
    """This part of a picture; where it leaves the picture, `outside`."""
    top, left, bottom, right = box
    part = picture.new_full((1, picture.shape[1], bottom - top, right - left), outside)
    inside = picture[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    down, across = max(-top, 0), max(-left, 0)
    part[..., down : down + inside.shape[2], across : across + inside.shape[3]] = inside
    return part


def traced_back(
    network: Network,
    unit: Unit,
    positions: Sequence[Position],
    pictures: Float[Tensor, "n c h w"],
    rule: Rule = "gradient",
) -> Float[Tensor, "n c h w"]:
    """What a rule traces back from the unit, at its own position in each picture, to the pixels.

    Where no rectifier lies between the two, every rule is the gradient.
    """
    at = [replace(unit, position=position) for position in positions]
    acts = rule != "gradient" and network.rectified_before(unit.layer)
    objective = gradient(network, unit_term(at), rule=rule if acts else "gradient")
    return objective(pictures, torch.arange(len(at)), Key(0, range(len(at)), step=0)).gradients


@dataclass(frozen=True)
class Exemplar:
    """What a unit sees of one photograph, and what of it excites the unit.

    Attributes:
        peak: which photograph, where, how much.
        box: what was cut out of the network's input.
        whole: whether that is all of it.
        crop: that; outside of the picture grey.
        traced: what each rule traces back to it, signed; outside of the picture 0.
    """

    peak: Peak
    box: Box
    whole: bool
    crop: Float[Tensor, "1 c h w"]
    traced: Mapping[Rule, Float[Tensor, "1 c h w"]]

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """The box as left, top, width, height."""
        top, left, bottom, right = self.box
        return left, top, right - left, bottom - top


def cut_out(
    network: Network,
    photos: Sequence[Photo],
    unit: Unit,
    chosen: Sequence[Peak],
    rules: Sequence[Rule],
    sees: Sees = "all",
    fit: Fit = "crop",
    batch: int = 16,
) -> list[Exemplar]:
    """The exemplars of a unit in the photographs where it was found, in their order, `batch` at a time.

    Args:
        photos: all of them; a peak's `photo` is an index into it.
        rules: what to trace back.
        sees: cut to all that can reach the unit, or to where nearly all of it comes from, `effective_field`.
    """
    own = network.layer(unit.layer)
    placed = any(isinstance(peak.position, tuple) for peak in chosen) and max(own.shape[1:]) > 1  # one place sees all
    field = network.receptive_field(own.name).of(unit.index or 0) if placed else None
    also: list[Rule] = ["gradient"] if sees == "most" else []
    pictures, traced = [], []
    for indices, part in fed(network, [photos[peak.photo] for peak in chosen], fit, batch):
        at = [chosen[i].position for i in indices]
        signed = {
            rule: traced_back(network, unit, at, part, rule).float().cpu() for rule in dict.fromkeys([*rules, *also])
        }
        pictures += part.float().cpu().split(1)
        traced += [{rule: one[i : i + 1] for rule, one in signed.items()} for i in range(len(part))]
    if field is not None and sees == "most":
        field = effective_field(field, [p.position for p in chosen], [one["gradient"] for one in traced])
    found = []
    for peak, picture, signed in zip(chosen, pictures, traced, strict=True):
        size = picture.shape[2], picture.shape[3]
        box = visible_box(field, peak.position, size)
        parts = {rule: cut(signed[rule], box, 0.0) for rule in rules}
        found.append(Exemplar(peak, box, box == (0, 0, *size), cut(picture, box, MID_GREY), parts))
    return found


def effective_field(
    field: ReceptiveField, positions: Sequence[Position], gradients: Sequence[Float[Tensor, "1 3 _ _"]]
) -> ReceptiveField:
    """The square about the middle of a receptive field where nearly all comes from, in the median over pictures.

    Most of a large receptive field hardly matters to the unit (Luo et al. 2016, arXiv:1701.04128). Nearly all is 95 %
    of the sum of the gradient's squares; the field itself is the largest that it can be.
    """
    needed = []
    for position, traced in zip(positions, gradients, strict=True):
        if not isinstance(position, tuple) or not traced.any():
            continue
        top, left, bottom, right = field.box(*position)
        rows, columns = (torch.arange(length, dtype=torch.float64) + 0.5 for length in traced.shape[2:])
        away = torch.maximum((rows - (top + bottom) / 2).abs()[:, None], (columns - (left + right) / 2).abs()[None])
        order = away.flatten().argsort()
        share = traced.double().square().sum((0, 1)).flatten()[order].cumsum(0)
        needed.append(float(away.flatten()[order[int((share < MOST * share[-1]).sum())]]) + 0.5)
    if not needed:
        return field
    half = sorted(needed)[len(needed) // 2]

    def along(axis: Axis) -> Axis:
        size = min(2 * half, axis.size)
        return Axis(size, axis.stride, axis.offset + (axis.size - size) / 2)

    return ReceptiveField(along(field.rows), along(field.columns), measured=True)
