"""Read a network on many pictures that differ from one picture only inside a window, and compute only what differs.

A window of 32 of 224 pixels changes a fiftieth of the picture, 19 of 112 rows of a first layer, and so on: the deeper,
the farther it reaches (`regions.py`). Each layer is computed once for the clean picture; for each batch of windows the
recorded pass is played again on the regions that can differ (`rules.py`, `playback.py`). The numbers are those of the
whole computation, up to the order in which a convolution adds. This is the exact incremental inference of Nakandala,
Kumar & Papakonstantinou (SIGMOD 2019, "Krypton", doi 10.1145/3299869.3319874), recorded from any PyTorch module instead
of written for three networks.

Whether it is worth it follows from counting, and so "auto" is not slower than the whole computation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.incremental.playback import Playback, clean_rows
from phosphene.attribution.incremental.regions import Regions
from phosphene.attribution.incremental.rules import RegionRule, region_rules
from phosphene.attribution.incremental.spread import Spread
from phosphene.core.errors import Mistake
from phosphene.core.networks.layers import Layer
from phosphene.core.networks.network import Network
from phosphene.core.networks.recording import Recording, Unplayable
from phosphene.core.networks.sliding_windows import Pair

How = Literal["auto", "incremental", "full"]

MARGIN = 1.15
"""Recomputing has to be this many times cheaper by the count, or everything is computed in full."""

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""By how much, of the largest number of a layer, a reading may differ from the network's own; in less than these
precisions a tenth."""

BATCH = {False: 8, True: 64}
"""Pictures of 224 px at a time in full, and incrementally: measured on resnet18 and vgg11, two cores. Whole layers of
more pictures leave the caches; parts of layers are small, and calls are many."""

MOST = 256
"""Pictures at a time, however small they are."""


@dataclass(frozen=True)
class _Prepared:
    """What every batch needs: the pass, how its calls are computed on regions, its clean layers, what windows show."""

    recording: Recording
    rules: Sequence[RegionRule | None]
    clean: Mapping[int, Tensor]
    baseline: Tensor
    saving: float


class _InFull(Exception):
    """Why everything is computed in full, as the end of a sentence."""


