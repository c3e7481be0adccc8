"""A style over a film: one transform for each shot, from the statistics of frames out of all of it.

Frame by frame the statistics follow what comes into view, and so do the colours of everything that stays where it is.
Pooled, they are the same for all frames of a shot. What is left of flickering comes from networks and decoders, which
see every other pixel only and paint a stroke anew when its place has changed by one. So a part of the frame before goes
along with what moves,

    y_t + carry c_t (W_t(y_(t-1)) - y_t)

W_t by the optical flow of the film itself, c_t 1 where that is consistent (Ruder, Dosovitskiy & Brox 2016,
arXiv:1604.08610). How much a film flickers is told by their warp error: each frame against the one before, taken along.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.steps import Step
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.flow import begins_shot, consistent, flow, motions, warp_error, warped
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.reels import Earlier, Reel
from phosphene.core.results.results import Result, Run

POOLED = 8
"""Frames of a shot whose statistics are taken together, evenly out of it."""

Fixed = TypeVar("Fixed")
"""What all frames of a shot have in common."""


@runtime_checkable
class Painter(Protocol[Fixed]):
    """A style, ready for pictures."""

    def pooled(self, frames: Sequence[Float[Tensor, "1 3 h w"]]) -> Fixed:
        """What is to stay the same, from all of these frames together."""

    def pictures(
        self, photo: Float[Tensor, "1 3 h w"], fixed: Fixed | None = None
    ) -> Iterator[Float[Tensor, "1 3 _ _"]]:
        """A picture in the making; by default it stands for itself."""

    def total(self, size: tuple[int, int]) -> int:
        """How many pictures that yields."""

    def told(self, done: int) -> dict[str, Any]:
        """What is to be said of a picture behind so many of them."""


SOFT = 5
"""Pixels: width of the edge of what goes along."""

THUMB = 96
"""Pixels of the longer side at which cuts are looked for."""


def shots(film: Footage) -> list[range]:
    """The frames of each shot of a film."""
    scale = min(THUMB / max(film.size), 1)
    height, width = (max(round(side * scale), 16) for side in film.size)
    small = (resize(film.frame(index), (height, width)) for index in range(len(film)))
    begins = [0]
    for index, (before, now) in enumerate(pairwise(small), 1):
        if begins_shot(consistent(flow(now, before), flow(before, now))):
            begins.append(index)
    return [range(*pair) for pair in pairwise([*begins, len(film)])]


def spread(frames: range, many: int) -> list[int]:
    """So many of these frames, evenly, each in the middle of its part."""
    many = min(many, len(frames))
    return [frames[(2 * k + 1) * len(frames) // (2 * many)] for k in range(many)]


@dataclass(frozen=True)
class FilmStyle(Generic[Fixed]):
    """The frames of a film in a style.

    Attributes:
        network: the network to read.
        film: the film.
        how: the style.
        name: of the film.
        size: (height, width) at which the frames are painted.
        pooled: whether all frames of a shot have one transform; else each has its own.
        carry: how much of a frame comes from the one before, where the flow says from where.
    """

    network: Network
    film: Footage
    how: Painter[Fixed]
    name: str
    size: tuple[int, int]
    pooled: bool = True
    carry: float = 0.0
    _shots: list[range] = field(default_factory=list, init=False)
    _fixed: dict[range, Fixed] = field(default_factory=dict, init=False)

    def reel(self) -> Reel:
        """The film, with the other one's times and sound."""
        return Reel(self.frame, self.film.times, name=self.name, sound=self.film.path)

    def shot(self, index: int) -> range:
        """The frames of the shot that a frame is in."""
        if not self._shots:
            self._shots.extend(shots(self.film))
        return next(shot for shot in self._shots if index in shot)

    def fixed(self, shot: range) -> Fixed:
        """What stays the same all through a shot."""
        if shot not in self._fixed:
            self._fixed.clear()  # shots come one after the other
            self._fixed[shot] = self.how.pooled([self._exact(self.input(k)) for k in spread(shot, POOLED)])
        return self._fixed[shot]

    def input(self, index: int) -> Float[Tensor, "1 3 h w"]:
        """A frame of the film at the size of those that are made."""
        return resize(self.film.frame(index), self.size)

    def frame(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame."""
        shot = self.shot(index)
        fixed = self.fixed(shot) if self.pooled else None
        before = earlier(index - 1) if index > shot.start else None

        def path() -> Iterator[Step]:
            begun, total = self._exact(self.input(index)), self.how.total(self.size)
            yield Step(0, begun, torch.zeros(1))
            for k, picture in enumerate(self.how.pictures(begun, fixed), 1):
                if before is not None and self.carry and k == total:
                    picture = self._carried(index, before, picture)
                yield Step(k, picture, torch.zeros(1))

        def finish(step: Step) -> Result:
            image = step.pictures.float().cpu()
            numbers = self.how.told(step.index)
            numbers |= {"shot": [shot.start, shot.stop - 1], "seconds": self.film.times[index]}
            if before is not None:
                moved = motions(self._pair(index, image))
                numbers["warp error"] = warp_error([before, (image * 255).round() / 255], moved)
            return Result(image, [self.name], [numbers], title=f"frame {index} of {len(self.film)}")

        return Run(path(), total=self.how.total(self.size), names=[self.name], finish=finish)

    def _carried(
        self, index: int, before: Float[Tensor, "1 3 h w"], picture: Float[Tensor, "1 3 h w"]
    ) -> Float[Tensor, "1 3 h w"]:
        """A frame with its part of the one before it."""
        there, here = self._pair(index, picture)
        back = flow(there, here)
        clear = consistent(flow(here, there), back).float()
        weight = self.carry * clear * F.avg_pool2d(clear, SOFT, 1, SOFT // 2, count_include_pad=False)
        return picture.lerp(warped(before, back).clamp(0, 1).to(picture), weight.to(picture))

    def _pair(self, index: int, made: Float[Tensor, "1 3 h w"]) -> list[Float[Tensor, "1 3 h w"]]:
        """A frame's input and the one before it, at the size of what is made of it."""
        size = (made.shape[2], made.shape[3])
        return [resize(self.input(k), size) for k in (index - 1, index)]

    def _exact(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        return precise(picture, working_dtype(self.network)).to(self.network.device)
