"""Which part of a photograph excites a unit, and what of it does: patches.

Zeiler & Fergus 2014 (arXiv:1311.2901, figure 2) and Springenberg et al. 2015 (arXiv:1412.6806, figure 3) show what a
unit has learnt by the photographs that excite it most, each cut to the unit's receptive field, and what the deconvnet
or guided backprop retraces in them. Finding (`peaks`, `strongest`, `distinctive`) and drawing (`patch`, `ten_rows`,
`nines`, `album`) are apart: whoever has found photographs and positions in another way draws them alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION
from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis, ReceptiveField
from phosphene.core.networks.rectifiers import Rule
from phosphene.core.optimization.engine import Draw
from phosphene.core.optimization.objectives import gradient
from phosphene.core.pictures.files import MID_GREY, Photo
from phosphene.core.pictures.sheets import Marks, grid, plate, signed_picture
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import fed
from phosphene.core.units.units import Unit, unit_term

Position = tuple[int, int] | int | None
"""Of a unit in its layer: (row, column), a token, or None where the layer has no places."""

Sees = Literal["all", "most"]
"""What patches are cut to: all that can reach the unit, or where most of it comes from."""

MOST = 0.95  # of the sum of the gradient's squares

Window = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels of what was fed, ends excluded; it may leave the picture."""


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
            found[name].append(_largest(y.flatten(2).mean(2) if name == "logits" and y.dim() > 2 else y))
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


def window(field: ReceptiveField | None, position: Position, size: tuple[int, int]) -> Window:
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


