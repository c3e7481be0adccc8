"""A photograph through the eyes of a layer, place by place (Olah et al. 2018, doi:10.23915/distill.00010).

At each of its positions a layer says a vector over its channels. Each is a direction, and a picture that goes far in
this direction shows what the vector stands for; laid out like the photograph, the pictures show what the layer sees
where. A few groups of channels say the same in fewer pictures.
"""

from typing import Annotated, Unpack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import ATTENTION
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Nouns
from phosphene.core.optimization.settings_options import SettingsOptions
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import direction
from phosphene.core.options import Batch, Bounds, Seed
from phosphene.core.pictures.files import LEAST_SIDE, Photo
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.sheets import figure, grid
from phosphene.core.results.recipes import recipe
from phosphene.core.results.results import Result, Run
from phosphene.core.units.default_layers import halfway
from phosphene.core.units.inputs import Fit, code, feed
from phosphene.core.units.portraits import Portraits, default_side
from phosphene.core.units.presets import settings
from phosphene.features.factors import Factors, factorized

FRAME = 0.04  # of a group's picture, in the colour of its map
COLOURS = "e6194b 3cb44b 4363d8 f58231 911eb4 42d4f4 f032e6 bfef45 9a6324 ffe119".split()
"""Ten colours that are easy to tell apart (S. Trubetskoy's list); more groups begin again."""


@recipe("picture")
def activation_grid(
    network: Network,
    photo: Photo,
    *,
    layer: str | None = None,
    groups: Annotated[int | None, Bounds(1, 10_000)] = None,
    cell: Annotated[int | None, Bounds(LEAST_SIDE, 1000)] = None,
    scaled: bool = False,
    power: Annotated[float, Bounds(0, 100)] = 1.0,
    fit: Fit = "crop",
    batch: Batch = 64,
    seed: Seed = 0,
    **given: Unpack[SettingsOptions],
) -> Run:
    """Paint what LAYER sees at each place of PHOTO, and lay the pictures out as the photograph is.

    Args:
        network: the network to read.
        photo: a path, `skimage:NAME`, or pixels.
        layer: one with rows and columns; by default one above the middle.
        groups: paint so many groups of channels instead, and where each is (needs scikit-learn: phosphene[maps]).
        cell: side of a picture in pixels, by default 64, and for groups that of visualize.
        scaled: make each picture as large as its activation, the largest filling its cell.
        power: of the cosine in what is made large, dot * cos^power; more keeps closer to the direction.
        steps: how many moves; by default 32, for groups 128.
        rate: Adam's step; by default .1, twice visualize's, as moves are few.
        fit: how the photograph becomes the network's input.
        batch: so many pictures at a time go through the network.
        seed: of the start and the transforms, which all cells share so that alike directions look alike.
    """
    name = _with_places(network, layer)
    fed = feed(network, photo, fit)
    said = code(network, fed, name)
    if groups is not None:
        found = factorized(said, groups, seed)
        vectors, side = found.directions, cell or default_side(network)
    else:
        vectors, side = said[0].flatten(1).T, cell or 64
    usual = {"robustness": "lucid", "steps": 128 if groups else 32, "rate": 0.1}
    chosen = settings("default", usual | given)
    if groups and chosen.transparency != "none":
        raise Mistake("groups are laid over one another as colours, so their pictures can't be transparent")
    many = len(vectors)
    parts = [(list(range(many)), direction(name, vectors.to(fed), power))]
    portraits = Portraits(
        network, parts, [0] * many, chosen, (side, side), nouns=Nouns.among(given), seed=seed, batch=batch
    )
    shown = fed.float().cpu()

    def finish(step: Step) -> Result:
        cells = portraits.shown(step).float().cpu()
        if groups is not None:
            return _grouped(network, name, shown, cells, found, step.index)
        sizes = said[0].norm(dim=0).float().cpu()
        rows, columns = sizes.shape
        sheet = grid(_shrunk(cells, sizes.flatten()) if scaled else cells, columns, gap=0)
        caption = f"what {name} says at each of {rows} x {columns} places"
        panels = [("the network's input", shown), (caption, sheet)]
        title = f"What {name} of {network.name} sees"
        return Result(
            image=sheet,
            names=[name],
            numbers=[{"layer": name, "shape": [rows, columns], "largest": float(sizes.max()), "steps": step.index}],
            panels=[panels],
            title=title,
            input=shown,
            values=said.float().cpu().numpy(),
            drawing=figure(panels, title, side=560),
        )

    return Run(portraits.path, total=chosen.steps, names=[name], finish=finish)


