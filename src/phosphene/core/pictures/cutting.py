"""The object in a photograph, cut out along its colours (GrabCut), from how much each pixel matters.

What matters tells an object's parts, not the whole of it. So the pixels that matter most tell the object's colours,
those that matter least the colours of what is behind, and a cut through the graph of neighbouring pixels (Boykov &
Jolly 2001, doi:10.1109/ICCV.2001.937505, as OpenCV's GrabCut does it: Rother et al. 2004, doi:10.1145/1015706.1015720)
carries that over the picture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

Seeds = Literal["colours", "fixed"]
"""What a seed tells: only which colours are on its side, or also that it is on that side itself."""

FOREGROUND, BACKGROUND = 0.95, 0.3  # quantiles of the saliency: Simonyan et al. 2014, arXiv:1312.6034, section 3.2
ROUNDS = 5  # with fixed seeds, which learns the colours again in each; OpenCV's tutorial takes as many
SMOOTH = (
    0.03  # of the shorter side: how far saliency is blurred before, so that areas are seeded; .02 to .04 are as good
)


def seeded(saliency: Float[np.ndarray, "h w"]) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Where saliency reaches its 95 % quantile, and where it does not exceed its 30 % quantile; never both.

    The paper says higher and smaller. Where many pixels are alike, such as those with gradient 0, that would leave no
    seeds; so both include the quantile, and the background leaves out the largest value.
    """
    low, high = np.quantile(saliency, [BACKGROUND, FOREGROUND])
    behind = (saliency <= low) & (saliency < saliency.max())
    return (saliency >= high) & ~behind, behind


def cut(
    cv2: Any,
    photo: UInt8[np.ndarray, "h w 3"],
    object_: Bool[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    seeds: Seeds,
) -> Bool[np.ndarray, "h w"]:
    """What GrabCut takes for the object."""
    colours = np.zeros((2, 1, 65))  # of what is behind, and of the object: five Gaussians each, as OpenCV keeps them
    with _repeatable(cv2):
        if seeds == "fixed":
            mask = np.where(behind, cv2.GC_BGD, np.where(object_, cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
            cv2.grabCut(photo, mask, None, *colours, ROUNDS, cv2.GC_INIT_WITH_MASK)
        else:
            pixels = np.concatenate([photo[object_], photo[behind]])[None]  # the seeds alone, as a picture of one row
            sides = np.repeat([cv2.GC_FGD, cv2.GC_BGD], [object_.sum(), behind.sum()]).astype(np.uint8)[None]
            cv2.grabCut(pixels, sides, None, *colours, 1, cv2.GC_INIT_WITH_MASK)
            mask = np.full(behind.shape, cv2.GC_PR_FGD, np.uint8)
            cv2.grabCut(photo, mask, None, *colours, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


@contextmanager
def _repeatable(cv2: Any) -> Iterator[None]:
    """With the same random numbers (GrabCut begins with k-means) and one thread, so that it can be replayed."""
    before = cv2.getNumThreads()
    cv2.setRNGSeed(0)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def largest_part(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The largest of the parts that hang together, across corners too; of equals the first, and nothing of nothing."""
    parts, many = ndimage.label(mask, np.ones((3, 3)))
    if not many:
        return mask
    return parts == 1 + np.bincount(parts.flatten())[1:].argmax()
