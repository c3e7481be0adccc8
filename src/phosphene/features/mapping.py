"""Activations of many photographs on a map: sampled, laid out in two dimensions, gathered in the cells of a grid.

What a layer says at one position of one photograph is a point in a space with an axis per channel. Neighbours there
are neighbours on the map (t-SNE, van der Maaten & Hinton 2008), and the mean of what falls into one cell of a grid
stands for all of it (Carter et al. 2019, doi:10.23915/distill.00015).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.units.embedding import in_unit_square, tsne
from phosphene.core.units.inputs import Fit, feed
from phosphene.core.units.photographs import fed

LEAST_ACTIVATIONS = 8  # fewer have no neighbourhoods to be kept


@dataclass(frozen=True)
class Activations:
    """What a layer says at positions of photographs.

    Attributes:
        codes: a vector over the channels for each.
        photo: which photograph each is from.
        place: (row, column) of each in the layer; (0, position) where it has no rows and columns.
    """

    codes: Float[Tensor, "m channels"]
    photo: Int[Tensor, " m"]
    place: Int[Tensor, "m 2"]


@torch.no_grad()
def sample(
    network: Network, photos: Sequence[Photo], layer: str, many: int, *,
    fit: Fit = "crop", batch: int = 16, seed: int = 0,
) -> Activations:  # fmt: skip
    """`many` activations of a layer from each photograph, at random positions without repetition.

    The outermost rows and columns are left out where there are inner ones: they see the border, and would be a region
    of the map of its own (Carter et al. 2019 leave them out too).

    Raises:
        Mistake: an activation is not finite.
    """
    reading, codes, photo, place = network.planned("reading"), [], [], []
    key = Key(seed, step=0)
    for indices, pictures in fed(network, photos, fit, batch):
        y = reading.read(pictures, [layer])[layer].cpu()
        if not y.isfinite().all():
            raise Mistake(f"{layer} says something that is not finite; the weights of {network.name} may be damaged")
        columns = y.shape[3] if y.dim() == 4 else y[0, 0].numel()
        inner = _inner(y)
        order = key.uniform(torch.tensor(indices), len(inner)).argsort(1)[:, :many]
        for i, index, at in zip(range(len(y)), indices, inner[order], strict=True):
            codes.append(y[i].flatten(1).T[at] if y.dim() > 2 else y[i][None])
            photo += [index] * len(at)
            place.append(torch.stack([at // columns, at % columns], 1))
    return Activations(torch.cat(codes), torch.tensor(photo), torch.cat(place))


def _inner(y: Tensor) -> Int[Tensor, " positions"]:
    """The positions of a layer, row by row, that are not at its border."""
    positions = torch.arange(y[0, 0].numel())
    if y.dim() == 4 and min(y.shape[2:]) > 2:
        return positions.reshape(y.shape[2:])[1:-1, 1:-1].flatten()
    return positions


def layout(codes: Float[Tensor, "m channels"], seed: int = 0) -> Float[np.ndarray, "m 2"]:
    """Where each activation is on the map, (x, y) from 0 to 1: t-SNE of cosine distances, started from two main axes.

    Perplexity 30 (fewer points: a third of them); exact neighbours and one thread, so that the same numbers give the
    same map (openTSNE: Policar et al. 2024, doi:10.18637/jss.v109.i03).

    Raises:
        Mistake: there are too few of them, or openTSNE is not installed.
    """
    if len(codes) < LEAST_ACTIVATIONS:
        raise Mistake(
            f"{len(codes)} activations are too few for a map, it needs {LEAST_ACTIVATIONS}; "
            "give more photographs, or more of each with --per-photo"
        )
    return in_unit_square(tsne(codes.double().numpy(), seed=seed, what="atlas"))


@dataclass(frozen=True)
class Cell:
    """A square of the map.

    Attributes:
        row, column: where it is, from the top left.
        members: the activations that fall into it.
    """

    row: int
    column: int
    members: tuple[int, ...]


def cells_of(points: Float[np.ndarray, "m 2"], side: int, least: int = 1) -> list[Cell]:
    """The cells of a grid of `side` x `side` over [0, 1]^2 into which at least `least` points fall, row by row."""
    at = np.minimum((points * side).astype(int), side - 1)
    found: dict[tuple[int, int], list[int]] = {}
    for i, (column, row) in enumerate(at.tolist()):
        found.setdefault((row, column), []).append(i)
    return [Cell(*place, tuple(members)) for place, members in sorted(found.items()) if len(members) >= least]


def averages(codes: Float[Tensor, "m channels"], cells: Sequence[Cell]) -> Float[Tensor, "cells channels"]:
    """The mean activation of each cell, in float64."""
    return torch.stack([codes[list(cell.members)].double().mean(0) for cell in cells])


def whitened(
    vectors: Float[Tensor, "cells channels"], codes: Float[Tensor, "m channels"], ridge: float = 0.01
) -> Float[Tensor, "cells channels"]:
    """C^-1 v for each vector v, C the second moments of the activations: what sets it apart from what is common.

    As lucid's `activation-atlas` notebooks, but for what is added to the diagonal of C: `ridge` times its mean, since
    there may be fewer activations than channels.
    """
    codes = codes.double()
    moments = codes.T @ codes / len(codes)
    moments += ridge * moments.diagonal().mean() * torch.eye(len(moments), dtype=moments.dtype)
    return torch.linalg.solve(moments, vectors.double().T).T


def crops(
    network: Network,
    photos: Sequence[Photo],
    layer: str,
    found: Activations,
    chosen: Sequence[int],
    side: int,
    fit: Fit,
) -> list[Float[Tensor, "1 3 side side"]]:
    """The part of its photograph that each chosen activation looks at, at `side` px.

    It is as large as the receptive field, but at most a third of the picture: what counts in a field is its middle
    (Luo et al. 2016, arXiv:1701.04128). Layers without rows and columns look at the whole picture.
    """
    whole = len(network.layer(layer).shape) != 3
    field = None if whole else network.receptive_field(layer)
    last: tuple[int, Tensor] | None = None
    made: dict[int, Tensor] = {}
    for i in sorted(chosen, key=lambda i: int(found.photo[i])):
        index = int(found.photo[i])
        if last is None or last[0] != index:
            last = index, feed(network, photos[index], fit).cpu().float()
        picture = last[1]
        if field is not None:
            top, left, bottom, right = field.box(*found.place[i].tolist())
            part = max(8, round(min(bottom - top, min(picture.shape[2:]) / 3)))
            corners = [
                int(min(max(0, middle - part / 2), size - part))
                for middle, size in zip(((top + bottom) / 2, (left + right) / 2), picture.shape[2:], strict=True)
            ]
            picture = picture[:, :, corners[0] : corners[0] + part, corners[1] : corners[1] + part]
        made[i] = resize(picture, (side, side))
    return [made[i] for i in chosen]
