"""Weights as pictures: what every unit of a layer multiplies its input with.

Filters over pictures live in the space of pictures and are colour tiles; every deeper filter has one grey tile for
each channel that it reads (Zeiler & Fergus 2014, arXiv:1311.2901). Rows of a fully connected layer take the shape of
what was flattened before it; over the picture itself they are the templates of a linear classifier (CS231n). Where
there is no shape, weights are a matrix in colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import Layer
from phosphene.core.networks.network import Network
from phosphene.core.pictures.colours import scale_bar, signed_colours
from phosphene.core.pictures.plates import Legend, Marks, plate
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result
from phosphene.core.units.labels import label
from phosphene.features.filters import Filters, first_layer, in_order, no_weights, shown_module, with_weights

WIDEST = 1600  # px of a sheet's longer side, unless more is asked for
LARGEST_SHEET = 8192  # px, whatever is asked for
MOST_TILES, MOST_CELLS = 32, 256  # along one side, unless more are asked for


@recipe("reading")
def weights(
    network: Network,
    layer: str | None = None,
    *,
    common: bool = False,
    filters: str | None = None,
    inputs: str | None = None,
) -> Result:
    """Show a layer's weights as pictures: a convolution's filters, or the rows of a fully connected layer.

    Filters over the picture are colour tiles; of deeper ones there is a row for each filter and a grey tile for each
    channel that it reads; fully connected rows have the shape of their input, and are a matrix where it has none. Zero
    is mid grey (white in a matrix). Each filter is scaled by its own largest weight, so that faint ones can be seen.

    Args:
        network: the network to read.
        layer: a convolution or a fully connected layer, or what holds only one; by default the first one.
        common: one scale for all filters, so that their strengths can be compared.
        filters: which ones, as 7 or 0-31; by default as many as can be seen well.
        inputs: which of the channels that they read, as 7 or 0-31; by default as many as can be seen well.
    Raises:
        Mistake: this layer has no weights to be shown (the nearest that have are told), or not that many.
    """
    chosen = with_weights(network, network.layer(layer)) if layer else first_layer(network)
    module = shown_module(network, chosen)
    if module is None:
        raise Mistake(no_weights(network, chosen))
    weight = module.weight.detach().float().cpu()
    if not weight.isfinite().all():
        raise Mistake(f"the weights of {chosen.name} are not all finite; the file they came from may be damaged")
    found = in_order(network, chosen, module, weight)
    n, c = found.tiles.shape[:2]
    most_n, most_c = _as_many_as_can_be_seen(found)
    rows = _range("filters", filters, n, chosen.name) or range(min(n, most_n))
    columns = _range("inputs", inputs, c, chosen.name) or range(min(c, most_c))
    if filters is None and inputs is not None:
        rows = range(min(n, most_n * max(1, most_c // len(columns)) if not found.matrix else most_n))

    return _pictured(network, chosen, found, rows, columns, common, {"kind": type(module).__name__}, weight)


def _pictured(
    network: Network,
    chosen: Layer,
    found: Filters,
    rows: range,
    columns: range,
    common: bool,
    facts: dict[str, Any],
    weight: Tensor,
) -> Result:
    """These filters and inputs of a layer, with what is left out and how they are scaled."""
    n, c = found.tiles.shape[:2]
    largest = found.tiles.abs().flatten(1).amax(1)
    scale = (largest.max() if common else largest[rows.start : rows.stop, None, None, None, None]).clamp(
        min=torch.finfo(torch.float32).tiny
    )
    part = found.tiles[rows.start : rows.stop, columns.start : columns.stop] / scale
    layout = _layout(found, len(rows), len(columns), _templates(network, chosen, found))
    sheet = _sheet(part, layout, found.matrix)
    lines = [
        found.words.format(rows=_span(rows, n), columns=_span(columns, c)),
        _left_out(rows, n, columns, c, found),
        _scale_words(largest[rows.start : rows.stop], common, found),
    ]
    lines = [line for line in lines if line]
    end = f"{float(largest.max()):.3g}"
    ends = (f"-{end}", end) if common else ("-its largest", "its largest")
    legend = Legend(scale_bar(signed=found.matrix), ends)
    names = [label(network, i) for i in rows] if _is_answer(network, chosen, n) and network.labels else None
    drawn = _marked(layout, rows, columns, names, bool(found.column) or found.matrix)
    title = f"What {chosen.name} of {network.name} multiplies {'pictures' if found.picture else 'its input'} with"
    return Result(
        image=sheet,
        names=[chosen.name],
        numbers=[
            {
                "layer": chosen.name,
                **facts,
                "shape": list(weight.shape),
                "filters": [rows.start, rows.stop - 1],
                "inputs": [columns.start, columns.stop - 1],
                "scale": "common" if common else "each filter's own",
                "largest": float(largest.max()),
                "largest of each": largest[rows.start : rows.stop].tolist(),
            }
        ],
        panels=[[("; ".join(lines), sheet)]],
        title=title,
        values=weight.numpy()[None],
        drawing=plate(sheet, title, lines, legend, drawn),
    )


# ------------------------------------------------------------------------------------------------------ how many


def _range(option: str, text: str | None, many: int, name: str) -> range | None:
    """`7` or `0-31` as a range."""
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
        raise Mistake(f"--{option} is '{text}'; write 7, or 0-{min(31, many - 1)}")
    low, high = (int(word[:18]) for word in (first.strip(), (last or first).strip()))  # no layer has so many
    if low > high:
        raise Mistake(f"--{option} {text} goes backwards; write {high}-{low}")
    if high >= many:
        raise Mistake(f"{name} has {option} 0 to {many - 1}, not {high}")
    return range(low, high + 1)


def _as_many_as_can_be_seen(found: Filters) -> tuple[int, int]:
    _, c, _, h, w = found.tiles.shape
    if found.matrix:
        return MOST_CELLS, MOST_CELLS
    side = max(h, w) * (2 if max(h, w) < 64 else 1)
    along = min(MOST_TILES, max(1, WIDEST // (side + 4)))
    return along * max(1, along // min(c, along)), along


@dataclass(frozen=True)
class Layout:
    """Where every tile is, in pixels: unit i stands in row i // blocks, and its tiles side by side.

    Attributes:
        units, tiles: how many units, and tiles of each.
        blocks: how many units stand side by side.
        height, width: of a tile.
        zoom: px of one weight, (down, across).
        gap: between tiles, (down, across); between units that stand side by side, `apart`.
        labelled: whether there is room for a name below each tile.
    """

    units: int
    tiles: int
    blocks: int
    height: int
    width: int
    zoom: tuple[int, int]
    gap: tuple[int, int]
    apart: int
    labelled: bool = False

    def corner(self, unit: int, tile: int) -> tuple[int, int]:
        """(top, left) px."""
        block = self.tiles * (self.width + self.gap[1]) - self.gap[1] + self.apart
        return (
            unit // self.blocks * (self.height + self.gap[0]),
            unit % self.blocks * block + tile * (self.width + self.gap[1]),
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px of the sheet."""
        bottom, _ = self.corner(self.units - 1, 0)
        _, right = self.corner(min(self.units, self.blocks) - 1, self.tiles - 1)
        return bottom + self.height, right + self.width


