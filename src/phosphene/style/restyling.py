"""A style put into pictures level by level: read, moved to the style's statistics, decoded, and on to a shallower one.

    x_k = D_k((1 - strength) f + strength T_k(f)),  f = Phi_k(x_(k-1)),  x_0 the photograph

(Li et al. 2017, arXiv:1705.08086, section 3.3; with a single level and AdaIN that of Huang & Belongie 2017,
arXiv:1703.06868.) T_k comes from the moments of these features and of the style's at the same level. For a film it
comes from several frames at once and stays: what one frame happens to show does not change the others' colours.

A small decoder makes blurs, with a style and without one; what it loses without one is known, and can be put back:

    x_k = D_k((1 - strength) f + strength T_k(f)) + detail (x_(k-1) - D_k(f))
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.style.levels import Level
from phosphene.style.moments import Moments, added, blended, gram_distance
from phosphene.style.transforms import Method, Transform, exact_moments, transformed

MARGIN = 2
"""Positions of the deepest level that a picture is continued by at each border, mirrored: what networks and decoders
make of a border is cut off again."""


@dataclass(frozen=True)
class Restyling:
    """A style, ready for pictures.

    Attributes:
        levels: the deepest first.
        styles: pictures.
        shares: how much each of them counts.
        method: how features get the style's statistics.
        strength: how far.
        detail: how much of what decoders lose of a picture is put back.
    """

    levels: Sequence[Level]
    styles: Sequence[Float[Tensor, "1 3 _ _"]]
    shares: Sequence[float]
    method: Method
    strength: float
    detail: float = 0.0

    @cached_property
    def wanted(self) -> list[Moments]:
        """The styles' moments at each level, blended."""
        return [
            blended([self._moments(level, self.framed(style)) for style in self.styles], self.shares)
            for level in self.levels
        ]

    def _moments(self, level: Level, picture: Float[Tensor, "1 3 h w"]) -> Moments:
        return exact_moments(level.features(picture).flatten(2))

    def framed(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 fh fw"]:
        """The picture with mirrored margins, so that positions of every level are whole."""
        step = max(level.stride for level in self.levels)
        for axis in (2, 3):
            side = picture.shape[axis]
            last = max(side - 1, 1)
            along = torch.arange(-MARGIN * step, side + MARGIN * step + -side % step, device=picture.device)
            picture = picture.index_select(axis, last - (along.remainder(2 * last) - last).abs())
        return picture

    def unframed(self, picture: Float[Tensor, "1 3 fh fw"], size: tuple[int, int]) -> Float[Tensor, "1 3 h w"]:
        """The picture again, without margins."""
        margin = MARGIN * max(level.stride for level in self.levels)
        return picture[:, :, margin : margin + size[0], margin : margin + size[1]]

    def pictures(
        self, photo: Float[Tensor, "1 3 h w"], fixed: Sequence[Transform] | None = None
    ) -> Iterator[Float[Tensor, "1 3 h w"]]:
        """The picture behind each level.

        Args:
            fixed: what becomes of the features of each level, instead of what its own moments say.
        """
        x, size = self.framed(photo), (photo.shape[2], photo.shape[3])
        for k, level in enumerate(self.levels):
            features = level.features(x)
            transform = self.transform(k, [features]) if fixed is None else fixed[k]
            x = self._moved(level, x, features, transform)
            yield self.unframed(x, size)

    def transform(self, index: int, features: Sequence[Float[Tensor, "1 c rows columns"]]) -> Transform:
        """What becomes of features of a level, from the moments of all of these together."""
        return self.method(added([exact_moments(one.flatten(2)) for one in features]), self.wanted[index])

    def pooled(self, frames: Sequence[Float[Tensor, "1 3 h w"]]) -> list[Transform]:
        """What becomes of the features of each level, from the moments of all frames together."""
        pictures, found = [self.framed(frame) for frame in frames], []
        for k, level in enumerate(self.levels):
            features = [level.features(x) for x in pictures]
            found.append(self.transform(k, features))
            pictures = [self._moved(level, x, one, found[k]) for x, one in zip(pictures, features, strict=True)]
        return found

    def total(self, size: tuple[int, int]) -> int:
        """How many pictures there are on the way."""
        return len(self.levels)

    def told(self, done: int) -> dict[str, Any]:
        """What is to be said of the picture behind so many levels."""
        return {"layers": [level.layer for level in self.levels[:done]], "strength": self.strength}

    def _moved(
        self, level: Level, x: Float[Tensor, "1 3 h w"], features: Float[Tensor, "1 c rows columns"],
        transform: Transform,
    ) -> Float[Tensor, "1 3 h w"]:  # fmt: skip
        """The picture behind a level."""
        size = (x.shape[2], x.shape[3])
        moved = transformed(features.flatten(2), [(transform, None)], self.strength)
        found = level.pictures(moved.view_as(features), size)
        if not self.detail:
            return found
        return (found + self.detail * (x - level.pictures(features, size))).clamp(0, 1)

    def losses(
        self, photo: Float[Tensor, "1 3 h w"], picture: Float[Tensor, "1 3 h w"]
    ) -> tuple[float, dict[str, dict[str, float]]]:
        """How far a picture is from the photograph and from the style.

        Returns:
            |f - f*|^2 / |f*|^2 of the deepest level's features; and for each level the normalized distance of Gram
            matrices to the style's, of the photograph and of the picture.
        """
        before, now = self.framed(photo), self.framed(picture)
        style: dict[str, dict[str, float]] = {}
        for level, wanted in zip(self.levels, self.wanted, strict=True):
            found = {"photo": before, "picture": now}
            style[level.layer] = {
                name: gram_distance(self._moments(level, x), wanted).item() for name, x in found.items()
            }
        there, here = (self.levels[0].features(x).double() for x in (before, now))
        return ((here - there).square().sum() / there.square().sum()).item(), style


def summary(style: Mapping[str, Mapping[str, float]]) -> str:
    """The style's distance over all levels in words."""
    before, now = (sum(one[name] for one in style.values()) / len(style) for name in ("photo", "picture"))
    return f"style loss {now:.2g}, of the photograph {before:.2g}"
