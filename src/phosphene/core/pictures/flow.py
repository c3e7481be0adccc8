"""Where things go from one frame of a film to another, and pictures that go along.

Optical flow by dense inverse search (Kroeger, Timofte, Dai & Van Gool 2016, arXiv:1603.03590), as OpenCV has it. Where
the flow from one frame to the other and the flow back do not cancel, something was covered; there it says nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from phosphene.core.extras import needed
from phosphene.core.pictures.eight_bit import to_uint8

Flow = Float[Tensor, "1 2 h w"]
"""How far each pixel goes, to the right and down, in pixels."""

CUT = 0.7
"""A shot begins where so much of a picture has come from nowhere. In a pan across bushes it is up to .5, at cuts from
.8 on."""

LEAST_SIDE = 16
"""Pixels: two of the search's windows. In smaller pictures nothing is found, and the flow is zero."""


def flow(there: Float[Tensor, "1 3 h w"], here: Float[Tensor, "1 3 h w"]) -> Flow:
    """For each pixel p of `here` the w with here(p) = there(p + w), by OpenCV's DIS on 8-bit grey.

    Raises:
        Mistake: OpenCV is not installed.
    """
    cv2 = needed("cv2", "what moves in a film", "OpenCV", "flow")
    if min(here.shape[2:]) < LEAST_SIDE:
        return torch.zeros(1, 2, *here.shape[2:])
    first, second = (cv2.cvtColor(to_uint8(one)[0], cv2.COLOR_RGB2GRAY) for one in (here, there))
    with _one_thread(cv2):
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found = search.calc(first, second, None)
    return torch.from_numpy(np.ascontiguousarray(found)).permute(2, 0, 1)[None]


@contextmanager
def _one_thread(cv2: Any) -> Iterator[None]:
    """The search goes through as many strips of a picture as there are threads, and the strips can be seen in it."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def warped(pictures: Float[Tensor, "1 c h w"], by: Flow) -> Float[Tensor, "1 c h w"]:
    """pictures(p + w(p)), bicubic (Keys 1981, a = -3/4); what would come from outside is the border's nearest pixel."""
    height, width = by.shape[2:]
    columns, rows = torch.arange(width).to(by), torch.arange(height).to(by)
    x = (2 * (columns + by[:, 0]) + 1) / width - 1
    y = (2 * (rows[:, None] + by[:, 1]) + 1) / height - 1
    grid = torch.stack([x, y], 3).to(pictures)
    return torch.nn.functional.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)


def consistent(forward: Flow, back: Flow) -> Bool[Tensor, "1 1 h w"]:
    """Where the flow back says what came from where: not where something was uncovered, or came in.

    There w, the flow forward taken along to this frame, and v, the flow back, do not cancel: |w + v|^2 >
    .01 (|w|^2 + |v|^2) + .5 (Ruder, Dosovitskiy & Brox 2016, arXiv:1604.08610, 3.2).

    Args:
        forward: for each pixel of the frame before where it is in this one.
        back: for each pixel of this frame where it was in the one before.
    """
    along = warped(forward, back)
    lengths = (along.square() + back.square()).sum(1, keepdim=True)
    uncovered = (along + back).square().sum(1, keepdim=True) > 0.01 * lengths + 0.5
    height, width = back.shape[2:]
    x, y = torch.arange(width) + back[:, :1], torch.arange(height)[:, None] + back[:, 1:]
    return ~uncovered & (x > -1) & (x < width) & (y > -1) & (y < height)


def reliable(forward: Flow, back: Flow) -> Bool[Tensor, "1 1 h w"]:
    """The same without the edges of what moves, where |grad v_x|^2 + |grad v_y|^2 > .01 |v|^2 + .002."""
    down, right = torch.gradient(back, dim=(2, 3))
    steep = (down.square() + right.square()).sum(1, keepdim=True)
    return consistent(forward, back) & (steep <= 0.01 * back.square().sum(1, keepdim=True) + 0.002)


def begins_shot(clear: Bool[Tensor, "1 1 h w"]) -> bool:
    """Whether a film is cut before a frame.

    Args:
        clear: where the flow from the frame before is consistent.
    """
    return clear.float().mean().item() < 1 - CUT


def motions(film: Iterable[Float[Tensor, "1 3 h w"]]) -> list[tuple[Flow, Bool[Tensor, "1 1 h w"]]]:
    """From each frame but the first one to the frame before it, and where that is reliable."""
    found = []
    for before, now in pairwise(film):
        back = flow(before, now)
        found.append((back, reliable(flow(now, before), back)))
    return found


def warp_error(
    frames: Iterable[Float[Tensor, "1 3 h w"]], moved: Sequence[tuple[Flow, Bool[Tensor, "1 1 h w"]]]
) -> float:
    """How much a film flickers: the mean squared difference of each frame and the one before, taken along.

    Over all reliable pixels of all frames, in 8-bit levels squared (Ruder, Dosovitskiy & Brox 2016, arXiv:1604.08610,
    section 5.2, have it in [0, 1]). nan, where no pixel is reliable.

    Args:
        frames: what was made of a film, in [0, 1].
        moved: the `motions` of the film itself.
    """
    total, many = 0.0, 0
    for (before, now), (back, clear) in zip(pairwise(frames), moved, strict=True):
        apart = (now - warped(before, back)).square().mean(1)[0]
        total, many = total + apart[clear[0, 0]].sum().item(), many + int(clear.sum())
    return total / many * 255**2 if many else float("nan")
