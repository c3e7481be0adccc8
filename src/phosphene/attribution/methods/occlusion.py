"""Cover a part and see what the network then says (Zeiler & Fergus 2014, arXiv:1311.2901, figure 7).

The paper's maps are over the occluder's position: how strong the strongest feature map of a layer still is, how
probable the class, and which class is the most probable. The same scores can be told per pixel, as the mean over the
occluders that cover it (as Captum does).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, Unpack

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from phosphene.attribution.baselines import WORDS, Baseline, baseline_pictures
from phosphene.attribution.emptiness import rounding_apart
from phosphene.attribution.explanation import Common, explains
from phosphene.attribution.incremental.reader import IncrementalReader
from phosphene.attribution.maps import Growing, Maps
from phosphene.attribution.methods.cam import layers_before
from phosphene.attribution.question import Pictures, Question
from phosphene.core.errors import Mistake
from phosphene.core.networks.preprocessing import shown
from phosphene.core.optimization.terms import Reading
from phosphene.core.options import Bounds, Seed
from phosphene.core.pictures.colours import PALETTE, categories, over, overlay
from phosphene.core.results.results import Panel
from phosphene.core.units.labels import label
from phosphene.core.units.units import Unit

Corner = tuple[int, int]
USUAL_BATCH = 16
"""With this `batch` as many squares are read at a time as is best; another makes them more or fewer in proportion."""

VERIFIED = 16
"""So many places are read again in float32 where the rest was read in less."""


def places(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin along one side: every `stride` pixels, the last one flush with the end."""
    last = max(length - window, 0)
    return sorted({*range(0, last, stride), last})


class PerPixel:
    """For each pixel the mean over the windows that cover it, so far; 0 where none does."""

    def __init__(self, window: int, size: tuple[int, int]) -> None:
        self.window = window
        self.total, self.count = torch.zeros(2, *size, dtype=torch.float64)

    def add(self, drops: Float[Tensor, " many"], corners: Sequence[Corner]) -> None:
        """Further windows and what each costs."""
        for drop, (row, column) in zip(drops, corners, strict=True):
            self.total[row : row + self.window, column : column + self.window] += drop
            self.count[row : row + self.window, column : column + self.window] += 1

    def mean(self) -> Float[Tensor, "h w"]:
        """As described above."""
        return self.total / self.count.clamp(min=1)


def per_position(
    tops: Sequence[int], lefts: Sequence[int], window: int, size: tuple[int, int], values: Shaped[Tensor, " places"]
) -> Shaped[Tensor, "h w"]:
    """For each pixel the value of the window whose centre is nearest to it."""

    def nearest(starts: Sequence[int], length: int) -> Int[Tensor, " length"]:
        centres = torch.tensor(starts) + (window - 1) / 2
        return (torch.arange(length)[:, None] - centres[None]).abs().argmin(1)

    return values.view(len(tops), len(lefts))[nearest(tops, size[0])][:, nearest(lefts, size[1])]


