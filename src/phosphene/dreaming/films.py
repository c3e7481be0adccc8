"""A dream over a film: what was dreamt into one frame goes along with it to the next.

Frame t starts at its input x_t and what was added to the frame before, taken along by the optical flow of the input:

    x_t + k c_t W_t(y_(t-1) - x_(t-1))

c_t is 1 where the flow is consistent, and falls to 0 where it is not, at what was uncovered or came in (Ruder,
Dosovitskiy & Brox 2016, arXiv:1604.08610, carry the whole picture; as here it is what was added alone, nothing that is
in no frame of the film can stay for ever, and a picture that stands still does not change its colours). k is 1, or what
leaves as much of it as dreams alone add: otherwise more and more would pile up. Where little goes along, the frame
is dreamt most, and least where much was taken over; in the usual sizes, and at each of them only until the layer has
come as far as in dreams of the last key frames alone, as photographs. Key frames are every 12th one and the first one
of each shot, which takes nothing over.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import mean

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
from phosphene.core.pictures.flow import Flow, begins_shot, consistent, flow, warped
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.reels import Earlier, Reel
from phosphene.core.results.results import Result, Run
from phosphene.dreaming.colours import Colours, coloured
from phosphene.dreaming.octaves import Octaves, at_size

EVERY, LAST = 12, 4
"""From one key frame to the next, in frames, and how many of them are averaged: how far one comes is chance, by a
tenth."""

Ascend = Callable[[Key, Step | None], Iterator[Step]]
"""One of a dream's sizes: from its key and the last step of the size before."""

NO_FILMS = {
    "start": "which starts at its own frames",
    "strip": "which is one dream",
    "zoom_film": "which has frames of its own",
    "only": "in which nobody looks for it again and again",
}
"""Options that are about a single photograph, and why."""

LEAST, NEAR = 0.25, 0.04
"""How far pixels go at least where much was taken over; and what is around a pixel, of the shorter side (standard
deviation of a Gaussian)."""

SOFT = 2.0
"""Pixels: standard deviation of the edge of what is taken over."""


def films_among(
    photo: Photo, guide: Photo | None, given: Mapping[str, object]
) -> tuple[Footage | None, Footage | None]:
    """What is dreamt into and its guide, as far as they are films.

    Args:
        given: options of the dream.
    Raises:
        Mistake: they can't be read, a photograph has a film for its guide, or an option does not go with a film.
    """
    film, guides = (
        Footage(one) if isinstance(one, (str, os.PathLike)) and is_film(one) else None for one in (photo, guide)
    )
    if film is None and guides is not None:
        raise Mistake(f"{guides.path.name} guides a film frame by frame, and a photograph is given; give a picture")
    for name, why in NO_FILMS.items():
        if film is not None and given.get(name, "photo") != "photo":
            raise Mistake(f"--{name.replace('_', '-')} does not go with a film, {why}; leave it out")
    return film, guides


def each_guide(
    how: Octaves, guides: Footage | None, making: Callable[[Tensor], Callable[[Tensor], Parts]]
) -> Callable[[int], Octaves]:
    """From a frame's index to its dream.

    Args:
        how: the dream of all, but for the guide.
        making: from a guide to what is made large.
    """

    @lru_cache(2)  # of this frame, and of a key frame
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
    clear = consistent(flow(now, before), back)
    weight = clear.float()
    return Motion(back, weight * blurred(weight, SOFT), begins_shot(clear))


@dataclass(frozen=True)
class Alone:
    """What comes of a frame that is dreamt by itself.

    Attributes:
        values: how far the layer came at each size.
        colour: (1, 3, 1, 1), the mean of what was added.
        amount: the mean absolute value of what was added.
    """

    values: Float[Tensor, " octaves"]
    colour: Float[Tensor, "1 3 1 1"]
    amount: float

    @classmethod
    def mean(cls, every: "Sequence[Alone]") -> "Alone":
        """Of several frames."""
        values, colours = [one.values for one in every], [one.colour for one in every]
        return cls(torch.stack(values).mean(0), torch.stack(colours).mean(0), mean(one.amount for one in every))


