"""What the checks found, as numbers, small plots and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.attribution.checks.curves import Compared, Curves
from phosphene.attribution.checks.pointing import Pointing, quarters
from phosphene.attribution.checks.randomization import Randomization
from phosphene.attribution.checks.verdicts import (
    on_completeness,
    on_deletion,
    on_insertion,
    on_pointing,
    on_randomization,
    on_shift,
)
from phosphene.attribution.maps import About, Kind
from phosphene.core.pictures.charts import Curve, Ticks, chart
from phosphene.core.pictures.colours import overlay
from phosphene.core.pictures.sheets import grid
from phosphene.core.pictures.typesetting import ACCENT, BAR
from phosphene.core.results.results import Panel

BLUE = "#2166ac"
FRAME = (0.1, 0.75, 0.6)  # a colour that no map has
CURVES = ("deletion", "insertion")


@dataclass(frozen=True)
class Checks:
    """What the checks found so far; what was not done, or does not apply, is None or empty.

    Attributes:
        asked: what was asked about: "class" or "unit".
        gaps: of each picture, how far its contributions are from adding up.
        shift: (n), how much each map changes under a constant shift of the input.
        compared: deletion and insertion.
        pointing: one mosaic for all pictures.
        randomization: how alike the maps remain.
        skipped: by a check's name, why it could not be done.
    """

    asked: str = "class"
    gaps: Sequence[float | None] = ()
    shift: Float[Tensor, " n"] | None = None
    compared: Compared | None = None
    pointing: Pointing | None = None
    randomization: Randomization | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """What randomization says of all pictures together; nothing before it was begun."""
        return self._on_randomization(None)

    def remarks(self, index: int) -> list[str]:
        """What is said about a picture's map without a plot."""
        words = [] if self.shift is None else [on_shift(float(self.shift[index]))]
        missed = self.gaps[index] if self.gaps else None
        return words if missed is None else [*words, on_completeness(missed)]

    def panels(self, index: int, about: About) -> list[Panel]:
        """A picture's plots, each with its sentence."""
        made: list[Panel] = []
        if self.randomization is not None:
            made.append((self._on_randomization(index), _randomization_chart(self.randomization, index)))
        for which, words in self._on_curves(index).items():
            assert self.compared is not None
            made.append((f"{which}: {words}", _curves_chart(self.compared, index, which, about.name)))
        if self.pointing is not None:
            made.append((_on_pointing(self.pointing), _mosaic(self.pointing, about.kind)))
        return made

    def numbers(self, index: int) -> dict[str, Any]:
        """Everything about a picture under "checks", ready for JSON, sentences too; nothing before there is some."""
        told: dict[str, Any] = {}
        if self.randomization is not None:
            told["randomization"] = _randomization_numbers(self.randomization, index)
        if self.compared is not None:
            told |= {which: _curve_numbers(self.compared, index, which) for which in CURVES}
        if self.pointing is not None:
            of = self.pointing
            classes = list(of.mosaic.classes)
            told["pointing"] = {"classes": classes, "hits": list(of.hits), "shares": _rounded(of.shares)}
        if self.shift is not None:
            told["shift"] = round(float(self.shift[index]), 6)
        if self.gaps and self.gaps[index] is not None:
            told["completeness gap"] = self.gaps[index]
        if self.skipped:
            told["skipped"] = dict(self.skipped)
        return {"checks": told | {"verdicts": self._verdicts(index)}} if told else {}

    def _verdicts(self, index: int) -> list[str]:
        pointed = [] if self.pointing is None else [_on_pointing(self.pointing)]
        on_curves = [f"{which}: {words}" for which, words in self._on_curves(index).items()]
        return [*filter(None, [self._on_randomization(index)]), *on_curves, *pointed, *self.remarks(index)]

    def _on_randomization(self, index: int | None) -> str:
        """Of one picture, or (None) of the mean over all."""
        of = self.randomization
        if of is None:
            return ""
        pick = torch.mean if index is None else lambda one: one[index]
        ssim, rank = ([float(pick(getattr(one, name))) for one in of.cascading] for name in ("ssim", "rank"))
        counts = [depth.count for depth in of.depths[: len(of.cascading)]]
        return on_randomization(counts, ssim, rank, of.layers, self.asked)

    def _on_curves(self, index: int) -> dict[str, str]:
        if self.compared is None:
            return {}
        whole, verdicts = float(self.compared.own.deletion[index, 0]), {}
        for which, verdict in (("deletion", on_deletion), ("insertion", on_insertion)):
            own, *others = _areas(self.compared, index, which).items()
            verdicts[which] = verdict(own[1], dict(others), whole)
        return verdicts


