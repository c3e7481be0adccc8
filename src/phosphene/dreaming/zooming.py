"""A zoom film: each frame is the one before, enlarged about its middle and dreamt again (google/deepdream, 2015).

What is new in the middle is dreamt into what enlarging has blurred, so that the way inwards never ends. Backward it
never ends outwards: the same frames, the last one first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import stages
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.steps import Step
from phosphene.core.options import Bounds, Words, shown
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.results.reels import Earlier, Reel
from phosphene.core.results.results import Result, Run
from phosphene.core.units.units import AnyUnit, stems
from phosphene.dreaming.colours import Colours, coloured
from phosphene.dreaming.octaves import Octaves, at_size


class ZoomOptions(TypedDict, total=False):
    """What a zoom film may be told."""

    zoom_film: Annotated[int, Bounds(2, 100_000), Words("a film of so many frames, each a dream of the one before")]
    zoom_by: Annotated[float, Bounds(0.25, 4), Words("enlarge each frame so much; below 1: backward (1.05)")]
    turn: Annotated[float, Bounds(-180, 180), Words("turn each frame by so many degrees, clockwise (0)")]
    loop: Annotated[bool, Words("let the film end where it begins")]
    zoom_steps: Annotated[int, Bounds(0, 10_000), Words("moves at each size of every frame but the first (2)")]
    frame_rate: Annotated[float, Bounds(1, 60), Words("frames a second (15)")]


LEAST = 2
"""A loop enlarges at least so much: less, and the first frame would fill most of the last ones."""

SEEN = 8
"""In a loop the first frame comes into sight when so much enlargement is left: a small picture in the middle."""

PULLED = 0.5
"""Such a part of the way each frame is brought back to the brightness and contrast of the first one."""

SOFT = 0.4
"""Width of that picture's soft edge, of half its side; less when it nearly fills the frame."""

SHARP = 1.5
"""So much smaller a picture is sampled as it is: antialiased it would lose what makes it sharp."""


@dataclass(frozen=True)
class Zoom:
    """How a zoom film goes on from frame to frame.

    Attributes:
        frames: how many.
        by: how much a frame is enlarged for the next one, more than 1.
        turn: by how many degrees it is turned then, clockwise.
        loop: whether the film ends in its first frame.
        backward: whether the last frame is shown first.
        rate: frames a second.
        steps: number of moves at each size, of the frames after the first.
    """

    frames: int
    by: float = 1.05
    turn: float = 0.0
    loop: bool = False
    backward: bool = False
    rate: float = 15.0
    steps: int = 2

    def __post_init__(self) -> None:
        enough = math.ceil(math.log(LEAST) / math.log(self.by))
        if self.loop and self.frames < enough:
            raise Mistake(
                f"a loop needs at least {enough} frames where each is enlarged by {shown(self.by)}, not {self.frames}: "
                f"the picture has to become {LEAST} times as large before it comes again"
            )

    @property
    def closing(self) -> int:
        """In so many frames at the end the first one is in sight."""
        return min(self.frames - 1, math.ceil(math.log(SEEN) / math.log(self.by))) if self.loop else 0