def lacking(carried: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """How far pixels are to go, LEAST to 1: all of the way where nothing was taken over, so that it catches up.

    What was taken over around a pixel, as the root of its mean square, is held against that of all.
    """
    power = carried.square().mean(1, keepdim=True)
    around = blurred(power, NEAR * min(power.shape[2:])).sqrt() / power.mean().sqrt().clamp(min=1e-6)
    return LEAST + (1 - LEAST) * (1 - around).clamp(0, 1)


def recoloured(
    picture: Float[Tensor, "1 3 h w"], base: Float[Tensor, "1 3 h w"], colour: Float[Tensor, "1 3 1 1"],
    part: Float[Tensor, "1 1 h w"],
) -> Float[Tensor, "1 3 h w"]:  # fmt: skip
    """The picture with this mean of what was added to its input: moves that go on and on would carry it elsewhere.

    Args:
        part: how much of the shift each pixel takes.
    """
    shift = colour - (picture - base).mean((2, 3), keepdim=True)
    return (picture + shift * part / part.mean().clamp(min=1e-6)).clamp(0, 1)


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
    _dreamt: dict[int, Alone] = field(default_factory=dict, init=False)

    def reel(self) -> Reel:
        """The film, with the other one's times and sound."""
        return Reel(self.frame, self.film.times, name=self.name, sound=self.film.path)

    def frame(self, index: int, earlier: Earlier) -> Run:
        """What makes a frame."""
        how, base = self.how(index), self._read(self.film.frame(index))
        first = not index or self._cut(index)
        usual = None if first else Alone.mean([self._alone(key) for key in self.key_frames(index)])
        moved, start = how, base
        if usual is not None:
            carried = self._carried(index, earlier, how, usual.amount)
            start = (base + carried).clamp(0, 1)
            moved = replace(how, mask=lacking(carried) * (1 if how.mask is None else how.mask))

        def painted(step: Step) -> Tensor:
            picture = self._painted(step, base)
            if usual is None or picture.shape != base.shape:
                return picture
            part = torch.ones_like(base[:, :1]) if how.mask is None else how.mask
            return recoloured(picture, base, usual.colour, part)

        def finish(step: Step) -> Result:
            numbers = {
                "layer": self.word, "value": -step.values.item(), "sizes": how.sizes, "steps": step.index,
                "seconds": self.film.times[index],
            }  # fmt: skip
            title = f"frame {index} of {len(self.film)}"
            return Result(painted(step).float().cpu(), [self.name], [numbers], title=title)

        path, total = self._path(index, moved, start, usual), how.settings.steps * len(how.sizes)
        return Run(path, total=total, names=[self.name], finish=finish, shown=painted)

    def key_frames(self, index: int) -> list[int]:
        """The last key frames of this frame's shot, up to it."""
        found = [index - index % EVERY - back * EVERY for back in range(LAST)]
        earliest = max(0, found[-1])
        cuts = [k for k in range(earliest + 1, index + 1) if self._cut(k)]
        return sorted({max(k, cuts[-1] if cuts else earliest) for k in found})

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

    def _carried(self, index: int, earlier: Earlier, how: Octaves, most: float) -> Float[Tensor, "1 3 h w"]:
        """What is taken over from the frame before; nothing where the mask is black.

        Args:
            most: its mean absolute value, at most, where all goes along.
        """
        along = self._motion(index)
        added = self._read(earlier(index - 1)) - self._read(self.film.frame(index - 1))
        weight = along.weight.to(added)
        if how.mask is not None:
            weight = weight * (how.mask > 0)
        carried = weight * warped(added, along.back.to(added))
        amount = carried.abs().mean().clamp(min=1e-6)
        return carried * (most * along.weight.mean().to(amount) / amount).clamp(max=1)

    def _alone(self, key: int) -> Alone:
        """The dream of a key frame alone."""
        if key not in self._dreamt:
            for _ in self._path(key, self.how(key), self._read(self.film.frame(key)), None):
                pass
        return self._dreamt[key]

    def _path(self, index: int, how: Octaves, start: Float[Tensor, "1 3 h w"], usual: Alone | None) -> Iterator[Step]:
        """The steps of a frame.

        Args:
            usual: how far the layer is to come at each size; None: it is dreamt alone, and what comes of it is noted.
        """
        if usual is not None:
            how = replace(how, change=0.0)  # the key frames' dreams have ended by it
        reached: list[float] = []

        def watched(ascend: Ascend) -> Ascend:
            def ascended(key: Key, before: Step | None) -> Iterator[Step]:
                term: Term | None = None
                for step in ascend(key, before):
                    yield step
                    term = term or how.parts(step.pictures)[0][1]
                    if usual is not None and self._value(how, term, step) >= usual.values[len(reached)]:
                        break
                if term is not None:
                    reached.append(self._value(how, term, step))

            return ascended

        ascents = [watched(ascend) for ascend in how.ascents(self.network, start, 1)]
        stage = 0 if usual is None else index * len(how.sizes)
        for step in stages(ascents, Key(self.seed, [0], stage=stage)):
            yield step
        if usual is None:
            added = self._painted(step, start) - start
            came, colour = torch.tensor(reached, dtype=torch.float64), added.mean((2, 3), keepdim=True)
            self._dreamt[index] = Alone(came, colour, added.abs().mean().item())

    def _painted(self, step: Step, base: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 sh sw"]:
        return coloured(step.pictures, at_size(base, (step.pictures.shape[2], step.pictures.shape[3])), self.colours)

    def _value(self, how: Octaves, term: Term, step: Step) -> float:
        """How far the layer has come, in the picture as it is: under random shifts, no two of these compare."""
        size = (step.pictures.shape[2], step.pictures.shape[3])
        if how.tiling.used.get(size) is not None:
            return -step.values.item()
        return values(self.network, term, step.pictures, torch.tensor([0])).item()

    def _read(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        return precise(picture, working_dtype(self.network)).to(self.network.device)


def blurred(x: Float[Tensor, "1 1 h w"], deviation: float) -> Float[Tensor, "1 1 h w"]:
    """By a Gaussian of so many pixels, the border replicated."""
    reach = min(round(3 * deviation), *x.shape[2:])
    bell = torch.exp(-((torch.arange(-reach, reach + 1).to(x) / max(deviation, 1e-6)) ** 2) / 2)
    bell = (bell / bell.sum()).view(1, 1, -1, 1)
    padded = torch.nn.functional.pad(x, [reach] * 4, mode="replicate")
    return torch.nn.functional.conv2d(torch.nn.functional.conv2d(padded, bell), bell.transpose(2, 3))
