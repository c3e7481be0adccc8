"""Cover at random and see what the network then says (RISE, Petsiuk et al. 2018, arXiv:1806.07421).

A mask is a coarse grid of zeros and ones, scaled up smoothly and shifted at random; a pixel's importance is the mean of
the score over the masks that leave it visible: sum_i f(x m_i) m_i / (N p). It asks for scores alone, no gradient.
"""

from collections.abc import Iterator
from typing import Annotated, Unpack

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.attribution.baselines import Baseline, baseline_pictures
from phosphene.attribution.emptiness import rounding_apart
from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.maps import Growing, Maps
from phosphene.attribution.question import Pictures, Question, every
from phosphene.core.errors import Mistake, check_range
from phosphene.core.optimization.keys import Key
from phosphene.core.options import Bounds, Seed


def random_masks(
    indices: range, size: tuple[int, int], cells: int, visible: float, seed: int
) -> Float[Tensor, "many h w"]:
    """Masks in [0, 1], float32; the i-th one is the same whoever asks for it.

    cells x cells zeros and ones, a share of `visible` of them ones on average, are scaled up bilinearly to cells + 1
    times the size of a cell, which is the picture's side over `cells`, rounded up; and cut out at a random place.
    """
    height, width = (-(-side // cells) for side in size)
    found = []
    for index in indices:
        drawn = Key(seed, [0], step=index).uniform(torch.zeros(1, dtype=torch.long), cells**2 + 2)[0]
        coarse = (drawn[2:] < visible).float().view(1, 1, cells, cells)
        top, left = int(drawn[0] * height), int(drawn[1] * width)
        large = F.interpolate(coarse, ((cells + 1) * height, (cells + 1) * width), mode="bilinear", align_corners=False)
        found.append(large[0, 0, top : top + size[0], left : left + size[1]].clamp(0, 1))  # rounding
    return torch.stack(found)


def _unless_same(
    maps: Float[Tensor, "n h w"], low: Float[Tensor, " n"], high: Float[Tensor, " n"]
) -> Float[Tensor, "n h w"]:
    """The maps; where the score was the same behind every mask, that number: the rest is how often a pixel was visible.

    Args:
        low, high: the least and the largest score.
    """
    same = rounding_apart(low, high)[:, None, None]
    return torch.where(same, ((low + high) / 2)[:, None, None], maps)


@explains(
    "how probable it is where a pixel is visible", "sensitivity", "overlay", relative=True, score="p", purpose="search"
)
def rise(
    asked: Question,
    pictures: Pictures,
    *,
    masks: Annotated[int, Bounds(1, 100_000)] = 4000,
    cells: Annotated[int, Bounds(1, 1000)] = 7,
    visible: Annotated[float, Bounds(0, 1)] = 0.5,
    occluder: Baseline = "zero",
    seed: Seed = 0,
    **common: Unpack[Common],
) -> Growing:
    """Show how high the score is on average where a pixel is visible, behind random masks (RISE, Petsiuk et al.).

    Args:
        masks: how many masks.
        cells: of a mask along a side.
        visible: the share of cells that are.
        occluder: what is where a mask is: zero (the network's mean colour, as in the paper), black, grey, mean, blur or
            noise.
        seed: of the masks, which are the same for every picture.
    """
    check_range("cells", cells, 1, min(pictures.shape[2:]))
    if not 0 < visible < 1:
        raise Mistake(f"{visible:g} is not a valid value for visible: it must be between 0 and 1")
    behind = baseline_pictures(asked.network, pictures, occluder, seed)
    rows, size = every(pictures), (pictures.shape[2], pictures.shape[3])
    many = max(1, asked.batch // len(pictures))

    def run() -> Iterator[tuple[int, Maps]]:
        facts = [{"value": float(value)} for value in asked.values(pictures, rows)]
        total = pictures.new_zeros(len(pictures), *size)
        low, high = total.new_full((len(pictures),), torch.inf), total.new_full((len(pictures),), -torch.inf)
        for start in range(0, masks, many):
            part = range(start, min(start + many, masks))
            some = random_masks(part, size, cells, visible, seed).to(pictures)
            variants = torch.lerp(behind[None], pictures[None], some[:, None, None]).flatten(0, 1)
            said = asked.values(variants, rows.repeat(len(part))).unflatten(0, (len(part), -1))
            total = total + torch.einsum("sn,shw->nhw", said, some)
            low, high = torch.minimum(low, said.amin(0)), torch.maximum(high, said.amax(0))
            yield part.stop, Maps(_unless_same(total / (part.stop * visible), low, high), facts)

    return Growing(masks, run())
