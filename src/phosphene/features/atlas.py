"""What a layer finds in many photographs, on one map: an activation atlas (Carter et al. 2019).

A channel is one axis of what a layer can say; what it does say are combinations of them. The atlas samples those from
photographs, lays them out so that neighbours are alike, averages what falls into each cell of a grid, and paints what
would make the layer say that.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.extras import needed
from phosphene.core.index.photographs import Indexed, Some, check_indexed, fitting, named_photo
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Batch, Bounds, Seed
from phosphene.core.pictures.files import LEAST_SIDE, Photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import figure
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.directions import Direction
from phosphene.core.units.inputs import Fit
from phosphene.core.units.portraits import Portraits
from phosphene.core.units.presets import AnyPreset, settings
from phosphene.core.units.units import unit_term
from phosphene.features.atlas_page import THUMBNAIL, Tile, page
from phosphene.features.mapping import Activations, Cell, averages, cells_of, crops, layout, sample, whitened

EXAMPLES = 3  # photographs that are shown for a cell
DRAWN = 1000  # photographs of an index, which may have millions; their activations fill a map


def _promised(network: Network, layer: str) -> list[str]:
    """The name of its picture."""
    needed("openTSNE", "atlas", "openTSNE", "maps")
    return [re.sub(r"[^\w.@,#-]", "_", network.layer(layer).name)]


@recipe("picture", uses=("openTSNE", "scikit-learn"), first=_promised)
def atlas(
    network: Network,
    photos: Sequence[Photo],
    *,
    layer: str,
    cells: Annotated[int, Bounds(1, 200)] = 12,
    least: Annotated[int, Bounds(1, 1_000_000)] = 2,
    per_photo: Annotated[int, Bounds(1, 10_000)] = 8,
    whiten: bool = False,
    power: Annotated[float, Bounds(0, 100)] = 2.0,
    scaled: bool = False,
    size: Annotated[int, Bounds(LEAST_SIDE, 1000)] = 80,
    preset: AnyPreset = "default",
    fit: Fit = "crop",
    batch: Batch = 16,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Map what LAYER finds in PHOTOS: activations laid out by t-SNE, each cell's mean painted (an activation atlas).

    Args:
        network: the network to read.
        photos: many; more of them fill the map. Of an index a thousand are drawn, by the seed.
        layer: whose activations.
        cells: the map is so many cells wide and high.
        least: cells into which fewer activations fall stay empty.
        per_photo: so many activations of each photograph, at random positions.
        whiten: divide directions by the second moments of all activations, so that what is common counts less; it
            wants many times more activations than channels, with fewer the regions dissolve.
        power: of the cosine that keeps a picture to its direction.
        scaled: draw cells with fewer activations smaller (area in proportion, at least a sixteenth).
        size: side of a cell in pixels.
        steps: moves for each picture; by default 128.
        preset: how they are made, as in visualize.
        fit: how a photograph meets the network: crop, squash or whole.
        batch: so many pictures at a time.
        seed: of positions, map, starts and transforms.
    Raises:
        Mistake: there are too few activations, or so many cells that all stay empty.
    """
    usual: SettingsOptions = {"steps": 128}
    chosen = replace(settings(preset, usual | given), transparency="none")
    network.allowance.check_made(1, (cells * size, cells * size))
    at = network.layer(layer).name
    check_indexed(photos, network)
    fit = fitting(photos, fit)
    if isinstance(photos, Indexed):
        photos = Some(photos, photos.drawn(DRAWN, seed))
    found = sample(network, photos, at, per_photo, fit=fit, batch=batch, seed=seed)
    grid = cells_of(layout(found.codes, seed), cells, least)
    grid = [cell for cell in grid if found.codes[list(cell.members)].any()]  # a mean of nothing points nowhere
    if not grid:
        raise Mistake(f"no cell of {cells} x {cells} has {least} activations; give fewer --cells, or more photographs")
    network.allowance.check_steps(chosen.steps, len(grid), (size, size), chosen.views)
    vectors = averages(found.codes, grid)
    aims = whitened(vectors, found.codes) if whiten else vectors
    directions = [
        Direction.of(at, vector.tolist(), f"cell-{cell.row}-{cell.column}", power)
        for cell, vector in zip(grid, aims, strict=True)
    ]
    examples = [nearest(found, cell, vector) for cell, vector in zip(grid, vectors, strict=True)]
    names = [tuple(named_photo(photos, int(found.photo[i])) for i in some) for some in examples]
    cut = crops(network, photos, at, found, [i for some in examples for i in some], THUMBNAIL, fit)
    words = f"{len(found.codes)} activations in {len(grid)} cells of {cells} x {cells}; neighbours are alike"
    facts = {"layer": at, "photographs": len(photos), "activations": len(found.codes)}
    title = f"what {at} of {network.name} finds in {len(photos)} photographs"
    charted = _Map(grid, cells, size, scaled, names, cut, facts, words, title)
    (stem,) = _promised(network, layer)
    groups = -(-len(grid) // batch)
    painted = _painted(network, directions, chosen, Nouns.among(given), size, seed, batch)
    return Run(
        painted, total=groups * chosen.steps, names=[stem], finish=lambda step: charted.result(step.pictures, stem)
    )


@dataclass(frozen=True)
class _Map:
    """What is known of the map before its pictures are painted.

    Attributes:
        grid: the cells that are not empty.
        cells: so many wide and high is the map.
        size: side of a cell in pixels.
        scaled: whether cells with fewer activations are smaller.
        names: of the photographs nearest to each cell.
        cut: what those photographs show there.
        facts: about the whole.
        words, title: of the figure.
    """

    grid: Sequence[Cell]
    cells: int
    size: int
    scaled: bool
    names: Sequence[tuple[str, ...]]
    cut: Sequence[Float[Tensor, "1 3 _ _"]]
    facts: dict[str, Any]
    words: str
    title: str

    def side(self, cell: Cell) -> int:
        """Of the cell's picture, in pixels."""
        largest = max(len(one.members) for one in self.grid)
        part = max(1 / 4, (len(cell.members) / largest) ** 0.5) if self.scaled else 1
        return max(1, round(self.size * part))

    def result(self, pictures: Float[Tensor, "n 3 size size"], stem: str) -> Result:
        """The map with these pictures of the cells."""
        sheet, alpha = arranged(pictures, self.grid, self.cells, [self.side(cell) for cell in self.grid])
        tiles = [Tile(c.row, c.column, len(c.members), own) for c, own in zip(self.grid, self.names, strict=True)]
        cells = [{"row": t.row, "column": t.column, "activations": t.many, "examples": list(t.names)} for t in tiles]
        return Result(
            image=sheet, names=[stem], numbers=[self.facts | {"cells": cells}], panels=[[(self.words, sheet)]],
            title=self.title,
            drawing=figure([(self.words, sheet)], self.title, side=max(480, min(1600, sheet.shape[3]))),
            page=page(self.title, self.words, self.cells, torch.cat([sheet, alpha], 1), tiles, self.cut),
        )  # fmt: skip


def nearest(found: Activations, cell: Cell, mean: Float[Tensor, " channels"]) -> list[int]:
    """The activations of a cell with the largest cosine with its mean, one of each photograph, nearest first."""
    members = torch.tensor(cell.members)
    cosines = torch.nn.functional.cosine_similarity(found.codes[members].double(), mean[None])
    first: dict[int, int] = {}
    for i in members[cosines.argsort(descending=True, stable=True)].tolist():
        first.setdefault(int(found.photo[i]), i)
    return list(first.values())[:EXAMPLES]


def _painted(
    network: Network, directions: Sequence[Direction], chosen: Settings, nouns: Nouns, size: int, seed: int, batch: int
) -> Iterator[Step]:
    """One group of cells after another, so that memory stays flat; those that are still to come are white."""
    pictures = torch.ones(len(directions), 3, size, size)
    values = torch.full((len(directions),), torch.nan)
    for first in range(0, len(directions), batch):
        some = directions[first : first + batch]
        parts = [(list(range(len(some))), unit_term(some))]
        keys = [one.key for one in some]
        portraits = Portraits(network, parts, keys, chosen, (size, size), nouns=nouns, seed=seed, batch=batch)
        for step in portraits.path:
            pictures, values = pictures.clone(), values.clone()
            pictures[first : first + len(some)] = portraits.shown(step)[:, :3].float().cpu()
            values[first : first + len(some)] = step.values.float().cpu()
            yield Step(first // batch * chosen.steps + step.index, pictures, values)


def arranged(
    pictures: Float[Tensor, "n 3 size size"], cells: Sequence[Cell], side: int, sizes: Sequence[int]
) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 1 h w"]]:
    """Pictures in the middle of their cells, white where there is none; and where there is one."""
    full = pictures.shape[2]
    sheet, alpha = (torch.full((1, c, side * full, side * full), v) for c, v in ((3, 1.0), (1, 0.0)))
    for picture, cell, own in zip(pictures, cells, sizes, strict=True):
        top, left = (place * full + (full - own) // 2 for place in (cell.row, cell.column))
        sheet[:, :, top : top + own, left : left + own] = resize(picture[None], (own, own))
        alpha[:, :, top : top + own, left : left + own] = 1
    return sheet, alpha