@explains("how much it drops where a square covers this", "contribution", "heat", purpose="search")
def occlusion(
    asked: Question,
    pictures: Pictures,
    *,
    window: Annotated[int | None, Bounds(1, 10_000)] = None,
    stride: Annotated[int | None, Bounds(1, 10_000)] = None,
    occluder: Baseline = "grey",
    form: Literal["pixels", "positions"] = "pixels",
    layer: str | None = None,
    incremental: bool = True,
    seed: Seed = 0,
    **common: Unpack[Common],
) -> Growing:
    """Show how much a score drops when a square covers each place; red is what speaks for it, blue against.

    Beside it are the three maps of Zeiler & Fergus over the square's position.

    Args:
        window: side of the square in pixels; by default a seventh of the shorter side.
        stride: from square to square in pixels; by default half a window.
        occluder: what the square shows: grey, zero (the network's own, its mean colour, as in the paper), black, mean
            (of the photograph), blur or noise.
        form: a pixel's value is the mean over the squares that cover it (pixels), or that of the square whose centre
            is nearest (positions).
        layer: whose strongest feature map is followed; by default the last one with rows and columns.
        incremental: recompute only what the square can reach, where that saves work; the numbers are the same.
        seed: of the noise.
    Raises:
        Mistake: a square that is larger than the picture.
    """
    size = height, width = pictures.shape[2], pictures.shape[3]
    side = window or max(1, round(min(height, width) / 7))
    step = stride or max(1, side // 2)
    if side > min(height, width):
        raise Mistake(f"a window of {side} px does not fit a picture of {height} x {width} pixels")
    covers = baseline_pictures(asked.network, pictures, occluder, seed)
    tops, lefts = places(height, side, step), places(width, side, step)
    followed = _followed(asked, layer)
    corners = [(top, left) for top in tops for left in lefts]
    laid = partial(per_position, tops, lefts, side, size)

    def told(one: _Found, mean: PerPixel) -> _Told:
        drops = one.before - one.maps["score"]
        values = mean.mean() if form == "pixels" else laid(drops)
        values = torch.zeros_like(values) if one.same else values
        facts = {"window": side, "stride": step, "occluder": WORDS[occluder], "places": one.done}
        grids = {key: grid.view(len(tops), len(lefts)).clone() for key, grid in one.maps.items()}
        return _Told(values, one.facts() | facts, one.panels(laid), grids)

    def run() -> Iterator[tuple[int, Maps]]:
        every = range(len(pictures))
        found = [(_Found(asked, i, followed, len(corners), pictures), PerPixel(side, size)) for i in every]
        so_far = [told(*both) for both in found]
        for i, (one, mean) in enumerate(found):
            layers = {*asked.term.layers, "logits", *([followed] if followed else [])}
            reader = IncrementalReader(
                asked.network, pictures[i : i + 1], covers[i : i + 1], (side, side), layers,
                how="auto" if incremental else "full",
            )  # fmt: skip
            one.begin(reader)
            while one.done < len(corners):
                start, many = one.done, max(1, reader.batch * asked.batch // USUAL_BATCH)
                some = corners[start : start + many]
                one.add(reader.read(some))
                one.words = reader.words  # it may have gone over to reading in full
                mean.add(one.before - one.maps["score"][start : one.done], some)
                so_far[i] = told(one, mean)
                yield i * len(corners) + one.done, _together(so_far)
            if one.verify(reader, corners):
                so_far[i] = told(one, mean)
                yield (i + 1) * len(corners), _together(so_far)

    return Growing(len(pictures) * len(corners), run())


def _followed(asked: Question, layer: str | None) -> str | None:
    """The layer whose strongest feature map is followed."""
    network = asked.network
    if layer is not None:
        found = network.layer(layer)
        if len(found.shape) != 3:
            raise Mistake(f"{found.name} has no rows and columns, so it has no feature maps; give another layer")
        return found.name
    spatial = [name for name in layers_before(asked) if len(network.layers[name].shape) == 3]
    return spatial[-1] if spatial else None


@dataclass(frozen=True)
class _Told:
    """What is to be said about one picture."""

    values: Float[Tensor, "h w"]
    facts: dict[str, Any]
    panels: list[Panel]
    grids: dict[str, Float[Tensor, "rows columns"]]


def _together(found: Sequence[_Told]) -> Maps:
    grids = {key: torch.stack([one.grids[key] for one in found]).numpy() for key in found[0].grids}
    return Maps(torch.stack([one.values for one in found]), [o.facts for o in found], [o.panels for o in found], grids)


class _Found:
    """What squares did to one picture, so far."""

    def __init__(self, asked: Question, index: int, followed: str | None, many: int, pictures: Pictures) -> None:
        self.asked, self.index, self.followed, self.done = asked, index, followed, 0
        self.photograph = shown(asked.network, pictures[index : index + 1]).float().cpu()
        self.maps = {"score": torch.zeros(many, dtype=torch.float64), "class": torch.zeros(many, dtype=torch.float64)}
        if followed:
            self.maps["activation"] = torch.zeros(many, dtype=torch.float64)
        self.before = torch.tensor(0.0, dtype=torch.float64)
        self.words = ""
        self.strongest = 0
        self.deviation: float | None = None

    def begin(self, reader: IncrementalReader) -> None:
        """Look at the whole picture."""
        self.words = reader.words
        if self.followed:
            self.strongest = int(reader.clean[self.followed].flatten(2).sum(2).argmax())
        self.before = self._score(reader.clean)[0]
        self.maps["score"][:] = self.before

    def add(self, read: dict[str, Tensor]) -> None:
        """Look at the next ones with a square."""
        said, score = self.asked.network.head.decided(read["logits"]).cpu(), self._score(read)
        part = slice(self.done, self.done + len(score))
        self.maps["score"][part], self.maps["class"][part] = score, said.double()
        if self.followed:
            self.maps["activation"][part] = read[self.followed][:, self.strongest].flatten(1).sum(1).cpu().double()
        self.done = part.stop

    def verify(self, reader: IncrementalReader, corners: Sequence[Corner]) -> bool:
        """Where it was read in less than the model's precision, find how far some places are from a reading in it."""
        network = self.asked.network
        if network.plan.precision != "bfloat16" or network.dtype != torch.float32:
            return False
        exact = network.following({network.purpose: replace(network.plan, precision="float32")})
        chosen = torch.linspace(0, len(corners) - 1, min(VERIFIED, len(corners))).round().long()
        with torch.no_grad():
            again = exact.read(reader.occluded([corners[int(i)] for i in chosen]), reader.layers)
        apart = (self._score(again) - self.maps["score"][chosen]).abs().max()
        self.deviation = float(apart)
        self.words += f"; in bfloat16, at most {self.deviation:.2g} from float32 at {len(chosen)} places"
        return True

    def _score(self, read: dict[str, Tensor]) -> Float[Tensor, " n"]:
        many, network = len(read["logits"]), self.asked.network
        device = read["logits"].device
        size = self.photograph.shape[2:]
        nothing = torch.empty(many, network.channels, *size, device="meta")  # only counted, never looked at
        rows, of = torch.full((many,), self.index, device=device), torch.arange(many, device=device)
        said = self.asked.term.of(Reading(nothing, rows, nothing, of, read, network.head))
        return self.asked.finite(said).cpu().double()

    @property
    def same(self) -> bool:
        """Whether no square changed the score by more than rounding."""
        seen = torch.cat([self.maps["score"][: self.done], self.before[None]])
        computed = torch.promote_types(self.asked.network.dtype, torch.float32)
        return bool(rounding_apart(seen.amin(), seen.amax(), computed))

    def facts(self) -> dict[str, Any]:
        """What there is to be said."""
        drops = self.before - self.maps["score"][: self.done]
        return {
            "value": float(self.before),
            "largest drop": float(drops.max()) if self.done else 0.0,
            "computed": self.words,
        } | ({} if self.deviation is None else {"largest deviation": self.deviation})

    def panels(self, laid: Callable[[Tensor], Tensor]) -> list[Panel]:
        """The three maps of Zeiler & Fergus over the photograph.

        Args:
            laid: from a number for each place of the square to one for each pixel.
        """
        network, unit = self.asked.network, self.asked.units[self.index]
        found: list[Panel] = []
        if self.followed:
            caption = f"how strong {self.followed}:{self.strongest}, its strongest map, still is"
            found.append((caption, overlay(self.photograph, laid(self.maps["activation"])[None])))
        words = f"the {self.asked.words(self.index)} by the square's position"
        if isinstance(unit, Unit) and unit.layer == "logits" and unit.index is not None:
            words = f"{self.asked.score} of {label(network, unit.index)} by the square's position"
        seen = self.maps["score"][: self.done]
        span = f", {float(seen.min()):.3g} (dark) to {float(seen.max()):.3g}" if self.done else ""
        score = self.maps["score"]
        found.append((words + span, overlay(self.photograph, laid(score - score.min())[None])))
        classes = self.maps["class"][: self.done].long().tolist()
        most = [one for one, _ in Counter(classes).most_common(len(PALETTE) - 1)]
        numbers = {one: i for i, one in enumerate(most)}
        coded = torch.tensor([numbers.get(int(one), len(PALETTE) - 1) for one in self.maps["class"].tolist()])
        names = ", ".join(f"{PALETTE[i][0]} {label(network, one)}" for i, one in enumerate(most))
        most_of = "most probable" if network.head.has_probabilities else "largest"
        found.append((f"{most_of}: {names}", over(self.photograph, categories(laid(coded)[None]))))
        return found
