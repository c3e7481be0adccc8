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
        picture: Float[Tensor, "1 3 h w"],
        baseline: Float[Tensor, "1 3 h w"],
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
            # one window is read in full beside the picture, to compare with
            at = (height - window[0]) // 2, (width - window[1]) // 2
            read = network.read(torch.cat([picture, self.occluded([at])]), self.layers)
            self.clean = {name: both[:1] for name, both in read.items()}
            self._prepared: _Prepared | None = None
            try:
                self._prepared = self._prepare(how)
                self._check(self._played(self._prepared, [at]), read)
                self.words = f"recomputes only what the square can reach: {self.saving:.1f} times less arithmetic"
            except _InFull as reason:
                self._prepared = None
                self.words = "computed in full" + (f": {reason}" if str(reason) else "")

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
        with torch.no_grad():
            if self._prepared is not None:
                return self._played(self._prepared, corners)
            return self.network.read(self.occluded(corners), self.layers)

    def occluded(self, corners: Sequence[tuple[int, int]]) -> Float[Tensor, "n 3 h w"]:
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
        if network.fixed and size != network.size:
            raise _InFull(f"{network.name} sees every picture at {network.size[0]} x {network.size[1]} pixels")
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
        except Unplayable as reason:
            raise _InFull(str(reason)) from reason
        except Exception as error:  # whatever a stranger's model can't do while it is watched
            words = str(error).partition("\n")[0]
            raise _InFull(f"{self.network.name} can't be watched while it runs ({words})") from error

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
        """That this is the network's own reading of the occluded picture, the second of two."""
        precise = self.network.plan.precision == str(self.network.dtype).removeprefix("torch.")
        most = TOLERANCE.get(self.network.dtype, 0.1) if precise else 0.1
        for name, (_, own) in read.items():
            same = played[name].shape[1:] == own.shape
            if not same or bool(((played[name][0] - own).abs().max() > most * own.abs().max()).any()):
                raise _InFull(f"{self.network.name} computes what can't be seen from outside")


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
