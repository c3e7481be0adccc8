"""A dream over a film: what was dreamt into one frame goes along with it to the next.

Frame t starts at its input x_t and what was added to the frame before, taken along by the optical flow of the input:

    x_t + KEPT c_t W_t(y_(t-1) - x_(t-1))

c_t is 1 where the flow is consistent, and falls to 0 where it is not, at what was uncovered or came in (Ruder,
Dosovitskiy & Brox 2016, arXiv:1604.08610, carry the whole picture; as here it is what was added alone, nothing that is
in no frame of the film can stay for ever, and a picture that stands still does not change its colours). There the frame
is dreamt again, in the usual sizes, and at each of them only until the layer has come as far as in a dream of the key
frame alone. Key frames are every 24th one and the first one of each shot, which takes nothing over.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import working_dtype
from phosphene.core.optimization.ascent import Parts, stages
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import values
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term
from phosphene.core.pictures.eight_bit import precise
from phosphene.core.pictures.files import Photo, is_film
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.reels import Earlier, Reel
from phosphene.core.results.results import Result, Run
from phosphene.dreaming.colours import Colours, coloured
from phosphene.dreaming.flow import Flow, consistent, flow, warped
from phosphene.dreaming.octaves import Octaves, at_size

KEPT = 0.9
"""Such a part of what was added goes along: what the warps have blurred is forgotten within a second."""

EVERY = 24
"""From one key frame to the next, in frames."""

CUT = 0.7
"""A shot begins where so much of a picture has come from nowhere. In a pan across bushes it is up to .5, at cuts from
.8 on."""

NO_FILMS = {
    "start": "which starts at its own frames",
    "strip": "which is one dream",
    "zoom_film": "which has frames of its own",
}
"""Options that are about a single photograph, and why."""

SOFT = 2.0
"""Pixels: standard deviation of the edge of what is taken over."""


def footage(photo: Photo | None) -> Footage | None:
    """The film, where this is one's name."""
    return Footage(photo) if isinstance(photo, (str, os.PathLike)) and is_film(photo) else None


def check_film(film: Footage | None, guides: Footage | None, given: Mapping[str, object]) -> None:
    """Raise a Mistake if something does not go with a film, or a guide film with a photograph.

    Args:
        given: options of the dream.
    """
    if film is None and guides is not None:
        raise Mistake(f"{guides.path.name} guides a film frame by frame, and a photograph is given; give a picture")
    for name, why in NO_FILMS.items():
        if film is not None and given.get(name, "photo") != "photo":
            raise Mistake(f"--{name.replace('_', '-')} does not go with a film, {why}; leave it out")


def each_guide(
    how: Octaves, guides: Footage | None, making: Callable[[Tensor], Callable[[Tensor], Parts]]
) -> Callable[[int], Octaves]:
    """From a frame's index to its dream.

    Args:
        how: the dream of all, but for the guide.
        making: from a guide to what is made large.
    """

    @lru_cache(2)  # of this frame, and of the key frame
    def guided(index: int) -> Octaves:
        return how if guides is None else replace(how, parts=making(guides.frame(min(index, len(guides) - 1))))

    return guided


@dataclass(frozen=True)
class Motion:
    """What goes from one frame to the next.

    Attributes:
        back: for each pixel where it comes from.
        weight: (1, 1, h, w), how much of it is taken over.
        cut: whether a shot begins.
    """

    back: Flow
    weight: Float[Tensor, "1 1 h w"]
    cut: bool


def motion(before: Float[Tensor, "1 3 h w"], now: Float[Tensor, "1 3 h w"]) -> Motion:
    """From a frame of a film to the next one."""
    back = flow(before, now)
    clear = consistent(flow(now, before), back).float()
    return Motion(back, clear * _blurred(clear), clear.mean().item() < 1 - CUT)


