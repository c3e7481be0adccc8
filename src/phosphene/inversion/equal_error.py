"""Pictures by many priors whose codes are equally far from a photograph's.

The weights of all priors are tried in one batch, a row each, every time from the same start and with as many steps: a
row is what its prior and weight make alone, and is not stopped early, nor its best kept. What has no weight is followed
on its way, and the step is taken at which its error has come down to the wanted one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import seen
from phosphene.core.optimization.ascent import Ascent, ascent
from phosphene.core.optimization.engine import Evaluation, Objective, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import chunked, gradient, grouped, total, values
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.steps import Step
from phosphene.core.optimization.terms import Term, code_distance
from phosphene.core.optimization.transforms import Transform, as_is, shake
from phosphene.core.pictures.eight_bit import levels
from phosphene.inversion.bisection import nearest, next_weight, off
from phosphene.inversion.decoders import near
from phosphene.inversion.presets import PRESETS
from phosphene.models.decoder_files import decoder_pictures

DECODER = "decoder"
WEIGHTED: dict[str, dict[str, Any]] = {
    "l2": {"l2": 1.0},
    "l6": {"l6": 1.0},
    "tv": {"tv": 1.0},
    "tv2": {"tv": 1.0, "tv_beta": 2.0},
    "high-pass": {"high_pass": 1.0},
    "bilateral": {"bilateral": 1.0},
    "wavelets": {"wavelets": 1.0},
    "natural": {"natural": 1.0},
    "natural-match": {"natural_match": 1.0},
    DECODER: {},
}
"""Priors with a weight, as settings of weight 1; a decoder is none of those."""

NONE, SHIFTS, DEEP = "none", "shifts", "deep-prior"
STOPPED = (NONE, SHIFTS, DEEP)
"""What has no weight: no prior at all, small random shifts, an untrained network."""

SLACK = 1.25
"""The wanted error, as a multiple of the least that the strictest of those without a weight reaches."""
TOLERANCE = 0.05
"""So near to the wanted error, either way, is near enough."""
FIRST = 0.1
"""The error that first weights are for, where none is wanted yet."""
BATCH = 16


@dataclass(frozen=True)
class Painted:
    """What a prior made of the code.

    Attributes:
        picture: in 8 bits.
        error: of its code.
        weight: of the prior, where it has one.
        stopped: after so many steps, where it has none.
    """

    picture: UInt8[Tensor, "3 h w"]
    error: float
    weight: float | None = None
    stopped: int | None = None


@dataclass(frozen=True)
class Question:
    """What is to be inverted, and with how much effort.

    Attributes:
        network, layer, fed, code: the code is what this layer says about this picture.
        steps, rate, seed: of every ascent.
    """

    network: Network
    layer: str
    fed: Float[Tensor, "1 3 h w"]
    code: Float[Tensor, "1 *shape"]
    steps: int
    rate: float
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.fed.shape[2], self.fed.shape[3]

    def distance(self, many: int) -> Term:
        """To the code, of so many problems."""
        return code_distance(self.layer, self.code.expand(many, *self.code.shape[1:]))

    def ascent(self, **settings: Any) -> Ascent:
        """One of its ascents."""
        given = {"steps": self.steps, "rate": self.rate} | settings
        return replace(ascent(Settings(**given), self.network, self.size), redirected=False)

    def prior(self, name: str) -> Term:
        """A prior with weight 1.

        Raises:
            Mistake: there is none for this network.
        """
        if name == DECODER:
            return near(decoder_pictures(None, self.network, self.layer, self.code, self.size))
        (term,) = self.ascent(**WEIGHTED[name]).priors
        return term

    def deep(self) -> Iterator[Step]:
        """The steps of an untrained network."""
        how = self.ascent(parameterization=DEEP, rate=PRESETS["deep-prior"].rate)
        return how.trajectory(self.network, [([0], -self.distance(1))], Key(self.seed, [0]), self.size).steps

    def eight_bit(self, pictures: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 h w"]:
        """Pictures as they are saved."""
        return levels(seen(self.network, pictures)).byte().cpu()

    def errors(self, pictures: Sequence[UInt8[Tensor, "3 h w"]]) -> list[float]:
        """Of the codes of pictures that are saved."""
        reading, term, found = self.network.planned("reading"), self.distance(1), []
        for start in range(0, len(pictures), BATCH):
            some = torch.stack([*pictures[start : start + BATCH]]).to(self.fed) / 255
            found += values(reading, term, some, torch.zeros(len(some), dtype=torch.long)).tolist()
        return [float(one) for one in found]


def small_shifts(side: int) -> Transform:
    """Shifts of up to 1 % of the side each way, scales .98 to 1.02, rotations of 2 degrees; the view keeps its size."""
    pad = max(1, round(0.01 * side))
    return shake(pad=pad, jitter=2 * pad, scale=(0.98, 1.02), rotate=2.0, border="reflect")


def stopped(pictures: Sequence[UInt8[Tensor, "3 h w"]], errors: Sequence[float], target: float) -> Painted:
    """The picture of the first step whose error is no more than `target`, or of the one before, if that is nearer."""
    first = next((i for i, error in enumerate(errors) if error <= target), None)
    at = min(range(len(errors)), key=errors.__getitem__) if first is None else first
    if first and off(errors[first - 1], target) < off(errors[first], target):
        at = first - 1
    return Painted(pictures[at], errors[at], stopped=at)


@dataclass
class Search:
    """Of one error for all.

    Attributes:
        asked: what is inverted.
        chosen: the priors.
        rounds: how often weights are tried, after the first time.
        target: the wanted error; 0 until it is known.
        painted: what each prior made so far, nearest to the wanted error.
        tried: of each prior with a weight, weights and errors.
    """

    asked: Question
    chosen: Sequence[str]
    rounds: int
    target: float = 0.0
    painted: dict[str, Painted] = field(default_factory=dict)
    tried: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Steps, at most."""
        return self.asked.steps * ((DEEP in self.chosen) + 1 + self.rounds)

    def steps(self) -> Iterator[Step]:
        """All ascents, one after the other, counted through."""
        paths: dict[str, list[Tensor]] = {name: [] for name in STOPPED if name in self.chosen}
        done = 0
        if DEEP in paths:
            for last in self.asked.deep():
                paths[DEEP].append(self.asked.eight_bit(last.pictures)[0])
                yield last
            done = self.asked.steps
        beside = [name for name in paths if name != DEEP]
        wanted = self.target or FIRST
        weights = {name: self._first_weight(name, wanted) for name in self.chosen if name in WEIGHTED}
        for step in self._round(beside, weights):
            for row, name in enumerate(beside):
                paths[name].append(self.asked.eight_bit(step.pictures[row : row + 1])[0])
            last = replace(step, index=done + step.index)
            yield last
        self._aim(paths)
        for number in range(self.rounds + 1):
            if weights:
                self._note(weights, last.pictures[-len(weights) :])
            yield last  # once more, with what came of it
            weights = {name: next_weight(self.tried[name], self.target) for name in self._unfinished()}
            if number == self.rounds or not weights:
                return
            done += self.asked.steps
            for step in self._round([], weights):
                last = replace(step, index=done + step.index)
                yield last

    def _first_weight(self, name: str, error: float) -> float:
        """With which the photograph itself would cost as much as that error of its code."""
        return float(error / max(_alone(self.asked.network, self.asked.prior(name), self.asked.fed), 1e-9))

    def _round(self, beside: Sequence[str], weights: dict[str, float]) -> Iterator[Step]:
        """One ascent from the same start for each of them, in one batch."""
        many, network = len(beside) + len(weights), self.asked.network
        if not many:
            return iter(())
        key, how = Key(self.asked.seed, [0] * many), self.asked.ascent()
        shifted = [row for row, name in enumerate(beside) if name == SHIFTS]
        plain = [row for row in range(many) if row not in shifted]
        transforms = (plain, as_is), (shifted, small_shifts(min(self.asked.size)))
        codes = [(rows, gradient(network, self.asked.distance(len(rows)), t)) for rows, t in transforms if rows]
        priors: list[tuple[list[int], Objective]] = [
            ([len(beside) + i], gradient(network, weight * self.asked.prior(name)))
            for i, (name, weight) in enumerate(weights.items())
        ]
        priors += [(list(range(len(beside))), _nothing)] if beside else []
        objective = total(*(grouped(*zip(*parts, strict=True)) for parts in (codes, priors)))
        return argmin(
            how.begin(network, key, self.asked.size, many=many), chunked(objective, BATCH),
            optimizer=how.optimizer, steps=self.asked.steps, key=key,
        )  # fmt: skip

    def _aim(self, paths: dict[str, list[Tensor]]) -> None:
        """Say what error is wanted, and where those without a weight had it."""
        curves = {name: self.asked.errors(pictures) for name, pictures in paths.items()}
        self.target = self.target or SLACK * max((min(curve) for curve in curves.values()), default=FIRST / SLACK)
        self.painted |= {name: stopped(paths[name], curve, self.target) for name, curve in curves.items()}

    def _note(self, weights: dict[str, float], pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Keep of each prior the picture that came nearest to the wanted error."""
        made = self.asked.eight_bit(pictures)
        for (name, weight), picture, error in zip(weights.items(), made, self.asked.errors(list(made)), strict=True):
            self.tried.setdefault(name, []).append((weight, error))
            if nearest(self.tried[name], self.target) == (weight, error):
                self.painted[name] = Painted(picture, error, weight=weight)

    def _unfinished(self) -> list[str]:
        """The priors with a weight that are not near enough to the wanted error."""
        return [name for name in self.tried if off(self.painted[name].error, self.target) > TOLERANCE]


def _nothing(pictures: Tensor, rows: Tensor, key: Key) -> Evaluation:
    return Evaluation(pictures.new_zeros(len(pictures)), torch.zeros_like(pictures))


def _alone(network: Network, prior: Term, picture: Float[Tensor, "1 3 h w"]) -> float:
    return float(values(network.planned("reading"), prior, picture, torch.zeros(1, dtype=torch.long))[0])