def cut(picture: Float[Tensor, "1 c h w"], box: Window, outside: float) -> Float[Tensor, "1 c ch cw"]:
    """This part of a picture; where it leaves the picture, `outside`."""
    top, left, bottom, right = box
    part = picture.new_full((1, picture.shape[1], bottom - top, right - left), outside)
    inside = picture[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    down, across = max(-top, 0), max(-left, 0)
    part[..., down : down + inside.shape[2], across : across + inside.shape[3]] = inside
    return part


def slopes(
    network: Network,
    unit: Unit,
    positions: Sequence[Position],
    pictures: Float[Tensor, "n 3 h w"],
    rule: Rule = "gradient",
) -> Float[Tensor, "n 3 h w"]:
    """What a rule traces back from the unit, at its own position in each picture, to the pixels.

    Where no rectifier lies between the two, every rule is the gradient.
    """
    at = [replace(unit, position=position) for position in positions]
    acts = rule != "gradient" and network.rectified_before(unit.layer)
    objective = gradient(network, unit_term(at), rule=rule if acts else "gradient")
    return objective(pictures, torch.arange(len(at)), Draw(0, 0, range(len(at))))[1]


@dataclass(frozen=True)
class Patch:
    """What a unit sees of one photograph, and what of it excites the unit.

    Attributes:
        peak: which photograph, where, how much.
        box: what was cut out of what was fed.
        whole: whether that is all of it.
        crop: that; outside of the picture grey.
        traced: what each rule traces back to it, signed; outside of the picture 0.
    """

    peak: Peak
    box: Window
    whole: bool
    crop: Float[Tensor, "1 3 h w"]
    traced: Mapping[Rule, Float[Tensor, "1 3 h w"]]

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
) -> list[Patch]:
    """The patches of a unit on the photographs where it was found, in their order, `batch` at a time.

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
        signed = {rule: slopes(network, unit, at, part, rule).float().cpu() for rule in dict.fromkeys([*rules, *also])}
        pictures += part.float().cpu().split(1)
        traced += [{rule: one[i : i + 1] for rule, one in signed.items()} for i in range(len(part))]
    if field is not None and sees == "most":
        field = effective_field(field, [p.position for p in chosen], [one["gradient"] for one in traced])
    found = []
    for peak, picture, signed in zip(chosen, pictures, traced, strict=True):
        size = picture.shape[2], picture.shape[3]
        box = window(field, peak.position, size)
        parts = {rule: cut(signed[rule], box, 0.0) for rule in rules}
        found.append(Patch(peak, box, box == (0, 0, *size), cut(picture, box, MID_GREY), parts))
    return found


def effective_field(
    field: ReceptiveField, positions: Sequence[Position], gradients: Sequence[Float[Tensor, "1 3 _ _"]]
) -> ReceptiveField:
    """The square about the middle of a receptive field where nearly all comes from, in the median over pictures.

    Most of a large receptive field hardly matters to the unit (Luo et al. 2016, arXiv:1701.04128). Nearly all is 95 %
    of the sum of the gradient's squares; the field itself is the largest that it can be.
    """
    needed = []
    for position, slope in zip(positions, gradients, strict=True):
        if not isinstance(position, tuple) or not slope.any():
            continue
        top, left, bottom, right = field.box(*position)
        rows, columns = (torch.arange(length, dtype=torch.float64) + 0.5 for length in slope.shape[2:])
        away = torch.maximum((rows - (top + bottom) / 2).abs()[:, None], (columns - (left + right) / 2).abs()[None])
        order = away.flatten().argsort()
        share = slope.double().square().sum((0, 1)).flatten()[order].cumsum(0)
        needed.append(float(away.flatten()[order[int((share < MOST * share[-1]).sum())]]) + 0.5)
    if not needed:
        return field
    half = sorted(needed)[len(needed) // 2]

    def along(axis: Axis) -> Axis:
        size = min(2 * half, axis.size)
        return Axis(size, axis.stride, axis.offset + (axis.size - size) / 2)

    return ReceptiveField(along(field.rows), along(field.columns), measured=True)


# ------------------------------------------------------------------------------------------------------- drawing


@dataclass(frozen=True)
class Block:
    """A unit's patches as one picture.

    Attributes:
        picture: it.
        rows: what each of its rows shows, from the top, if it has such.
        columns: what is to be said below each of its columns, if it has such.
    """

    picture: Float[Tensor, "1 3 h w"]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()


GAP = 4  # px between pictures


def tile(picture: Float[Tensor, "1 3 h w"], side: int, outside: float) -> Float[Tensor, "1 3 side side"]:
    """A picture in a square: smoothly scaled, or with its pixels as squares if they grow to 3 px and more.

    Values are not clipped, so that signed ones can be scaled too.
    """
    scale = side / max(picture.shape[2:])
    height, width = (max(1, round(scale * length)) for length in picture.shape[2:])
    if scale >= 3:
        scaled = F.interpolate(picture, (height, width), mode="nearest-exact")
    else:
        scaled = F.interpolate(picture, (height, width), mode="bicubic", antialias=True)
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(scaled, (left, side - width - left, top, side - height - top), value=outside)


def _crops(patches: Sequence[Patch], side: int) -> Float[Tensor, "n 3 side side"]:
    return torch.cat([tile(patch.crop, side, 1.0).clamp(0, 1) for patch in patches])


def _traced(patches: Sequence[Patch], rule: Rule, side: int) -> Float[Tensor, "n 3 side side"]:
    """Around grey, each on its own scale: that of what is shown, as large pictures lose contrast when made small."""
    return signed_picture(torch.cat([tile(patch.traced[rule], side, 0.0) for patch in patches]))


CALLED: Mapping[Rule, str] = {"gradient": "gradient", "deconvnet": "deconvnet", "guided": "guided backprop"}


def ten_rows(patches: Sequence[Patch], side: int = 128) -> Block:
    """A column for each photograph; from the top what the unit sees, and below what each rule traces back."""
    rules = list(patches[0].traced)
    cells = torch.cat([_crops(patches, side), *(_traced(patches, rule, side) for rule in rules)])
    names = ["photograph", *(CALLED[rule] for rule in rules)]
    return Block(grid(cells, len(patches), GAP), names, [patch.peak.short for patch in patches])


def nines(patches: Sequence[Patch], rule: Rule, side: int = 80) -> Block:
    """What a rule traces back, three by three, beside the crops that it was traced back to."""
    left, right = grid(_traced(patches, rule, side), 3, GAP), grid(_crops(patches, side), 3, GAP)
    return Block(torch.cat([left, left.new_ones(1, 3, left.shape[2], 2 * GAP), right], 3))


def album(
    chapters: Sequence[tuple[str, Sequence[tuple[str, Block]]]], title: str, words: Sequence[str], columns: int
) -> Image.Image:
    """Blocks of one size on one page, so many beside one another, with a heading for each chapter.

    Args:
        chapters: headings, and captions with blocks.
    """
    _, _, height, width = chapters[0][1][0][1].picture.shape
    apart, line, head = 28, 24, 40  # px: between blocks, for what is said below one, for a heading
    columns = min(columns, max(len(blocks) for _, blocks in chapters))
    rows, below, above, placed, y = [], [], [], [], 0
    whole = columns * (width + apart) - apart
    for heading, blocks in chapters:
        y += head
        above.append((0, y - 8, whole, heading))
        for i, (caption, block) in enumerate(blocks):
            x = i % columns * (width + apart)
            if i and i % columns == 0:
                y += height + line + GAP
            placed.append((x, y, block.picture))
            if x == 0:
                step = (height + GAP) / max(len(block.rows), 1)
                rows += [(y + (k + 0.5) * step - GAP / 2, name) for k, name in enumerate(block.rows)]
            if block.columns:
                step = (width + GAP) / len(block.columns)
                below += [(x + k * step, y + height, step - GAP, name) for k, name in enumerate(block.columns)]
            elif caption:
                below.append((x, y + height, width, caption))
        y += height + line
    sheet = torch.ones(1, 3, y, whole)
    for x, top, picture in placed:
        sheet[..., top : top + height, x : x + width] = picture
    return plate(sheet, title, words, None, Marks(rows=rows, below=below, above=above))