def _with_places(network: Network, layer: str | None) -> str:
    """The name of a layer with rows and columns.

    Raises:
        Mistake: it has none.
    """

    def has(name: str) -> bool:
        found = network.layer(name)
        return len(found.shape) == 3 and found.tap.function != ATTENTION

    name = network.layer(layer).name if layer else halfway(network)
    if not has(name):
        others = [other.name for other in network.layers.values() if has(other.name) and min(other.shape[1:]) > 1]
        instead = f"take one that has, for example {others[-1]}" if others else "nor has any other layer of it"
        raise Mistake(f"{name} of {network.name} has no rows and columns to lay pictures out by; {instead}")
    return name


def _shrunk(cells: Float[Tensor, "n 3 s s"], sizes: Float[Tensor, " n"]) -> Float[Tensor, "n 3 s s"]:
    """Each cell as large as its activation, the largest in full, in the middle of white."""
    side = cells.shape[-1]
    framed = torch.ones_like(cells)
    for i, share in enumerate((sizes / sizes.max()).tolist()):
        if (small := round(share * side)) > 0:
            at = (side - small) // 2
            framed[i, :, at : at + small, at : at + small] = resize(cells[i : i + 1], (small, small))[0]
    return framed


# ------------------------------------------------------------------------------------------------------- groups


def _grouped(
    network: Network, name: str, fed: Float[Tensor, "1 3 h w"], cells: Tensor, found: Factors, steps: int
) -> Result:
    """The groups' pictures in a row, framed in their colours; below, where each is; in the figure, all of them."""
    many, side = len(cells), cells.shape[-1]
    colours = _colours(many)
    maps = F.interpolate(found.maps[:, None].float(), fed.shape[2:], mode="bilinear")[:, 0]
    each = torch.cat([_tinted(fed, maps[[i]], colours[[i]]) for i in range(many)])
    below = resize(each, (round(side * fed.shape[2] / fed.shape[3]), side))
    sheet = torch.cat([grid(_framed(cells, colours), many), grid(below, many)], 2)
    shares = (found.maps.sum((1, 2)) / found.maps.sum()).tolist()
    left_out = f"; negative activations, {100 * found.negative:.1f} % of the square, are left out"
    captions = [("the network's input, and which group is where", torch.cat([fed, _tinted(fed, maps, colours)], 2))]
    for i, share in enumerate(shares):
        words = f"group {i + 1}: {100 * share:.0f} % of the activation"
        captions.append((words, torch.cat([_framed(cells, colours)[[i]], below[[i]]], 2)))
    title = f"What {name} of {network.name} sees in {many} groups, which miss {100 * found.error:.0f} %"
    title += left_out if found.negative else ""
    return Result(
        image=sheet,
        names=[name],
        numbers=[
            {
                "layer": name,
                "shape": list(found.maps.shape[1:]),
                "groups": many,
                "error": found.error,
                "negative": found.negative,
                "shares": shares,
                "steps": steps,
            }
        ],
        panels=[captions],
        title=title,
        input=fed,
        values=found.maps.float().numpy()[None],
    )


def _colours(many: int) -> Float[Tensor, "n 3"]:
    every = [COLOURS[i % len(COLOURS)] for i in range(many)]
    return torch.tensor([list(bytes.fromhex(colour)) for colour in every]) / 255


def _framed(cells: Float[Tensor, "n 3 s s"], colours: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 s s"]:
    width = max(1, round(FRAME * cells.shape[-1]))
    framed = colours[:, :, None, None].expand_as(cells).clone()
    framed[:, :, width:-width, width:-width] = cells[:, :, width:-width, width:-width]
    return framed


def _tinted(
    fed: Float[Tensor, "1 3 h w"], maps: Float[Tensor, "n h w"], colours: Float[Tensor, "n 3"]
) -> Float[Tensor, "1 3 h w"]:
    """The photograph in grey, darkened, and over it each map in its colour; the largest of all maps is opaque."""
    grey = 0.6 * fed.mean(1, keepdim=True).expand_as(fed)
    shares = (maps / maps.amax().clamp(min=torch.finfo(torch.float32).tiny)).clamp(min=0)
    total = shares.sum(0)
    colour = torch.einsum("nhw,nc->chw", shares, colours)[None] / total.clamp(min=torch.finfo(torch.float32).tiny)
    opacity = 0.85 * shares.amax(0)
    return (1 - opacity) * grey + opacity * colour