def _layout(found: Filters, n: int, c: int, templates: bool) -> Layout:
    h, w = found.tiles.shape[3:]
    if found.matrix:
        blocks = max(1, int(math.sqrt(n / c)))
        across = max(1, min(32, (WIDEST - 8 * (blocks - 1)) // (blocks * c)))
        down = max(1, min(32, 4 * across, WIDEST // math.ceil(n / blocks)))
        layout = Layout(n, 1, blocks, down, across * c, (down, across), (0, 0), 8)
    else:
        blocks = math.ceil(math.sqrt(n)) if c == 1 else max(1, int(math.sqrt(n / c)))
        along = max(blocks * c, math.ceil(n / blocks))
        room = WIDEST // along - 4
        zoom = max(1, min(16, (160 if along <= 10 and max(h, w) > 3 else 48) // max(h, w), room // max(h, w)))
        side = zoom * max(h, w)
        gap = 4 if side >= 24 else 2 if side >= 8 else 1
        labelled = templates and c == 1 and zoom * w >= 64
        down = 28 if labelled else gap
        layout = Layout(
            n, c, blocks, zoom * h, zoom * w, (zoom, zoom), (down, gap), gap if c == 1 else 5 * gap, labelled
        )
    if max(layout.size) > LARGEST_SHEET:
        raise Mistake(f"{n} x {c} tiles make a picture of {max(layout.size)} px; give fewer --filters or --inputs")
    return layout


def _sheet(part: Float[Tensor, "n c k h w"], layout: Layout, matrix: bool) -> Float[Tensor, "1 3 sh sw"]:
    """Every tile in its place, on white; -1 to 1 as black to white, or in a matrix as blue to red."""
    n, c, _, h, w = part.shape
    # in a matrix, a unit's weights are one tile
    tiles = signed_colours(part[:, None, :, 0, 0, 0])[:, None] if matrix else (0.5 + 0.5 * part).expand(n, c, 3, h, w)
    big = tiles.repeat_interleave(layout.zoom[0], 3).repeat_interleave(layout.zoom[1], 4)
    sheet = torch.ones(1, 3, *layout.size)
    for unit in range(layout.units):
        for tile in range(layout.tiles):
            top, left = layout.corner(unit, tile)
            sheet[0, :, top : top + layout.height, left : left + layout.width] = big[unit, tile]
    return sheet


# -------------------------------------------------------------------------------------------------------- in words


def _is_answer(network: Network, layer: Layer, n: int) -> bool:
    """Whether its units are the classes."""
    own = [other.name for other in network.layers.values() if shown_module(network, other) is not None]
    return n == network.classes and own[-1] == layer.name


def _templates(network: Network, layer: Layer, found: Filters) -> bool:
    return bool(network.labels) and not found.column and _is_answer(network, layer, len(found.tiles))


def _span(shown: range, many: int) -> str:
    span = f"{shown.start}" if len(shown) == 1 else f"{shown.start}-{shown.stop - 1}"
    return span if len(shown) == many else f"{span} of {many}"


def _left_out(rows: range, n: int, columns: range, c: int, found: Filters) -> str:
    """What is not shown, and how to see it."""
    missing, options = [], []
    for shown, many, word, option in ((rows, n, found.unit, "filters"), (columns, c, found.column, "inputs")):
        if len(shown) < many:
            start = shown.stop if shown.stop < many else 0
            missing.append(f"{many - len(shown)} {word}s")
            options.append(f"--{option} {start}-{min(many, start + len(shown)) - 1}")
    return f"left out: {' and '.join(missing)}; see others with {' or '.join(options)}" if missing else ""


def _scale_words(largest: Float[Tensor, " n"], common: bool, found: Filters) -> str:
    zero = f"zero is {'white' if found.matrix else 'grey'}"
    if common:
        return f"{zero}, one scale for all"
    low, high = float(largest.min()), float(largest.max())
    return f"{zero}, each {found.unit} on its own scale (largest weight: {low:.2g} to {high:.2g})"


def _marked(layout: Layout, rows: range, columns: range, names: Sequence[str] | None, numbered: bool) -> Marks:
    """The numbers and names beside the sheet: where, and what."""
    below = []
    if layout.labelled and names:
        for i, name in enumerate(names):
            top, left = layout.corner(i, 0)
            below.append((float(left), float(top + layout.height), float(layout.width), name))
        return Marks(below=below)
    step = max(1, math.ceil(16 / (layout.height + layout.gap[0])))
    step = next(s for s in (1, 2, 4, 8, 16, 32) if s >= step)
    left_marks = []
    for i in range(0, layout.units, layout.blocks * step):
        text = names[i] if names and layout.blocks == 1 else str(rows[i])
        left_marks.append((layout.corner(i, 0)[0] + layout.height / 2, text))
    top_marks = []
    if numbered:
        cell = layout.zoom[1] if layout.tiles == 1 and len(columns) > 1 else layout.width + layout.gap[1]
        step = next((s for s in (1, 2, 4, 8, 16, 32, 64) if s * cell >= 30), 128)
        for block in range(min(layout.blocks, layout.units)):
            start = layout.corner(block, 0)[1]
            wide = layout.zoom[1] if layout.tiles == 1 and len(columns) > 1 else layout.width
            top_marks += [(start + j * cell + wide / 2, str(columns[j])) for j in range(0, len(columns), step)]
    return Marks(left_marks, top_marks)