class IncrementalReader:
    """Readings of one picture under windows.

    Args:
        network: the network to read; its plan says how.
        picture: what windows cover.
        baseline: of the same size; a window shows this instead of the picture.
        window: (height, width) in pixels.
        layers: names of what is read.
        how: "incremental" recomputes only what a window can reach wherever that can be done at all, "full" runs the
            network on occluded pictures, "auto" is what takes less by the count.

    Attributes:
        words: how it is computed, in a sentence for people.
        incremental: whether only what a window can reach is recomputed.
        saving: how many times fewer multiply-adds that takes.
        clean: the reading of the picture itself, by layer.
        batch: how many windows are best read at a time.

    Raises:
        Mistake: an unknown layer, or a window that does not fit the picture.
    """

    def __init__(
        self,
        network: Network,
        picture: Float[Tensor, "1 c h w"],
        baseline: Float[Tensor, "1 c h w"],
        window: tuple[int, int],
        layers: Iterable[str],
        how: How = "auto",
    ) -> None:
        height, width = picture.shape[2:]
        if not (0 < window[0] <= height and 0 < window[1] <= width):
            raise Mistake(
                f"a window of {window[0]} x {window[1]} px does not fit a picture of {height} x {width} pixels"
            )
        self.network, self.window = network, window
        self.layers: dict[str, Layer] = {name: network.layer(name) for name in layers}
        self.picture, self.baseline = picture, baseline.to(picture)
        with torch.no_grad():
            # some windows are read in full beside the picture, to compare with: in the middle and in two corners
            last = height - window[0], width - window[1]
            some = list(dict.fromkeys([(last[0] // 2, last[1] // 2), (0, 0), last]))
            read = network.read(torch.cat([picture, self.occluded(some)]), self.layers)
            self.clean = {name: all_of_them[:1] for name, all_of_them in read.items()}
            self._prepared: _Prepared | None = None
            try:
                self._prepared = self._prepare(how)
                self._check(self._played(self._prepared, some), read)
                self.words = f"recomputes only what the square can reach: {self.saving:.1f} times less arithmetic"
            except Exception as reason:  # a stranger's model may do anything while it is watched and played again
                self._go_on_in_full("computed in full", reason)

    @property
    def incremental(self) -> bool:
        """Whether only what a window can reach is recomputed."""
        return self._prepared is not None

    @property
    def saving(self) -> float:
        """How many times fewer multiply-adds than in full."""
        return self._prepared.saving if self._prepared else 1.0

    @property
    def batch(self) -> int:
        """How many windows are best read at a time."""
        return batch_for(self.picture.shape[2], self.picture.shape[3], self.incremental)

    def read(self, corners: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """The reading of the picture under a window at each of these (row, column), by layer, channels on axis 1.

        Raises:
            Mistake: a window leaves the picture.
        """
        for axis, name in enumerate(("row", "column")):
            last = self.picture.shape[2 + axis] - self.window[axis]
            wrong = next((corner[axis] for corner in corners if not 0 <= corner[axis] <= last), None)
            if wrong is not None:
                raise Mistake(f"a window at {name} {wrong} leaves the picture; the last that fits is at {last}")
        if not corners:
            return {name: reading[:0] for name, reading in self.clean.items()}
        many = len(corners)
        with torch.no_grad():
            if self._prepared is not None:
                self.network.allowance.count(many, (self.picture.shape[2], self.picture.shape[3]))
                try:
                    return self._played(self._prepared, corners)
                except Exception as reason:  # what went well with the first windows may not with others
                    self._go_on_in_full("computed in full from some place on", reason)
                    many = self.batch  # fewer than in part
            parts = [corners[i : i + many] for i in range(0, len(corners), many)]
            read = [self.network.read(self.occluded(part), self.layers) for part in parts]
            return {name: torch.cat([one[name] for one in read]) for name in self.layers}

    def _go_on_in_full(self, words: str, reason: Exception) -> None:
        """Recompute nothing by parts from now on, and say why."""
        self._prepared = None
        known = isinstance(reason, (_InFull, Unplayable))
        why = str(reason) if known else f"{self.network.name} can't be computed in part ({_first_line(reason)})"
        self.words = words + (f": {why}" if why else "")

    def occluded(self, corners: Sequence[tuple[int, int]]) -> Float[Tensor, "n c h w"]:
        """The picture under a window at each of these places."""
        layout = torch.channels_last if self.network.plan.channels_last else torch.contiguous_format
        pictures = self.picture.expand(len(corners), -1, -1, -1).clone(memory_format=layout)
        for picture, (row, column) in zip(pictures, corners, strict=True):
            part = slice(row, row + self.window[0]), slice(column, column + self.window[1])
            picture[:, *part] = self.baseline[0, :, *part]
        return pictures

    def _prepare(self, how: How) -> _Prepared:
        """Decide from the geometry.

        Raises:
            _InFull: that everything is computed in full.
        """
        network, size = self.network, (self.picture.shape[2], self.picture.shape[3])
        if how == "full":
            raise _InFull
        if not network.deterministic:
            raise _InFull(f"{network.name} answers with random numbers")
        if not network.independent:
            raise _InFull(f"pictures that {network.name} sees together influence one another")
        if (taken := network.anatomy.taken(size)) != size:
            raise _InFull(f"{network.name} sees such a picture at {taken[0]} x {taken[1]} pixels")
        recording = self._recording(size)
        rules = region_rules(recording)
        spread = Spread.of(recording, rules, _windows(_everywhere(size, self.window), self.window))
        cut, cost = spread.best_cut()
        if how == "auto" and spread.full < MARGIN * cost:
            raise _InFull(spread.obstacle())
        until = [*rules[:cut], *[None] * (len(rules) - cut)]
        clean = clean_rows(recording, until, network.preprocess(self.picture))
        return _Prepared(recording, until, clean, network.preprocess(self.baseline)[0], spread.saving(cut))

    def _recording(self, size: Pair) -> Recording:
        try:
            return self.network.recording(size, self.layers)
        except Unplayable:
            raise
        except Exception as error:  # whatever a stranger's model can't do while it is watched
            raise _InFull(f"{self.network.name} can't be watched while it runs ({_first_line(error)})") from error

    def _played(self, prepared: _Prepared, corners: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """The reading, computed on regions as far as there are rules."""
        windows = _windows(corners, self.window)
        every = prepared.baseline.unfold(1, self.window[0], 1).unfold(2, self.window[1], 1)
        parts = every[:, windows.top[0], windows.top[1]].movedim(0, 1)
        played = Playback(prepared.recording, prepared.rules, prepared.clean, windows, parts).run()
        read = {name: played[layer.tap].movedim(layer.channel_axis, 1) for name, layer in self.layers.items()}
        low = self.network.plan.precision == "bfloat16" and self.network.dtype == torch.float32
        return {name: reading.float() if low else reading for name, reading in read.items()}

    def _check(self, played: Mapping[str, Tensor], read: Mapping[str, Tensor]) -> None:
        """That these are the network's own readings of occluded pictures, which come behind that of the picture."""
        precise = self.network.plan.precision == str(self.network.dtype).removeprefix("torch.")
        most = TOLERANCE.get(self.network.dtype, 0.1) if precise else 0.1
        for name, (_, *occluded) in read.items():
            own = torch.stack(occluded)
            same = played[name].shape == own.shape and torch.equal(played[name].isfinite(), own.isfinite())
            if not same or _size(played[name] - own) > most * _size(own):
                raise _InFull(f"{self.network.name} computes what can't be seen from outside")


def _size(numbers: Tensor) -> float:
    """The largest of those that are finite."""
    return float(numbers.nan_to_num(0, 0, 0).abs().max())


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def batch_for(height: int, width: int, incremental: bool) -> int:
    """How many windows on a picture of this size are best read at a time; below a gigabyte for the usual networks."""
    return max(1, min(MOST, BATCH[incremental] * 224 * 224 // (height * width)))


def _everywhere(size: Pair, window: Pair) -> list[tuple[int, int]]:
    """Places that begin in every row and in every column in which a window can."""
    rows, columns = (whole - part for whole, part in zip(size, window, strict=True))
    return [(min(i, rows), min(i, columns)) for i in range(max(rows, columns) + 1)]


def _windows(corners: Sequence[tuple[int, int]], window: Pair) -> Regions:
    start = torch.tensor(corners).T
    return Regions(start, start + torch.tensor(window)[:, None], window, start)
