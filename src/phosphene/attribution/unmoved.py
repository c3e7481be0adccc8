"""Whether a unit's value depends on nothing but what is shown of it: everything outside of its box is changed.

What a unit can see is calculated along the graph (`core/networks/receptive_fields.py`). That is a claim about a
network, and this is its test: outside of the box every pixel becomes black, white or noise, and the value has to be the
same to its last bit. Both are read in the same way, of batches of one size under one plan, so that there is no other
cause for a difference. A field that was calculated too small, and layers that look at everything (attention, instance
normalization, pooling over the whole picture), show here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.index.boxes import seen_box
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.files import Photo
from phosphene.core.pictures.fitting import Box
from phosphene.core.units.exemplars import Peak, Position, field_of
from phosphene.core.units.inputs import Fit
from phosphene.core.units.photographs import fed
from phosphene.core.units.units import Unit

NOISES = 3
"""Different ones, beside black and white."""

CHANGES = ("black", "white", *(f"noise {seed}" for seed in range(NOISES)))


@dataclass(frozen=True)
class Unmoved:
    """What became of a unit's value as everything outside of its box was changed.

    Attributes:
        changes: how many there were; 0 where the box is the whole picture, which has no outside.
        equal: how many of them left every bit of it.
        largest: the largest difference.
        precision: what it was computed in.
        value: the unit's, of the picture as it is.
    """

    changes: int
    equal: int
    largest: float
    precision: str
    value: float

    @property
    def holds(self) -> bool:
        """Whether nothing outside of the box matters, as far as can be seen."""
        return self.equal == self.changes

    def record(self) -> dict[str, Any]:
        """It as plain data, ready for JSON."""
        return {"changes": self.changes, "bit-equal": self.equal, "largest difference": self.largest,
                "precision": self.precision}  # fmt: skip


def unmoved(
    network: Network, photos: Sequence[Photo], unit: Unit, peaks: Sequence[Peak], fit: Fit = "crop", batch: int = 16,
    boxes: Sequence[Box] | None = None,
) -> list[Unmoved]:  # fmt: skip
    """For each place of a unit what `CHANGES` outside of what it sees from there do to its value.

    Args:
        network: as it is to be read, by its own plan.
        photos: all of them; the peaks count in it.
        peaks: the places.
        fit: how a photograph becomes the network's input.
        batch: so many photographs at a time.
        boxes: what the unit is said to see, if not the exact `seen_box` of its layer's field.
    """
    found: list[Unmoved] = []
    field = field_of(network, unit, peaks)
    for indices, pictures in fed(network, [photos[peak.photo] for peak in peaks], fit, batch):
        at = [peaks[i].position for i in indices]
        size = pictures.shape[2], pictures.shape[3]
        own = [seen_box(field, one, size) if boxes is None else boxes[i] for i, one in zip(indices, at, strict=True)]
        values = _values(network, unit, at, pictures)
        moved = torch.stack([_values(network, unit, at, one) - values for one in changed(pictures, own)]).double()
        height, width = size
        for box, apart, value in zip(own, moved.abs().T.tolist(), values.tolist(), strict=True):
            whole = box[0] <= 0 and box[1] <= 0 and box[2] >= height and box[3] >= width
            many = 0 if whole else len(apart)
            found.append(Unmoved(many, 0 if whole else apart.count(0.0), max(apart), str(values.dtype)[6:], value))
    return found


def changed(pictures: Float[Tensor, "n c h w"], boxes: Sequence[Box]) -> Iterator[Float[Tensor, "n c h w"]]:
    """The pictures with everything outside of their boxes changed, in each of the ways of `CHANGES`."""
    outside = torch.ones_like(pictures[:, :1], dtype=torch.bool)
    for one, (top, left, bottom, right) in zip(outside, boxes, strict=True):
        one[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = False
    for value in (0.0, 1.0):
        yield torch.where(outside, value, pictures)
    for seed in range(NOISES):
        noise = Key(seed, range(len(pictures)), step=0).uniform(torch.arange(len(pictures)), pictures[0].numel())
        yield torch.where(outside, noise.view(pictures.shape).to(pictures), pictures)


@torch.no_grad()
def _values(
    network: Network, unit: Unit, positions: Sequence[Position], pictures: Float[Tensor, "n c h w"]
) -> Float[Tensor, " n"]:
    """What the unit says about each picture, at its own position there."""
    y = network.read(pictures, [unit.layer])[unit.layer]
    y = network.head.flat(y) if unit.layer == "logits" else y
    every = zip(y[:, unit.index or 0], positions, strict=True)
    return torch.stack([one if at is None else one[at] for one, at in every]).cpu()