@dataclass(frozen=True)
class FilmDream:
    """The frames of a dream over a film.

    Attributes:
        network: the network to read.
        film: what it is dreamt into.
        how: the dream of each frame.
        word, name: what is dreamt of, for people and for files.
        seed: of the random shifts.
        colours: of the dream.
    """

    network: Network
    film: Footage
    how: Callable[[int], Octaves]
    word: str
    name: str
    seed: int = 0
    colours: Colours = "dreamt"
    _cuts: dict[int, bool] = field(default_factory=dict, init=False)
    _latest: dict[int, Motion] = field(default_factory=dict, init=False)
    _reached: dict[int, list[float]] = field(default_factory=dict, init=False)

    def reel(self) -> Reel:
        """The film, with the other one's times and sound."""
        return Reel(self.frame, self.film.times, name=self.name, sound=self.film.path)

    def frame(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame."""
        how, base, key = self.how(index), self._read(self.film.frame(index)), self.key_frame(index)
        alone = not index or self._cut(index)
        start = base if alone else (base + self._carried(index, earlier, how)).clamp(0, 1)
        ends: list[float] = []
        path = self._path(index, how, start, [] if alone else self._reference(key), ends)

        def noted() -> Iterator[Step]:
            yield from path
            if alone:
                self._reached[index] = ends

        def painted(step: Step) -> Tensor:
            return coloured(
                step.pictures, at_size(base, (step.pictures.shape[2], step.pictures.shape[3])), self.colours
            )

        def finish(step: Step) -> Result:
            numbers = {
                "layer": self.word, "value": -step.values.item(), "sizes": how.sizes, "steps": step.index,
                "seconds": self.film.times[index],
            }  # fmt: skip
            title = f"frame {index} of {len(self.film)}"
            return Result(painted(step).float().cpu(), [self.name], [numbers], title=title)

        return Run(
            noted(), total=how.settings.steps * len(how.sizes), names=[self.name], finish=finish, shown=painted
        )  # fmt: skip

    def key_frame(self, index: int) -> int:
        """The last key frame up to this one."""
        first = index - index % EVERY
        return max((k for k in range(first + 1, index + 1) if self._cut(k)), default=first)

    def _cut(self, index: int) -> bool:
        """Whether a shot begins with this frame."""
        if index not in self._cuts:
            self._cuts[index] = self._motion(index).cut
        return self._cuts[index]

    def _motion(self, index: int) -> Motion:
        """To this frame from the one before."""
        if index not in self._latest:
            self._latest.clear()
            self._latest[index] = motion(self.film.frame(index - 1), self.film.frame(index))
        return self._latest[index]

    def _carried(self, index: int, earlier: Earlier, how: Octaves) -> Float[Tensor, "1 3 h w"]:
        """What is taken over from the frame before; nothing where the mask is black."""
        along = self._motion(index)
        added = self._read(earlier(index - 1)) - self._read(self.film.frame(index - 1))
        weight = KEPT * along.weight.to(added)
        if how.mask is not None:
            weight = weight * (how.mask > 0)
        return weight * warped(added, along.back.to(added))

    def _reference(self, key: int) -> list[float]:
        """How far the layer comes at each size in a dream of this key frame alone."""
        if key not in self._reached:
            ends: list[float] = []
            for _ in self._path(key, self.how(key), self._read(self.film.frame(key)), [], ends):
                pass
            self._reached[key] = ends
        return self._reached[key]

    def _path(
        self, index: int, how: Octaves, start: Float[Tensor, "1 3 h w"], enough: Sequence[float], ends: list[float]
    ) -> Iterator[Step]:
        """The steps of a frame.

        Args:
            enough: at each size how far the layer is to come; without them all steps are taken.
            ends: how far it came is put here.
        """
        if enough:
            how = replace(how, change=0.0)  # the key frame's dream has ended by it

        def watched(ascend: Callable[[Key, Step | None], Iterator[Step]]) -> Callable[..., Iterator[Step]]:
            def ascended(key: Key, before: Step | None) -> Iterator[Step]:
                term: Term | None = None
                for step in ascend(key, before):
                    yield step
                    term = term or how.parts(step.pictures)[0][1]
                    if enough and self._value(how, term, step) >= enough[len(ends)]:
                        break
                if term is not None:
                    ends.append(self._value(how, term, step))

            return ascended

        ascents = [watched(ascend) for ascend in how.ascents(self.network, start, 1)]
        return stages(ascents, Key(self.seed, [0], stage=index * len(how.sizes)))

    def _value(self, how: Octaves, term: Term, step: Step) -> float:
        """How far the layer has come, in the picture as it is: under random shifts, no two of these compare."""
        if how.tile is not None and how.tile < max(step.pictures.shape[2:]):
            return -step.values.item()
        return values(self.network, term, step.pictures, torch.tensor([0])).item()

    def _read(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        return precise(picture, working_dtype(self.network)).to(self.network.device)


def _blurred(x: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """By a Gaussian of SOFT pixels."""
    reach = round(3 * SOFT)
    bell = torch.exp(-((torch.arange(-reach, reach + 1) / SOFT) ** 2) / 2)
    bell = (bell / bell.sum()).view(1, 1, -1, 1)
    padded = torch.nn.functional.pad(x, [reach] * 4, mode="replicate")
    return torch.nn.functional.conv2d(torch.nn.functional.conv2d(padded, bell), bell.transpose(2, 3))
