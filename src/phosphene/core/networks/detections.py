"""What a detector returns, as numbers of one shape: for each box one column, its class's score and its corners.

Detectors return a list, for each picture a dict of `boxes` (many, 4), `labels` and `scores`. As logits that is
(n, classes + 4, boxes): a box's score stands in the row of its class, its corners x1, y1, x2, y2 in the last four.
Gradients flow back from the scores.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phosphene.core.errors import Mistake

CORNERS = 4
MOST = 300
"""Boxes of a picture that are kept, the most probable first; fewer are filled up with boxes of no class."""


def is_detections(returned: Any) -> bool:
    """Whether this is what a detector returns."""
    return (
        isinstance(returned, (list, tuple))
        and bool(returned)
        and all(isinstance(one, Mapping) and {"boxes", "labels", "scores"} <= set(one) for one in returned)
    )


def classes_of(model: nn.Module, labels: int | None) -> int:
    """How many classes a detector tells apart: as many as have names, or as its parts say.

    Raises:
        Mistake: that can't be told.
    """
    every = (getattr(module, "num_classes", None) for module in model.modules())
    told = [number for number in every if isinstance(number, int)]
    if labels is None and not told:
        raise Mistake(f"{type(model).__name__} finds boxes, and it can't be told of how many classes; give labels")
    return labels or max(told)


def as_logits(returned: Any, classes: int) -> Float[Tensor, "n rows boxes"]:
    """Scores and corners of all boxes.

    Raises:
        Mistake: a box of a class beyond those.
    """
    columns = []
    for one in returned:
        boxes, labels, scores = (one[key][:MOST] for key in ("boxes", "labels", "scores"))
        if len(labels) and int(labels.max()) >= classes:
            raise Mistake(f"there is a box of class {int(labels.max())}, and only {classes} classes; give all labels")
        rows = scores.new_zeros(classes, MOST)
        columns_of = torch.arange(len(scores), device=scores.device)
        rows = rows.index_put((labels.long(), columns_of), scores)
        corners = scores.new_zeros(CORNERS, MOST)
        corners[:, : len(boxes)] = boxes.detach().T
        columns.append(torch.cat([rows, corners]))
    return torch.stack(columns)


def overlap(corners: Float[Tensor, "n 4 boxes"], region: Float[Tensor, "n 4"]) -> Float[Tensor, "n boxes"]:
    """How much of each box and the region together is in both (intersection over union); 0 of empty boxes.

    Args:
        corners: x1, y1, x2, y2 of each box.
        region: of each picture.
    """
    other = region[:, :, None]
    low, high = torch.maximum(corners[:, :2], other[:, :2]), torch.minimum(corners[:, 2:], other[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    sizes = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (corners, other)]
    return both / (sizes[0] + sizes[1] - both).clamp(min=1e-12)