@dataclass(frozen=True)
class Zooming:
    """The frames of a zoom film.

    Attributes:
        network: the network to read.
        whole: the photograph, at the network's precision.
        how: its dream.
        zoom: from frame to frame.
        word, name: what is dreamt of, for people and for files.
        seed: of the random shifts.
        colours: of the dream.
    """

    network: Network
    whole: Float[Tensor, "1 3 h w"]
    how: Octaves
    zoom: Zoom
    word: str
    name: str
    seed: int = 0
    colours: Colours = "dreamt"

    def reel(self) -> Reel:
        """The film."""
        times = [index / self.zoom.rate for index in range(self.zoom.frames + 1)]
        return Reel(self.frame, times, name=self.name, backward=self.zoom.backward)

    def frame(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame: the dream of the photograph, or of the frame before, enlarged."""
        how, base = self.how, self.whole
        closed: Callable[[Tensor], Tensor] = as_it_is
        if index:
            how = replace(how, settings=how.settings.but({"steps": self.zoom.steps}))
            closed = self._closing(index, earlier)
            base = zoomed(self._read(earlier(index - 1)), self.zoom.by, self.zoom.turn)
            base = closed(like(base, self._read(earlier(0)), PULLED))
        octaves = len(how.sizes)

        def painted(step: Step) -> Tensor:
            size = (step.pictures.shape[2], step.pictures.shape[3])
            source = self.whole if self.colours == "histogram" else base
            dreamt = coloured(step.pictures, at_size(source, size), self.colours)
            return closed(dreamt) if size == how.sizes[-1] else dreamt

        def finish(step: Step) -> Result:
            picture = painted(step).float().cpu()
            numbers = {"layer": self.word, "value": -step.values.item(), "sizes": how.sizes, "steps": step.index}
            return Result(picture, [self.name], [numbers], title=f"frame {index} of {self.zoom.frames}")

        path = stages(how.ascents(self.network, base, 1), Key(self.seed, [0], stage=index * octaves))
        return Run(path, total=how.settings.steps * octaves, names=[self.name], finish=finish, shown=painted)

    def _read(self, kept: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        return precise(kept, working_dtype(self.network)).to(self.network.device)

    def _closing(self, index: int, earlier: Earlier) -> Callable[[Tensor], Tensor]:
        """What puts the first frame into the middle of this one, where the film is to end in it.

        The more is to be enlarged until then, the more it is dreamt over.
        """
        left = self.zoom.frames - index
        if left > self.zoom.closing:
            return as_it_is
        first = self._read(earlier(0))
        part = (1 - (left - 1) / self.zoom.closing) ** 2

        def closed(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
            return ahead(picture, first, self.zoom.by**left, self.zoom.turn * left, part)

        return closed


def zoom_film(
    network: Network, whole: Float[Tensor, "1 3 h w"], how: Octaves, aims: Sequence[AnyUnit], given: ZoomOptions,
    seed: int, colours: Colours,
) -> Reel | None:  # fmt: skip
    """The film that is asked for; None: none is.

    Args:
        network, whole, how, seed, colours: as for `Zooming`.
        aims: what is dreamt of.
        given: how the film goes on.
    Raises:
        Mistake: several dreams, frames that are enlarged by 1, a loop that is too short, or there is no film to which
            something belongs.
    """
    zoom = _asked(given)
    if zoom is None:
        return None
    if len(aims) > 1:
        raise Mistake(f"a zoom film is one dream, and a strip of {len(aims)} layers is several; give --layer instead")
    (name,) = stems(aims)
    return Zooming(network, whole, how, zoom, aims[0].short, f"{name}-zoom", seed, colours).reel()


def _asked(given: ZoomOptions) -> Zoom | None:
    """The zoom that is asked for; None: none is.

    Raises:
        Mistake: frames are enlarged by 1, a loop is too short, or there is no film to which something belongs.
    """
    frames = given.get("zoom_film")
    if frames is None:
        alone = next((name for name in ZoomOptions.__annotations__ if name in given), None)
        if alone is not None:
            raise Mistake(f"--{alone.replace('_', '-')} belongs to a zoom film; give --zoom-film FRAMES, too")
        return None
    by, turn = given.get("zoom_by", Zoom.by), given.get("turn", Zoom.turn)
    if by == 1:
        raise Mistake("a zoom film whose frames are enlarged by 1 stands still; give --zoom-by 1.05, or 0.95")
    backward = by < 1
    return Zoom(
        frames, 1 / by if backward else by, -turn if backward else turn, given.get("loop", False), backward,
        given.get("frame_rate", Zoom.rate), given.get("zoom_steps", Zoom.steps),
    )  # fmt: skip


def as_it_is(picture: Tensor) -> Tensor:
    """The picture itself."""
    return picture


def zoomed(picture: Float[Tensor, "1 3 h w"], by: float, turn: float) -> Float[Tensor, "1 3 h w"]:
    """A picture enlarged about its middle and turned, of the same size; beyond its border it is mirrored.

    Args:
        by: how much it is enlarged.
        turn: degrees, clockwise.
    """
    at = _positions(picture, by, turn)
    return _sampled(picture, at).clamp(0, 1)


def like(picture: Float[Tensor, "1 3 h w"], first: Float[Tensor, "1 3 h w"], part: float) -> Float[Tensor, "1 3 h w"]:
    """A picture on its way to the brightness and the contrast of another one, mean and deviation of all its values.

    Args:
        part: of the way.
    """
    scale = first.std() / picture.std().clamp(min=1 / 255)
    return torch.lerp(picture, (picture - picture.mean()) * scale + first.mean(), part).clamp(0, 1)


def ahead(
    picture: Float[Tensor, "1 3 h w"], first: Float[Tensor, "1 3 h w"], by: float, turn: float, part: float = 1.0
) -> Float[Tensor, "1 3 h w"]:
    """A picture with another one in its middle, which fills it when it is enlarged and turned so much further.

    Args:
        first: the other one, of the same size.
        part: how much of it is seen where it is seen most.
    """
    height, width = picture.shape[2:]
    less = max(1.0, by / SHARP)
    small = at_size(first, (max(1, round(height / less)), max(1, round(width / less))))
    at = _positions(picture, 1 / by, -turn)
    seen = _sampled(small, at)
    if less == 1:  # what enlarging blurs is added beforehand (back-projection, Irani & Peleg 1991)
        seen = seen + _sampled(first - zoomed(seen, by, turn), at)
    soft = min(SOFT, 1.5 * (by - 1) ** 1.5)
    inside = (1 - at.abs().amax(3)[:, None]) / soft  # 0 at its border, 1 behind the soft edge
    return torch.lerp(picture, seen, part * _smooth(inside.clamp(0, 1))).clamp(0, 1)


def _positions(picture: Float[Tensor, "1 3 h w"], by: float, turn: float) -> Float[Tensor, "1 h w 2"]:
    """For each pixel where it comes from, x and y from -1 to 1, when a picture is enlarged and turned."""
    height, width = picture.shape[2:]
    cos, sin = math.cos(math.radians(turn)) / by, math.sin(math.radians(turn)) / by
    matrix = picture.new_tensor([[[cos, sin * height / width, 0], [-sin * width / height, cos, 0]]])
    return torch.nn.functional.affine_grid(matrix, [1, 3, height, width], align_corners=False)


def _sampled(picture: Float[Tensor, "1 3 ph pw"], at: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "1 3 h w"]:
    return torch.nn.functional.grid_sample(picture, at, "bicubic", "reflection", align_corners=False)


def _smooth(x: Tensor) -> Tensor:
    return x * x * (3 - 2 * x)
