"""The gradient of a whole picture by overlapping tiles: memory flat in the picture's size.

A convolutional layer is local: a position sees its receptive field and nothing else. So a picture is cut into squares,
each is read together with a margin around it, and only the positions that belong to the square itself count: what they
see lies in the tile, and what the tile's cut edge does to the network (padding) reaches the margin's positions alone.
Every position of the layer belongs to one square, and

    mean over all positions = sum over squares of (positions of the square / all positions) (mean over the square)

so the values and gradients of a term that is a mean over positions are those of the whole picture, also at its borders,
where a tile ends as the picture does. The squares' corners lie on multiples of the layer's stride. (Where a term reads
layers of several strides, that holds for pictures whose sides the strides divide.)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake, check_range
from phosphene.core.networks.network import Network
from phosphene.core.networks.receptive_fields import Axis
from phosphene.core.optimization.engine import Evaluation, NotFinite, Objective
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import pulled
from phosphene.core.optimization.terms import Reading, Term
from phosphene.core.optimization.transforms import Transform, as_is


def tiled(
    network: Network, term: Term, transform: Transform = as_is, *, tile: int = 512, overlap: int | None = None
) -> Objective:
    """What `gradient` says of a term that is a mean over positions, one tile of the picture at a time.

    Args:
        term: a mean over the positions of one or several layers (`channel`, `energy`, `direction`, ...); a prior is
            added as an objective of its own: `total(tiled(network, term), gradient(network, prior))`.
        transform: of the whole picture; its views are cut. (`roll` moves the seams from step to step, which hides them
            where the overlap is smaller than what a position sees.)
        tile: side of the squares with their margins, in pixels.
        overlap: the margin on each side is what a position can see beyond its own place, but at most so many pixels.
    Raises:
        Mistake: a prior, a layer without rows and columns, or one that sees the whole picture; a tile no larger than
            its margins.
    Raises (when called):
        NotFinite: a value or a gradient is not finite.
    """
    check_range("overlap", overlap, 0)
    check_range("tile", tile, 1)
    cut = _cut(network, term, tile, overlap)

    def objective(pictures: Float[Tensor, "n c h w"], rows: Int[Tensor, " n"], key: Key) -> Evaluation:
        with torch.inference_mode(False), torch.enable_grad():
            x = (pictures.clone() if pictures.is_inference() else pictures.detach()).requires_grad_()
            views, of = transform(x, rows, key)
            reading = Reading(x.detach(), rows.to(x.device), views.detach(), of, head=network.head)
            values, gradients = _added_up(network, term, reading, cut)
            (whole,) = torch.autograd.grad(views, x, gradients)
        if not (values.isfinite().all() and whole.isfinite().all()):
            raise NotFinite(f"step {key.step}: {term.name} or its gradient is not finite on {network.name}")
        return Evaluation(values, whole)

    return objective


def cut_along(starts: Sequence[int], side: int, margins: tuple[int, int], unit: int) -> Iterator[tuple[slice, slice]]:
    """(the tile, the square in it) along a side of the picture.

    A tile that does not end as the picture does ends as many pixels behind a multiple of the unit: some networks pad
    odd lengths otherwise than even ones, and so they do it everywhere as for the whole picture.

    Args:
        starts: where squares begin, at multiples of the unit; the last one goes on to the end.
        margins: in front of a square and behind it.
        unit: a multiple of the strides of all layers.
    """
    for start, stop in pairwise([*starts, side]):
        first = max(0, (start - margins[0]) // unit * unit)
        last = stop + margins[1]
        yield slice(first, min(side, last + (side - last) % unit)), slice(start, stop)


def belonging(stride: float, tile: slice, square: slice, side: int, length: int) -> slice:
    """The positions of a layer of the tile that belong to the square; at the picture's end, all that are left.

    Args:
        stride: of the layer, in pixels.
        side: of the picture.
        length: how many positions the tile has.
    """
    first = min(length, round((square.start - tile.start) / stride))
    many = length if square.stop == side else round((square.stop - square.start) / stride)
    return slice(first, min(length, first + many))


@dataclass(frozen=True)
class _Cut:
    """How pictures and layers are cut; lengths in pixels, down and across.

    Attributes:
        core: sides of a square without its margins.
        margin: on each side of it.
        unit: a multiple of all strides; it divides core and margin.
        strides: of each layer, by name.
    """

    core: tuple[int, int]
    margin: tuple[int, int]
    unit: tuple[int, int]
    strides: Mapping[str, tuple[float, float]]

    def along(self, axis: int, side: int) -> Iterator[tuple[slice, slice]]:
        """(the tile, the square in it) along an axis; what is left over joins the last square."""
        core, margin = self.core[axis], self.margin[axis]
        starts = [i * core for i in range(max(1, side // core))]
        return cut_along(starts, side, (margin, margin), self.unit[axis])


def _cut(network: Network, term: Term, tile: int, overlap: int | None) -> _Cut:
    if not all(part.layers for part in term.leaves):
        raise Mistake(f"{term.name} reads no layer in a part; add priors as an objective of their own, with total")
    fields = {name: network.receptive_field(name) for name in term.layers}
    for name, field in fields.items():
        if len(network.layer(name).shape) != 3 or min(network.layer(name).shape[1:]) <= 1:
            raise Mistake(f"{name} has no rows and columns, so it can't be read tile by tile")
        if field.measured and overlap is None and field.rows.size >= network.size[0]:
            raise Mistake(f"{name} may see the whole picture; give an overlap to read it tile by tile nevertheless")
    sides = [_sides(axes, tile, overlap) for axes in zip(*((f.rows, f.columns) for f in fields.values()), strict=True)]
    (down, top, tall), (across, left, wide) = sides
    strides = {name: (field.rows.stride, field.columns.stride) for name, field in fields.items()}
    return _Cut((down, across), (top, left), (tall, wide), strides)


def reach(axes: Sequence[Axis]) -> tuple[int, int, int]:
    """How far layers see before and behind their own places, in pixels, and a multiple of their strides."""
    unit = math.lcm(*(max(1, math.ceil(axis.stride)) for axis in axes))
    before = max(0, *(math.ceil(-axis.offset) for axis in axes))
    return before, max(0, *(math.ceil(axis.offset + axis.size - axis.stride) for axis in axes)), unit


def _sides(axes: Sequence[Axis], tile: int, overlap: int | None) -> tuple[int, int, int]:
    """The sides of squares and margins along an axis, multiples of all strides, and such a multiple."""
    before, behind, unit = reach(axes)
    beyond = max(before, behind)
    margin = math.ceil((beyond if overlap is None else min(beyond, overlap)) / unit) * unit
    core = (tile - 2 * margin) // unit * unit
    if core < unit:
        least = 2 * margin + unit
        raise Mistake(f"a tile of {tile} px is no larger than its margins of {margin} px; give at least {least} px")
    return core, margin, unit


def _added_up(network: Network, term: Term, whole: Reading, cut: _Cut) -> tuple[Tensor, Tensor]:
    """The values of the pictures and the gradients of their views."""
    height, width = whole.views.shape[2:]
    values, gradients = whole.views.new_zeros(len(whole.pictures)), torch.zeros_like(whole.views)
    positions = 0
    for down, rows in cut.along(0, height):
        for across, columns in cut.along(1, width):
            part = whole.views[..., down, across].clone().requires_grad_()
            layers = {}
            with ExitStack() as until:
                for name, y in network.read(part, term.layers, until=until).items():
                    stride = cut.strides[name]
                    own = belonging(stride[0], down, rows, height, y.shape[2])
                    layers[name] = y[:, :, own, belonging(stride[1], across, columns, width, y.shape[3])]
                many = next(iter(layers.values())).shape[2:].numel()
                if many:
                    sums = many * term.of(replace(whole, views=part, layers=layers))
                    values += sums.detach()
                    gradients[..., down, across] += pulled(sums, part, network.name)
                    positions += many
    return values / positions, gradients / positions
