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
from phosphene.core.networks.rectifiers import RectifierRule, Rule
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.files import Photo, open_photo
from phosphene.core.pictures.fitting import MID_GREY, Box, on_original
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import fed
from phosphene.core.units.units import Unit, unit_term

Position = tuple[int, int] | int | None
"""Of a unit in its layer: (row, column), a token, or None where the layer has no places."""

Sees = Literal["all", "most", "picture"]
"""What exemplars are cut to: all that can reach the unit, where most of it comes from, or not at all."""

Resolution = Literal["own", "network"]
"""Whose pixels exemplars have: the photograph's own, or those that the network is fed."""

Band = Literal["strongest", "weakest", "median", "threshold"]
"""Which photographs of a unit: those where it answers most; where it answers least (by the smallest activation over
positions if that is ever below zero, else by the largest); whose largest is nearest to its median; just above the
threshold."""

THRESHOLD = 0.0
"""Above which a unit answers."""

MOST = 0.95  # of the sum of the gradient's squares


# ------------------------------------------------------------------------------------------------------- finding


@dataclass(frozen=True)
class Peaks:
    """How much every channel of a layer is excited by every photograph, at the place where it is most.

    Attributes:
        values: the largest over positions.
        places: where that is: (row, column), (token), or nothing where the layer has no places.
        below: the same of the smallest, where it was looked for.
    """

    values: Float[Tensor, "n channels"]
    places: Int[Tensor, "n channels axes"]
    below: "Peaks | None" = None


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
    found: dict[str, list[Peaks]] = {name: [] for name in layers}
    for _, pictures in fed(network, photos, fit, batch):
        for name, y in network.read(pictures, layers).items():
            if not y.isfinite().all():
                raise Mistake(f"{name} of {network.name} says values that are not finite; its weights may be damaged")
            found[name].append(largest(network.head.flat(y) if name == "logits" else y))
    return {name: joined(parts) for name, parts in found.items()}