# ------------------------------------------------------------------------------------------------- randomization


def _randomization_numbers(of: Randomization, index: int) -> dict[str, Any]:
    def rows(ways: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            {"top layers": depth.count, "layers": list(depth.layers)}
            | {name: round(float(getattr(one, name)[index]), 4) for name in ("ssim", "rank", "signed")}
            for depth, one in zip(of.depths, ways, strict=False)
        ]

    return {"layers": of.layers, "cascading": rows(of.cascading), "alone": rows(of.alone)}


def _randomization_chart(of: Randomization, index: int) -> Tensor:
    counts = [depth.count for depth in of.depths]
    drawn = []
    for name, words, colour in (("ssim", "SSIM", ACCENT), ("rank", "rank", BLUE)):
        down = [(0.0, 1.0)] + [(c, float(getattr(o, name)[index])) for c, o in zip(counts, of.cascading, strict=False)]
        drawn.append(Curve(words, down, colour, dots=True))
    for name, colour in (("ssim", ACCENT), ("rank", BLUE)):
        alone = [(c, float(getattr(o, name)[index])) for c, o in zip(counts, of.alone, strict=False)]
        if alone:
            drawn.append(Curve("each alone" if name == "ssim" else "", alone, colour, dashed=True))
    across = Ticks((0, of.layers), [(c, str(c)) for c in [0, *counts]], "layers randomized, from the top")
    return chart(drawn, across, Ticks((0, 1), [(0, "0"), (0.5, ".5"), (1, "1")]))


# -------------------------------------------------------------------------------------------- deletion, insertion


def _orders(of: Compared) -> dict[str, Curves]:
    every = {"own": of.own, "edges": of.edges, "random": of.by_chance}
    return {name: curves for name, curves in every.items() if curves is not None}


def _areas(of: Compared, index: int, which: str) -> dict[str, float]:
    place = CURVES.index(which)
    return {name: round(float(curves.areas()[place][index]), 4) for name, curves in _orders(of).items()}


def _curve_numbers(of: Compared, index: int, which: str) -> dict[str, Any]:
    return {"area": _areas(of, index, which), "curve": _rounded(getattr(of.own, which)[index].tolist())}


def _curves_chart(of: Compared, index: int, which: str, method: str) -> Tensor:
    style = {"own": (method, ACCENT), "edges": ("edges", BLUE), "random": ("random", BAR)}
    lines = []
    for name, curves in _orders(of).items():
        values = getattr(curves, which)[index].tolist()
        lines.append(Curve(style[name][0], [(i / (len(values) - 1), v) for i, v in enumerate(values)], style[name][1]))
    reached = [y for line in lines for _, y in line.points]
    top = _round_above(max(max(reached), -min(reached)))
    low = -top if min(reached) < -top / 50 else 0.0  # one class against another, and units, may fall below 0
    words = "pixels removed" if which == "deletion" else "pixels given back"
    across = Ticks((0, 1), [(0, "0"), (0.5, "50 %"), (1, "100 %")], f"{words}, largest first")
    return chart(lines, across, Ticks((low, top), [(y, _written(y)) for y in (low, (low + top) / 2, top)]))


def _written(number: float) -> str:
    return f"{number:g}".replace("0.", ".", 1)


def _round_above(number: float) -> float:
    """The next of .1, .2, .5, 1, 2, 5, ..."""
    tens = 0.1
    while True:
        for one in (1, 2, 5):
            if number <= one * tens * 1.0001:
                return round(one * tens, 6)
        tens *= 10


# --------------------------------------------------------------------------------------------------------- mosaic


def _on_pointing(of: Pointing) -> str:
    return on_pointing(sum(of.hits), len(of.hits), sum(of.shares) / len(of.shares))


def _mosaic(of: Pointing, kind: Kind) -> Tensor:
    """The mosaic under the map of each class, standing where the class's photograph does, which has a frame."""
    photo = of.mosaic.picture.float().cpu().expand(4, -1, -1, -1)
    shown = overlay(photo, of.maps.float(), signed=kind == "contribution")
    for one, (rows, columns) in zip(shown, quarters(*of.maps.shape[1:]), strict=True):
        inner = one[:, rows, columns][:, 2:-2, 2:-2].clone()
        one[:, rows, columns] = torch.tensor(FRAME).view(3, 1, 1)
        one[:, rows, columns][:, 2:-2, 2:-2] = inner
    return grid(shown, 2, gap=6)


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 4) for value in values]