def largest(y: Float[Tensor, "n channels ..."]) -> Peaks:
    """The largest and the smallest activation of every channel, and where they are; of equals the first."""
    if y.dim() == 2:
        places = torch.zeros(*y.shape, 0, dtype=torch.long)
        return Peaks(y.cpu(), places, Peaks(y.cpu(), places))

    def at(values: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
        return values.cpu(), torch.stack(torch.unravel_index(flat.cpu(), y.shape[2:]), 2)

    return Peaks(*at(*y.flatten(2).max(2)), Peaks(*at(*y.flatten(2).min(2))))


def joined(parts: Sequence[Peaks]) -> Peaks:
    """Those of several batches, one after another."""
    below = [part.below for part in parts if part.below is not None]
    return Peaks(
        torch.cat([part.values for part in parts]),
        torch.cat([part.places for part in parts]),
        joined(below) if below else None,
    )


def check_places(network: Network, name: str) -> None:
    """Raise a Mistake if units of this layer have no place: no channels over positions, nor channels alone."""
    layer = network.layer(name)
    if layer.tap.function == ATTENTION or len(layer.shape) > 3:
        others = [one.name for one in network.layers.values() if len(one.shape) == 3 and one.tap.function != ATTENTION]
        instead = f"; take {others[-1]}, for example" if others else ""
        raise Mistake(f"units of {layer.name} have no place in the picture (its shape is {layer.shape}){instead}")


def strongest(found: Peaks, channel: int, count: int) -> list[Peak]:
    """The `count` photographs that excite a channel most, strongest first; of equals the first."""
    return _of(found, channel, found.values[:, channel].argsort(descending=True, stable=True)[:count])


def banded(
    found: Peaks, channel: int, count: int, band: Band = "strongest", threshold: float = THRESHOLD
) -> list[Peak]:
    """The photographs of a band of a channel, `count` of them or as many as there are; of equals the first.

    Args:
        band: "strongest", strongest first; "weakest", by the smallest over positions where that is ever below zero,
            else by the largest, smallest first; "median", those whose largest over positions is nearest to its median,
            nearest first; "threshold", those whose largest is just above `threshold`, nearest first.
    """
    if band == "strongest":
        return strongest(found, channel, count)
    if band == "weakest":
        low = found.below if found.below is not None and (found.below.values[:, channel] < 0).any() else found
        return _of(low, channel, low.values[:, channel].argsort(stable=True)[:count])
    values = found.values[:, channel].double()
    if band == "median":
        return _of(found, channel, (values - values.quantile(0.5)).abs().argsort(stable=True)[:count])
    order = values.argsort(stable=True)
    return _of(found, channel, order[values[order] > threshold][:count])


def _of(found: Peaks, channel: int, order: Int[Tensor, " many"]) -> list[Peak]:
    return [Peak(i, _position(found.places[i, channel]), float(found.values[i, channel])) for i in order.tolist()]


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


def cut_original(photo: Photo, box: Box, size: tuple[int, int], how: Fit) -> Float[Tensor, "1 3 ch cw"]:
    """The part of a photograph that a box of the network's input is of, in the photograph's own pixels.

    What the network was not fed, beyond the border of a crop, is grey as it is in `cut`.

    Args:
        box: in pixels of what the network is fed.
        size: (height, width) of that.
        how: how it was made.
    """
    picture = open_photo(photo)
    original = picture.shape[2], picture.shape[3]
    top, left, bottom, right = on_original(box, original, size, how)
    first, start, last, end = on_original((0, 0, *size), original, size, how)
    part = picture.new_full((1, 3, bottom - top, right - left), MID_GREY)
    rows = slice(max(top, first, 0), max(min(bottom, last, original[0]), 0))
    columns = slice(max(left, start, 0), max(min(right, end, original[1]), 0))
    inside = picture[..., rows, columns]
    down, across = rows.start - top, columns.start - left
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
        whole: whether the unit sees all of it.
        crop: what was cut out; outside of the picture grey.
        traced: what each rule traces back to it, signed; outside of the picture 0.
        field: what the unit can see of the network's input; None: as `box`.
    """

    peak: Peak
    box: Box
    whole: bool
    crop: Float[Tensor, "1 c h w"]
    traced: Mapping[str, Float[Tensor, "1 _ _ _"]]
    field: Box | None = None

    @property
    def marked(self) -> tuple[float, float, float, float] | None:
        """Where in the crop the unit's field is, as parts of its height and width; None where that is all of it."""
        if self.field is None or self.field == self.box:
            return None
        (top, left, bottom, right), (first, start, last, end) = self.field, self.box
        high, wide = last - first, end - start
        return (top - first) / high, (left - start) / wide, (bottom - first) / high, (right - start) / wide

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
    rules: Sequence[RectifierRule],
    sees: Sees = "all",
    fit: Fit = "crop",
    batch: int = 16,
    resolution: Resolution = "network",
) -> list[Exemplar]:
    """The exemplars of a unit in the photographs where it was found, in their order, `batch` at a time.

    Args:
        photos: all of them; a peak's `photo` is an index into it.
        rules: what to trace back.
        sees: cut to all that can reach the unit, to where nearly all of it comes from, `effective_field`, or not.
        resolution: whose pixels they are cut out of; photographs of other channels than RGB have the network's alone.
    """
    field = field_of(network, unit, chosen)
    also: list[RectifierRule] = ["gradient"] if sees == "most" else []
    pictures, traced = [], []
    for indices, part in fed(network, [photos[peak.photo] for peak in chosen], fit, batch):
        at = [chosen[i].position for i in indices]
        signed = {
            rule: traced_back(network, unit, at, part, rule).float().cpu() for rule in dict.fromkeys([*rules, *also])
        }
        pictures += part.float().cpu().split(1)
        traced += [{rule: one[i : i + 1] for rule, one in signed.items()} for i in range(len(part))]
    shown = field
    if field is not None and sees == "most":
        shown = effective_field(field, [p.position for p in chosen], [one["gradient"] for one in traced])
    found = []
    for peak, picture, signed in zip(chosen, pictures, traced, strict=True):
        size = picture.shape[2], picture.shape[3]
        box = visible_box(None if sees == "picture" else shown, peak.position, size)
        own = resolution == "own" and network.channels == 3
        crop = cut_original(photos[peak.photo], box, size, fit) if own else cut(picture, box, MID_GREY)
        parts: dict[str, Tensor] = {rule: cut(signed[rule], box, 0.0) for rule in rules}
        seen = visible_box(shown, peak.position, size)
        found.append(Exemplar(peak, box, seen == (0, 0, *size), crop, parts, seen))
    return found


def field_of(network: Network, unit: Unit, chosen: Sequence[Peak]) -> ReceptiveField | None:
    """What one place of a unit's layer can see; None where that is all of the picture."""
    own = network.layer(unit.layer)
    placed = any(isinstance(peak.position, tuple) for peak in chosen) and max(own.shape[1:]) > 1  # one place sees all
    return network.receptive_field(own.name).of(unit.index or 0) if placed else None


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
